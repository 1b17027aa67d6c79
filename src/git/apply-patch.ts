/** A patch in git's own format applied to a tree, by git, in an index of its own: no work tree, no configuration of anybody. */

import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { usageError } from '../errors.ts';
import type { ObjectId } from '../types.ts';
import { git } from './git.ts';
import { cannotWrite, privateGit } from './private-dir.ts';
import type { Repository } from './repository.ts';

/**
 * The tree that a patch makes of `base`, written into the user's object store. The patch was read by the strict parser.
 * Usage error PATCH_MISFIT, with what git says, where it does not fit: context must be as it says, at whatever line.
 */
export async function applyToTree(repo: Repository, base: ObjectId, patch: Buffer): Promise<ObjectId> {
  // git calls an empty patch an error.
  if (patch.length === 0) return base;
  const where = await privateGit(repo);
  const folder = await mkdtemp(join(where.cwd, 'merge-')).catch((error: unknown) => {
    throw cannotWrite(where.cwd, error);
  });
  try {
    const options = { env: { GIT_INDEX_FILE: join(folder, 'index') }, config: ['core.fsync=committed'] };
    await git(where, ['read-tree', base], options);
    const args = ['apply', '--cached', '--binary', '--whitespace=nowarn', '-'];
    const answer = await git(where, args, { ...options, input: patch, accept: [1, 128] });
    if (answer.exitCode !== 0) throw misfit(answer.stderr);
    const { stdout } = await git(where, ['write-tree'], options);
    return stdout.toString('latin1').trim() as ObjectId;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function misfit(said: string): Error {
  const lines = said.split('\n').filter((line) => line.startsWith('error: '));
  const why = lines.map((line) => line.slice('error: '.length)).slice(0, 3);
  return usageError('PATCH_MISFIT', `The patch does not fit: ${why.length === 0 ? said.trim() : why.join('; ')}.`, {
    hint: 'It must be against the base of the patch that it replaces; see `orchestrate patch show`.',
  });
}
