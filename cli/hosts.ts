/** The Docker hosts that the settings know, inside of a repository and outside of one. */

import { join } from 'node:path';
import { LOCAL_HOST } from '../src/config/host-url.ts';
import type { LoadedSettings, WrittenFlags } from '../src/config/load.ts';
import type { Settings } from '../src/config/settings.ts';
import { OrchestrateError } from '../src/errors.ts';
import { LOCAL_ENGINE, type WantedHost, wantedHost } from '../src/sandbox/docker/hosts.ts';
import type { State } from '../src/state/state.ts';
import type { Context } from './context.ts';

/** The file that `host add` writes. */
export function userFileOf(context: Context): string {
  return join(context.configDirectory, 'config.yaml');
}

/** All layers, where there is a repository; else the user's own. Looking must not ask: what was not accepted is left out. */
export async function settingsAnywhere(context: Context, flags: WrittenFlags = {}): Promise<Settings> {
  const loaded = await context.settings(flags, { trust: false, ask: false }).catch(async (error) => {
    if (!(error instanceof OrchestrateError) || error.kind !== 'environment') throw error;
    return userSettings(context, flags);
  });
  return loaded.settings;
}

/** The local engine, and the others that attempts ran on; where one is may not be known any more. */
export async function hostsWithWork(context: Context, state: State): Promise<readonly WantedHost[]> {
  const used = state.attemptHosts().filter((name) => name !== LOCAL_HOST);
  if (used.length === 0) return [LOCAL_ENGINE];
  const { hosts } = await settingsAnywhere(context);
  return [LOCAL_ENGINE, ...used.flatMap((name) => hostLike(name, hosts) ?? [])];
}

/** Null: a machine of a Swarm may be called what no host of ours can be. */
export function hostLike(name: string, hosts: Settings['hosts']): WantedHost | null {
  try {
    return wantedHost(name, hosts);
  } catch {
    return null;
  }
}

async function userSettings(context: Context, flags: WrittenFlags): Promise<LoadedSettings> {
  const { loadSettings } = await import('../src/config/load.ts');
  return loadSettings({
    ...{ repositoryFile: null, userFile: userFileOf(context), trust: async () => false },
    ...{ environment: context.env, directory: context.cwd, flags },
  });
}
