/** Where agents could run, for `doctor`: the local engine and the hosts of the settings. */

import { LOCAL_HOST } from '../../src/config/host-url.ts';
import type { Settings } from '../../src/config/settings.ts';
import { OrchestrateError } from '../../src/errors.ts';
import { configuredHosts, type WantedHost, wantedHosts } from '../../src/sandbox/docker/hosts.ts';
import { engineText } from '../commands/host-check.ts';
import type { Context } from '../context.ts';
import { type Finding, ok, warn } from './finding.ts';

/** Of the local engine, as they are told of it, and of the hosts. Nothing fails that a run could start without. */
export async function placeFindings(
  context: Context,
  settings: Settings,
  local: readonly Finding[],
): Promise<readonly Finding[]> {
  let wanted: readonly WantedHost[];
  try {
    wanted = wantedHosts(settings);
  } catch (error) {
    if (!(error instanceof OrchestrateError)) throw error;
    return [...local, { name: 'hosts', status: 'fail', detail: error.message, fix: error.hint ?? null }];
  }
  // The others are nodes of the same Swarm, if anything.
  const ofRun = new Set((settings.sandbox === 'swarm' ? wanted.slice(0, 1) : wanted).map(({ name }) => name));
  const others = configuredHosts(settings.hosts).filter(({ name }) => wanted.every((one) => one.name !== name));
  const remote = [...wanted.filter(({ name }) => name !== LOCAL_HOST), ...others];
  const found = await Promise.all(
    remote.map(async (host) => ({ name: host.name, findings: [await hostFinding(context, host, settings)] })),
  );
  const places = [{ name: LOCAL_HOST, findings: local }, ...found];
  const couldStart = places.some(({ name, findings }) => ofRun.has(name) && !findings.some(isFailed));
  return places.flatMap(({ name, findings }) =>
    couldStart || !ofRun.has(name) ? findings.map(asWarning) : [...findings],
  );
}

async function hostFinding(context: Context, host: WantedHost, { limits }: Settings): Promise<Finding> {
  const { checkHost } = await import('../../src/sandbox/docker/host-check.ts');
  const { engine, fault, warnings } = await checkHost(host, context.env, limits);
  const name = `host ${host.name}`;
  if (fault !== null || engine === null) {
    return { name, status: 'fail', detail: fault?.message ?? 'cannot be used', fix: fault?.hint ?? null };
  }
  return warnings.length === 0
    ? ok(name, engineText(engine))
    : warn(name, `${engineText(engine)}; ${warnings.join('; ')}`, null);
}

function isFailed({ status }: Finding): boolean {
  return status === 'fail';
}

function asWarning(finding: Finding): Finding {
  return isFailed(finding) ? { ...finding, status: 'warn' } : finding;
}
