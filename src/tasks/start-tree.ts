/** The tree a task starts from: the run's base, or the merge of the results of what the task depends on. */

import { isAncestor } from '../git/ancestry.ts';
import { commitTree, parentOf, treeOf } from '../git/commits.ts';
import { mergeTrees, mergeWithMarkers } from '../git/merge.ts';
import type { Repository } from '../git/repository.ts';
import type { AttemptRecord, PatchRecord } from '../state/records.ts';
import type { State } from '../state/state.ts';
import type { AttemptId, ObjectId, TaskId } from '../types.ts';

export interface StartTree extends CommittedTree {
  /** What the patch is made against: the same, or without the earlier attempt's work that this one goes on with. */
  readonly base: CommittedTree;
  /** A tree that differs little and that hosts have: the run's base. */
  readonly near: ObjectId | null;
}

/** A tree and a commit of it. */
export interface CommittedTree {
  readonly tree: ObjectId;
  readonly commit: ObjectId;
}

/** Dependencies whose results do not merge: the task cannot start. */
export interface StartConflict {
  readonly with: TaskId;
  readonly paths: readonly string[];
}

/**
 * Merges the results that the attempt stands on, and those that these stand on, onto the run's base in the object store,
 * the lowest first; then what `startFrom` of its task names (work that is to be gone on with: of an earlier attempt, or of
 * another task whose conflict is to be resolved), with conflict markers where the two do not merge.
 */
export async function startTreeOf(
  repository: Repository,
  state: State,
  runBase: CommittedTree,
  attempt: Pick<AttemptRecord, 'id' | 'task'>,
): Promise<StartTree | StartConflict> {
  const base = await baseTreeOf(repository, state, runBase, attempt.id);
  if ('with' in base) return base;
  const near = base.tree === runBase.tree ? null : runBase.tree;
  const { startFrom } = state.task(attempt.task);
  const earlier = startFrom === null ? null : state.patch(startFrom);
  if (earlier === null) return { ...base, base, near };
  return { ...(await goingOn(repository, base, earlier)), base, near: runBase.tree };
}

/** Always a commit of its own, whose parent is the base, for `recordedStart`. */
async function goingOn(repository: Repository, base: CommittedTree, earlier: PatchRecord): Promise<CommittedTree> {
  const trees = { base: earlier.baseTree, ours: base.tree, theirs: earlier.tree };
  const tree = await mergeWithMarkers(repository, trees);
  const message = `orchestrate: goes on with ${earlier.id}\n`;
  return { tree, commit: await commitTree(repository, { tree, parents: [base.commit], message }) };
}

/** The same without what `startFrom` names: what the attempt's patch is against. */
export async function baseTreeOf(
  repository: Repository,
  state: State,
  runBase: CommittedTree,
  attempt: AttemptId,
): Promise<CommittedTree | StartConflict> {
  const results = withFoundations(state, state.startsFrom(attempt));
  return mergedOnto(repository, runBase, await missingIn(repository, runBase.commit, results));
}

/** Each after what it stands on: a patch is the change of one attempt alone, against a tree with the results below it. */
function withFoundations(state: State, patches: readonly PatchRecord[]): PatchRecord[] {
  const found = new Map<AttemptId, PatchRecord>();
  const add = (patch: PatchRecord): void => {
    if (found.has(patch.id)) return;
    for (const below of state.startsFrom(patch.id)) add(below);
    found.set(patch.id, patch);
  };
  for (const patch of patches) add(patch);
  return [...found.values()];
}

/** Without the patches that were merged into what `commit` has: it may have gone on from there. */
async function missingIn(
  repository: Repository,
  commit: ObjectId,
  patches: readonly PatchRecord[],
): Promise<PatchRecord[]> {
  const there = await Promise.all(
    patches.map(({ mergedAs }) => mergedAs !== null && isAncestor(repository, mergedAs, commit)),
  );
  return patches.filter((_, at) => there[at] !== true);
}

/** `onto` with the changes of all patches; its commit has `onto`'s as its only parent. */
async function mergedOnto(
  repository: Repository,
  onto: CommittedTree,
  patches: readonly PatchRecord[],
): Promise<CommittedTree | StartConflict> {
  let { tree } = onto;
  for (const patch of patches) {
    const merged = await mergeTrees(repository, { base: patch.baseTree, ours: tree, theirs: patch.tree });
    if (!merged.clean) return { with: patch.task, paths: merged.paths };
    tree = merged.tree;
  }
  if (tree === onto.tree) return onto;
  const message = `orchestrate: results of ${patches.map((patch) => patch.task).join(', ')}\n`;
  return { tree, commit: await commitTree(repository, { tree, parents: [onto.commit], message }) };
}

/** The start of an attempt that was written down as `commit`: `goesOn` says that it went on with earlier work. */
export async function recordedStart(
  repository: Repository,
  recorded: CommittedTree,
  goesOn: boolean,
): Promise<StartTree> {
  if (!goesOn) return { ...recorded, base: recorded, near: null };
  const commit = await parentOf(repository, recorded.commit);
  return { ...recorded, base: { commit, tree: await treeOf(repository, commit) }, near: null };
}
