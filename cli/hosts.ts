/** The Docker hosts that the settings know, inside of a repository and outside of one. */

import { join } from 'node:path';
import type { LoadedSettings, WrittenFlags } from '../src/config/load.ts';
import type { Settings } from '../src/config/settings.ts';
import { OrchestrateError } from '../src/errors.ts';
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

async function userSettings(context: Context, flags: WrittenFlags): Promise<LoadedSettings> {
  const { loadSettings } = await import('../src/config/load.ts');
  return loadSettings({
    ...{ repositoryFile: null, userFile: userFileOf(context), trust: async () => false },
    ...{ environment: context.env, directory: context.cwd, flags },
  });
}
