/** Lays a tree out in a folder of its own, to be tried by hand: raw bytes, only files, no repository. */

import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { environmentError, type OrchestrateError, usageError } from '../errors.ts';
import type { ObjectId } from '../types.ts';
import { git } from './git.ts';
import { cannotWrite, RAW_BYTES, writeGitDirectory } from './private-dir.ts';
import { plainEnvironment, type Repository } from './repository.ts';

/**
 * Writes the files of `tree` into `folder` (absolute; made where it does not exist, with the folders above) as git stores
 * them: no filter, attribute, hook or setting applies. Symbolic links are made as they are; submodules become empty
 * folders. Errors, with nothing left behind: FOLDER_NOT_EMPTY (usage), what git refuses to check out (GIT_FAILED,
 * failure), FOLDER_NOT_WRITABLE, DISK_FULL, MISSING_OBJECTS (environment).
 */
export async function checkoutTree(repo: Repository, tree: ObjectId, folder: string): Promise<void> {
  const made = await makeEmpty(folder);
  const gitDir = join(repo.stateDir, `checkout.${randomBytes(6).toString('hex')}`);
  try {
    await writeGitDirectory(repo, gitDir, { attributes: RAW_BYTES }).catch((error: unknown) => {
      throw cannotWrite(repo.stateDir, error);
    });
    const where = {
      cwd: gitDir,
      gitDir,
      // Of its own, so that nothing that is checked out is looked at again as attributes or as a repository.
      workTree: gitDir,
      env: { ...plainEnvironment(repo.env), GIT_OBJECT_DIRECTORY: repo.objectsDir },
      config: ['core.fsmonitor=false', 'core.splitIndex=false'],
    };
    await git(where, ['read-tree', tree]);
    await git(where, ['checkout-index', '--all', `--prefix=${folder}/`]);
  } catch (error) {
    const rest = made === null ? (await readdir(folder)).map((name) => join(folder, name)) : [made];
    for (const path of rest) await rm(path, { recursive: true, force: true });
    throw error;
  } finally {
    await rm(gitDir, { recursive: true, force: true });
  }
}

/** The first of the folders that had to be made; null where it was there, and empty. */
async function makeEmpty(folder: string): Promise<string | null> {
  try {
    const made = await mkdir(folder, { recursive: true });
    if (made !== undefined) return made;
    if ((await readdir(folder)).length === 0) return null;
  } catch (error) {
    throw cannotUse(folder, error);
  }
  throw usageError('FOLDER_NOT_EMPTY', `${folder} is not empty.`, { hint: 'Name a folder that does not exist yet.' });
}

function cannotUse(folder: string, error: unknown): OrchestrateError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'EEXIST' || code === 'ENOTDIR') {
    return usageError('FOLDER_NOT_EMPTY', `${folder} is not a folder.`, {
      hint: 'Name a folder that does not exist yet.',
    });
  }
  return environmentError('FOLDER_NOT_WRITABLE', `${folder} cannot be written (${code}).`, { cause: error });
}
