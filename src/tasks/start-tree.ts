/** The tree a task starts from: the run's base, or the merge of the results of what the task depends on. */

import { commitTree } from '../git/commits.ts';
import { mergeTrees } from '../git/merge.ts';
import type { Repository } from '../git/repository.ts';
import type { State } from '../state/state.ts';
import type { ObjectId, PatchState, TaskId } from '../types.ts';

export interface StartTree {
  readonly tree: ObjectId;
  /** A commit of that tree, the parent of the result's commit. */
  readonly commit: ObjectId;
  /** A tree that differs little and that hosts have: the run's base. */
  readonly near: ObjectId | null;
}

/** Dependencies whose results do not merge: the task cannot start. */
export interface StartConflict {
  readonly with: TaskId;
  readonly paths: readonly string[];
}

/** A rejected result must not come back through a task that stood on it. */
const USABLE: readonly PatchState[] = ['pending', 'approved', 'merged', 'conflict', 'set-aside', 'changes-requested'];

/**
 * Merges the results of `dependsOn` in the object store, in their order, onto the run's base.
 * A result holds its own dependencies' changes already, because it was made on top of them.
 */
export async function startTreeOf(
  repository: Repository,
  state: State,
  base: { readonly tree: ObjectId; readonly commit: ObjectId },
  dependsOn: readonly TaskId[],
): Promise<StartTree | StartConflict> {
  let tree = base.tree;
  for (const dependency of dependsOn) {
    const patch = state.patchOf(dependency);
    if (patch === null || !USABLE.includes(patch.state)) continue;
    const merged = await mergeTrees(repository, { base: patch.baseTree, ours: tree, theirs: patch.tree });
    if (!merged.clean) return { with: dependency, paths: merged.paths };
    tree = merged.tree;
  }
  if (tree === base.tree) return { ...base, near: null };
  const commit = await commitTree(repository, {
    tree,
    parents: [base.commit],
    message: `orchestrate: results of ${dependsOn.join(', ')}\n`,
  });
  return { tree, commit, near: base.tree };
}
