/** Whether patches still merge into a tree, such as that of the branch they are for: each alone, with what it stands on. */

import type { TreeMerge } from '../git/merge.ts';
import { openMerger } from '../git/merger.ts';
import type { Repository } from '../git/repository.ts';
import type { PatchRecord } from '../state/records.ts';
import type { State } from '../state/state.ts';
import type { AttemptId, ObjectId } from '../types.ts';

/**
 * For each patch the tree that it makes of `tree`, or the paths in conflict. What a patch stands on is put there first; one
 * that stands on a conflict has the paths of that. Nothing is left in the repository: the trees are not there afterwards.
 */
export async function mergesOnto(
  repository: Repository,
  state: State,
  onto: { readonly tree: ObjectId; readonly patches: readonly PatchRecord[] },
): Promise<ReadonlyMap<AttemptId, TreeMerge>> {
  await using merger = await openMerger(repository, 'dropped');
  const merges = new Map<AttemptId, Promise<TreeMerge>>();
  const mergeOf = (patch: PatchRecord): Promise<TreeMerge> => {
    const known = merges.get(patch.id) ?? merge(patch);
    merges.set(patch.id, known);
    return known;
  };
  const merge = async (patch: PatchRecord): Promise<TreeMerge> => {
    let { tree } = onto;
    for (const below of state.startsFrom(patch.id)) {
      const standsOn = await mergeOf(below);
      if (!standsOn.clean) return standsOn;
      const both = await merger.merge({ base: onto.tree, ours: tree, theirs: standsOn.tree });
      if (!both.clean) return both;
      tree = both.tree;
    }
    return merger.merge({ base: patch.baseTree, ours: tree, theirs: patch.tree });
  };
  const answers = await Promise.all(onto.patches.map(async (patch) => [patch.id, await mergeOf(patch)] as const));
  return new Map(answers);
}
