/** What a commit has of what came before: other commits, and changes. */

import { OrchestrateError } from '../errors.ts';
import type { ObjectId } from '../types.ts';
import { git, gitError } from './git.ts';
import { mergeTrees } from './merge.ts';
import { type Repository, userGit } from './repository.ts';

/**
 * Whether `ancestor` is `descendant` (a commit, or any revision that git knows) or in its history. False also where either
 * is not there at all: a commit that was thrown away is in nobody's history, nor has a branch that does not exist any.
 */
export async function isAncestor(repo: Repository, ancestor: ObjectId, descendant: string): Promise<boolean> {
  const args = ['merge-base', '--is-ancestor', '--end-of-options', ancestor, descendant];
  const answer = await git(userGit(repo, 'read'), args, { accept: [1, 128] });
  if (answer.exitCode === 128 && !/^fatal: Not a valid (?:commit|object) name/m.test(answer.stderr)) {
    throw gitError(args, answer);
  }
  return answer.exitCode === 0;
}

/**
 * Whether merging a change (from tree `base` to tree `result`) into `revision` would do nothing, because it is there, by
 * whatever commit it came. False also where the trees are no longer there.
 */
export async function hasChange(
  repo: Repository,
  revision: string,
  change: { readonly base: ObjectId; readonly result: ObjectId },
): Promise<boolean> {
  const args = ['rev-parse', '--verify', '--end-of-options', `${revision}^{tree}`];
  const found = await git(userGit(repo, 'read'), args);
  const tree = found.stdout.toString('latin1').trim() as ObjectId;
  try {
    const merge = await mergeTrees(repo, { base: change.base, ours: tree, theirs: change.result });
    return merge.clean && merge.tree === tree;
  } catch (error) {
    if (error instanceof OrchestrateError && error.code === 'MISSING_OBJECTS') return false;
    throw error;
  }
}
