/** Three-way merges of trees in the object store: no work tree, no drivers, no configuration of the user. */

import type { ObjectId } from '../types.ts';
import { MergeFolder, mergeAtOnce, type TreeMerge, type TreesToMerge } from './merge-folder.ts';
import type { Repository } from './repository.ts';

export type { TreeMerge, TreesToMerge };

/** Merges two trees that both come from the tree `base`. What is new goes into the user's object store. */
export async function mergeTrees(repo: Repository, merge: TreesToMerge): Promise<TreeMerge> {
  const known = mergeAtOnce(merge);
  if (known !== null) return known;
  await using folder = await MergeFolder.create(repo, 'kept');
  return await folder.merge(merge);
}

/**
 * The same for whoever resolves conflicts: where the two do not merge, the tree has both sides of a text between conflict
 * markers, and of what is no text (a binary file, one that the other side deleted) one of them.
 */
export async function mergeWithMarkers(repo: Repository, merge: TreesToMerge): Promise<ObjectId> {
  const known = mergeAtOnce(merge);
  if (known?.clean === true) return known.tree;
  await using folder = await MergeFolder.create(repo, 'kept');
  return await folder.mergeWithMarkers(merge);
}
