/** The Docker hosts of the settings, for `doctor`. One that no run would use fails nothing. */

import { LOCAL_HOST } from '../../src/config/host-url.ts';
import type { Settings } from '../../src/config/settings.ts';
import { OrchestrateError } from '../../src/errors.ts';
import { configuredHosts, type WantedHost, wantedHosts } from '../../src/sandbox/docker/hosts.ts';
import { engineText } from '../commands/host-check.ts';
import type { Context } from '../context.ts';
import { type Finding, ok, warn } from './finding.ts';

/** Hosts of a run with these settings, besides the local engine; whether that one is among them. */
export interface RunHosts {
  readonly usesLocal: boolean;
  readonly hosts: readonly WantedHost[];
}

/** Throws usage errors of `wantedHosts`. */
export function hostsOfRun(settings: Settings): RunHosts {
  const wanted = wantedHosts(settings);
  return { usesLocal: wanted.some(isLocal), hosts: wanted.filter((host) => !isLocal(host)) };
}

export async function hostFindings(context: Context, settings: Settings): Promise<Finding[]> {
  let run: RunHosts;
  try {
    run = hostsOfRun(settings);
  } catch (error) {
    if (!(error instanceof OrchestrateError)) throw error;
    return [{ name: 'hosts', status: 'fail', detail: error.message, fix: error.hint ?? null }];
  }
  const names = new Set(run.hosts.map(({ name }) => name));
  const others = configuredHosts(settings.hosts).filter(({ name }) => !names.has(name));
  const { checkHost } = await import('../../src/sandbox/docker/host-check.ts');
  return Promise.all(
    [...run.hosts, ...others].map(async (host): Promise<Finding> => {
      const { engine, fault, warnings } = await checkHost(host, context.env, settings.limits);
      const name = `host ${host.name}`;
      if (fault === null && engine !== null) {
        return warnings.length === 0
          ? ok(name, engineText(engine))
          : warn(name, `${engineText(engine)}; ${warnings.join('; ')}`, null);
      }
      const status = names.has(host.name) ? 'fail' : 'warn';
      return { name, status, detail: fault?.message ?? 'cannot be used', fix: fault?.hint ?? null };
    }),
  );
}

function isLocal({ name }: WantedHost): boolean {
  return name === LOCAL_HOST;
}
