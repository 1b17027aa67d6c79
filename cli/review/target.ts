/** Whether a patch still merges into the branch that is checked out, by a merge in memory. */

import type { readHead } from '../../src/git/apply.ts';
import { git } from '../../src/git/git.ts';
import type { TreeMerge, TreesToMerge } from '../../src/git/merge.ts';
import { type Repository, userGit } from '../../src/git/repository.ts';
import type { PatchRecord } from '../../src/state/records.ts';
import type { ObjectId } from '../../src/types.ts';

/** What is checked out: its short name is null where HEAD is detached. */
export type Target = Awaited<ReturnType<typeof readHead>>;

export interface TargetForecast {
  readonly branch: string | null;
  /** `there`: the target has all of it already. */
  readonly outcome: 'merges' | 'conflicts' | 'there';
  /** Printable paths in conflict. */
  readonly paths: readonly string[];
}

/** @param isStacked it stands on a patch that is not merged: then it merges together with that */
export async function forecastInto(
  target: Target,
  patch: PatchRecord,
  places: {
    readonly repository: Repository;
    readonly isStacked: boolean;
    merge(trees: TreesToMerge): Promise<TreeMerge>;
  },
): Promise<TargetForecast> {
  const { repository, isStacked, merge } = places;
  const base = (isStacked ? await commonTree(repository, target.commit, patch.commit) : null) ?? patch.baseTree;
  const merged = await merge({ base, ours: target.tree, theirs: patch.tree });
  const { branch } = target;
  if (!merged.clean) return { branch, outcome: 'conflicts', paths: merged.paths };
  return { branch, outcome: merged.tree === target.tree ? 'there' : 'merges', paths: [] };
}

/** Null: they have no history in common. */
async function commonTree(repository: Repository, one: ObjectId, other: ObjectId): Promise<ObjectId | null> {
  const where = userGit(repository, 'read');
  const found = await git(where, ['merge-base', one, other], { accept: [1] });
  const [commit = ''] = found.stdout.toString('latin1').split('\n');
  if (found.exitCode !== 0 || commit === '') return null;
  return (await git(where, ['rev-parse', `${commit}^{tree}`])).stdout.toString('latin1').trim() as ObjectId;
}
