/** What a killed merge left: finished where the branch has it, forgotten where it does not; files and index agree either way. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { OrchestrateError } from '../errors.ts';
import { isAncestor } from '../git/ancestry.ts';
import { readTip } from '../git/apply.ts';
import { settleMove } from '../git/branch-move.ts';
import { nameSome } from '../git/bytes.ts';
import { treeOf } from '../git/commits.ts';
import { findRepository, type Repository } from '../git/repository.ts';
import type { OpenMerge } from '../state/merges.ts';
import type { State } from '../state/state.ts';

/** Where a merge keeps what it needs to be mended. */
export function folderOf(state: State, merge: OpenMerge): string {
  return join(state.directory, 'landing', String(merge.seq));
}

/** Removes what `folderOf` has. */
export async function removeFolder(state: State, merge: OpenMerge): Promise<void> {
  const folder = folderOf(state, merge);
  await Promise.all([folder, `${folder}.closed`].map((each) => rm(each, { recursive: true, force: true })));
}

/** Ends every merge that was cut off. The caller holds the landing lock. Returns lines for people, fit to be shown. */
export async function recoverMerges(repository: Repository, state: State): Promise<string[]> {
  const said: string[] = [];
  for (const merge of state.openMerges()) {
    const where = merge.workTree === null ? null : await workTreeAt(repository, merge.workTree);
    let left: readonly string[] = [];
    if (where !== null && merge.from !== merge.to) {
      const [oldTree, newTree] = [await treeOf(repository, merge.from), await treeOf(repository, merge.to)];
      const { target: ref, from, to } = merge;
      const settled = await settleMove(where, { ref, from, to, oldTree, newTree, folder: folderOf(state, merge) });
      left = settled.left;
    }
    const landed = await hasLanded(where ?? repository, merge);
    state.endMerge(merge, landed);
    await removeFolder(state, merge);
    const patches = nameSome(merge.commits.map((commit) => commit.patch));
    said.push(
      landed
        ? `a merge that was cut off had landed: ${patches}`
        : `a merge that was cut off had not landed and was taken back: ${patches}`,
    );
    if (left.length > 0) said.push(`files that were changed since then were left as they are: ${nameSome(left, 10)}`);
  }
  return said;
}

/** The branch may have gone on since. */
async function hasLanded(repository: Repository, merge: OpenMerge): Promise<boolean> {
  const tip = await readTip(repository, merge.target);
  return tip !== null && (await isAncestor(repository, merge.to, tip.commit));
}

/** Null where the work tree is no longer there. */
async function workTreeAt(repository: Repository, root: string): Promise<Repository | null> {
  if (root === repository.root) return repository;
  try {
    return await findRepository(root, repository.env);
  } catch (error) {
    if (error instanceof OrchestrateError && error.kind === 'environment') return null;
    throw error;
  }
}
