/** One commit for each patch, all made before anything moves; then the target moves by compare-and-swap, its files along. */

import { prepareMove, readHead, refuseUnfinished } from '../git/apply.ts';
import { moveBranch } from '../git/branch-move.ts';
import type { TreeMove } from '../git/checkout.ts';
import { commitChain, type NewCommit } from '../git/commits.ts';
import { readLocalState } from '../git/local-changes.ts';
import { moveRef } from '../git/refs.ts';
import type { Repository } from '../git/repository.ts';
import { workTreeOf } from '../git/worktrees.ts';
import type { MergedCommit, OpenMerge, SeenPatch } from '../state/merges.ts';
import type { State } from '../state/state.ts';
import type { ObjectId } from '../types.ts';
import { folderOf, removeFolder } from './recover.ts';
import type { Target } from './target.ts';

export interface LandingPatch {
  /** As it was stacked and checked. */
  readonly patch: SeenPatch;
  /** The target's tree with this patch and those before it; the same as before: it has the patch already. */
  readonly tree: ObjectId;
  /** Of its commit. */
  readonly message: string;
}

export interface Landing extends Pick<NewCommit, 'author' | 'committer'> {
  /** For the reflog; default: merge. */
  readonly verb?: 'merge' | 'apply';
  readonly target: Target;
  readonly patches: readonly LandingPatch[];
}

/** `landed` with the new tip, or nothing was done: the target is `elsewhere` by now, or a patch is no longer approved as it was. */
export type LandingEnd = { readonly landed: ObjectId } | 'elsewhere' | 'changed';

/**
 * Lands patches on a target that was looked at before. The caller holds the landing lock.
 * Failures, with nothing done: LOCAL_CHANGES, UNMERGED, OPERATION_IN_PROGRESS, REPOSITORY_LOCKED, and what git says.
 */
export async function land(repository: Repository, state: State, landing: Landing): Promise<LandingEnd> {
  const { target, patches } = landing;
  const commits = await commitsOf(repository, landing);
  const to = commits.at(-1)?.commit ?? target.tip.commit;
  const from = target.tip.commit;
  const tree = patches.at(-1)?.tree ?? target.tip.tree;
  const follows = target.isHere && to !== from;
  const move = follows ? await preparedMove(repository, target, tree) : null;
  if (move === 'elsewhere') return 'elsewhere';
  const workTree = target.isHere ? repository.root : null;
  const merge = state.beginMerge(
    { target: target.ref, from, to, commits, workTree },
    patches.map(({ patch }) => patch),
  );
  if (merge === null) return 'changed';
  const message = `orchestrate: ${landing.verb ?? 'merge'} ${patches.map(({ patch }) => patch.id).join(', ')}`;
  const { ref } = target;
  const folder = folderOf(state, merge);
  let end: 'moved' | 'elsewhere' | 'locked';
  try {
    if (move !== null) end = await moveBranch(repository, { ref, from, to, message, folder, tree: move });
    else end = await moveElsewhere(repository, target, { to, message });
  } catch (error) {
    await close(state, merge, false);
    throw error;
  }
  await close(state, merge, end === 'moved');
  // Whoever had the index locked may have moved the branch.
  if (end === 'locked') await refuseUnfinished(repository);
  return end === 'moved' ? { landed: to } : 'elsewhere';
}

async function close(state: State, merge: OpenMerge, landed: boolean): Promise<void> {
  state.endMerge(merge, landed);
  await removeFolder(state, merge);
}

/**
 * Refuses early what would refuse the landing: failures LOCAL_CHANGES, UNMERGED, OPERATION_IN_PROGRESS, REPOSITORY_LOCKED.
 * Nothing is refused where the target is checked out nowhere. The caller holds the landing lock.
 */
export async function refuseInTheWay(
  repository: Repository,
  target: Target,
  tree: ObjectId,
): Promise<'elsewhere' | 'free'> {
  if (!target.isHere || tree === target.tip.tree) return 'free';
  return (await preparedMove(repository, target, tree)) === 'elsewhere' ? 'elsewhere' : 'free';
}

async function preparedMove(repository: Repository, target: Target, tree: ObjectId): Promise<TreeMove | 'elsewhere'> {
  await refuseUnfinished(repository);
  try {
    const local = await readLocalState(repository);
    return await prepareMove(repository, { from: target.tip.tree, to: tree, local });
  } catch (error) {
    // What was committed meanwhile looks like a local change from where the branch was before.
    const { commit, branch } = await readHead(repository);
    if (commit !== target.tip.commit || branch !== target.branch) return 'elsewhere';
    throw error;
  }
}

/** A ref that no work tree has checked out, and one that stays where it is. */
async function moveElsewhere(
  repository: Repository,
  target: Target,
  { to, message }: { readonly to: ObjectId; readonly message: string },
): Promise<'moved' | 'elsewhere'> {
  const { ref, tip, isNew, isHere } = target;
  if (isHere) return 'moved';
  if ((await workTreeOf(repository, ref)) !== null) return 'elsewhere';
  const moved = await moveRef(repository, ref, { from: isNew ? null : tip.commit, to, message });
  return moved ? 'moved' : 'elsewhere';
}

/** Patches that change nothing any more get no commit of their own, but the one before them. */
async function commitsOf(repository: Repository, landing: Landing): Promise<MergedCommit[]> {
  const { target, patches, author, committer } = landing;
  const changing = patches.filter((patch, n) => patch.tree !== (patches[n - 1]?.tree ?? target.tip.tree));
  const people = { ...(author === undefined ? {} : { author }), ...(committer === undefined ? {} : { committer }) };
  const made = await commitChain(repository, target.tip.commit, { commits: changing, ...people });
  const byPatch = new Map(changing.map(({ patch }, n) => [patch.id, made[n]]));
  let last = target.tip.commit;
  return patches.map(({ patch: { id } }) => {
    last = byPatch.get(id) ?? last;
    return { patch: id, commit: last };
  });
}
