/** The keys of model services that count for this repository. */

import { join } from 'node:path';
import { type Keys, loadKeys } from '../src/config/env-file.ts';
import type { ModelEngine } from '../src/engine/choose.ts';
import { OrchestrateError } from '../src/errors.ts';
import type { Repository } from '../src/git/repository.ts';
import type { Context } from './context.ts';

/** A `.env` of the repository counts only where git does not track it: a tracked one came with somebody's commit. */
export async function keysOf(context: Context, repository: Repository | null): Promise<Keys> {
  const own = repository === null || (await isTracked(repository, '.env')) ? null : join(repository.root, '.env');
  return loadKeys({ environment: context.env, userFile: join(context.configDirectory, '.env'), repositoryFile: own });
}

async function isTracked(repository: Repository, path: string): Promise<boolean> {
  const [{ git }, { userGit }] = await Promise.all([import('../src/git/git.ts'), import('../src/git/repository.ts')]);
  const listed = await git(userGit(repository, 'read'), ['ls-files', '-z', '--', `:(top,literal,icase)${path}`]);
  return listed.stdout.length > 0;
}

/** The engine that the keys choose; null: there is none for any. */
export async function engineByKeys(context: Context): Promise<ModelEngine | null> {
  const { chooseEngine } = await import('../src/engine/choose.ts');
  try {
    return chooseEngine((await keysOf(context, await context.repository())).found);
  } catch (error) {
    if (error instanceof OrchestrateError && error.code === 'NO_ENGINE') return null;
    throw error;
  }
}
