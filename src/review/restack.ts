/**
 * What stands on a result that was amended or replaced is merged onto what that is now; where that does not merge, its
 * task is done again. Lowest first, so that what stands on those follows.
 */

import { nameSome } from '../git/bytes.ts';
import { commitTree, treeOf } from '../git/commits.ts';
import { mergeTrees } from '../git/merge.ts';
import { moveRef, originalRef, readRef } from '../git/refs.ts';
import type { Repository } from '../git/repository.ts';
import type { ChangedFoundation } from '../state/foundations.ts';
import type { PatchRecord } from '../state/records.ts';
import type { State } from '../state/state.ts';
import { baseTreeOf, type CommittedTree } from '../tasks/start-tree.ts';
import type { AttemptId, ObjectId, TaskId } from '../types.ts';
import { contentOf, keepReviewed } from './reviewed.ts';

export interface Restacked {
  readonly patch: AttemptId;
  /** `redone`: it does not merge, and its task is queued again (or was). */
  readonly outcome: 'restacked' | 'redone';
  /** For people. */
  readonly reason: string;
}

/** Somebody else changes the same patches at the same moment; more is no coincidence. */
const MOST_RACES = 10;

/**
 * For a patch that was amended, rejected or no longer is, or is new: what stood on its task's results that were rejected or
 * sent back stands on the newest one, and what is stale on top of it is restacked; itself where it is stale from the
 * beginning. Safe to be repeated, cut off and done by several at once: what was restacked is not looked at again.
 * Cheap where nothing is stale.
 */
export async function restackAbove(
  repository: Repository,
  state: State,
  changed: AttemptId,
): Promise<readonly Restacked[]> {
  const task = state.patch(changed)?.task;
  const heir = task === undefined ? null : state.replaceFoundations(task);
  const above = [changed, ...(heir === null || heir === changed ? [] : [heir])].flatMap((id) => state.standingOn(id));
  return restackAll(repository, state, [changed, ...above]);
}

/** The same for all that has to be restacked: what a process that was killed has left. */
export async function restackStale(repository: Repository, state: State): Promise<readonly Restacked[]> {
  const patches = state.patches();
  const seen = new Set<TaskId>();
  const anew = new Set<TaskId>();
  for (const { task } of patches) (seen.has(task) ? anew : seen).add(task);
  for (const task of anew) state.replaceFoundations(task);
  const outdated = patches.map(({ id }) => id).filter((id) => state.outdatedBy(id) !== null);
  return restackAll(repository, state, outdated);
}

async function restackAll(repository: Repository, state: State, ids: readonly AttemptId[]): Promise<Restacked[]> {
  const done: Restacked[] = [];
  for (const id of lowestFirst(state, ids)) {
    const one = await restack(repository, state, id);
    if (one !== null) done.push(one);
  }
  return done;
}

/** Each after those of `ids` that it stands on. */
function lowestFirst(state: State, ids: readonly AttemptId[]): AttemptId[] {
  const wanted = new Set(ids);
  const ordered = new Set<AttemptId>();
  const add = (id: AttemptId): void => {
    if (!wanted.delete(id)) return;
    for (const below of state.foundationsOf(id)) add(below);
    ordered.add(id);
  };
  for (const id of ids) add(id);
  return [...ordered];
}

/** Null: there is nothing to do, or not yet. */
async function restack(repository: Repository, state: State, id: AttemptId): Promise<Restacked | null> {
  for (let races = 0; races < MOST_RACES; races += 1) {
    const [patch, on] = [state.patch(id), state.outdatedBy(id)];
    if (patch === null || !state.isRestackable(id)) return null;
    const place = await newPlaceOf(repository, state, patch);
    if (place === null) return null;
    if ('conflict' in place) {
      const reason = `${place.conflict}; to be done again on ${onto(state, patch, on)}`;
      // Said before: an agent that changes nothing, or fails, is not asked the same again.
      if (reason === patch.reason || patch.state !== 'stale') return null;
      if (state.redoStale(patch, on, reason)) return { patch: id, outcome: 'redone', reason };
    } else {
      const reason = place.base.tree === patch.baseTree ? null : `restacked on ${onto(state, patch, on)}; look again`;
      if (await settled(repository, state, { patch, on, place, reason })) {
        return { patch: id, outcome: 'restacked', reason: reason ?? 'builds on what it was made on' };
      }
    }
  }
  return null;
}

/** What a patch becomes on another foundation. */
interface Place {
  readonly base: CommittedTree;
  readonly tree: ObjectId;
  /** What the agent left, there; null: the same, or it does not fit there. */
  readonly original: ObjectId | null;
}

/** Null: nobody knows what it was made on. */
async function newPlaceOf(
  repository: Repository,
  state: State,
  { id, baseTree, tree, original }: PatchRecord,
): Promise<Place | { readonly conflict: string } | null> {
  const commit = state.runBaseOf(id);
  if (commit === null) return null;
  const base = await baseTreeOf(repository, state, { tree: await treeOf(repository, commit), commit }, id);
  if ('with' in base) {
    return { conflict: `the results that it builds on conflict in ${nameSome(base.paths)} (${base.with})` };
  }
  const merged = await mergeTrees(repository, { base: baseTree, ours: base.tree, theirs: tree });
  if (!merged.clean) return { conflict: `conflicts in ${nameSome(merged.paths)}` };
  const whole =
    original === null ? null : await mergeTrees(repository, { base: baseTree, ours: base.tree, theirs: original.tree });
  return { base, tree: merged.tree, original: whole?.clean === true && whole.tree !== merged.tree ? whole.tree : null };
}

interface Settling {
  readonly patch: PatchRecord;
  readonly on: ChangedFoundation | null;
  readonly place: Place;
  readonly reason: string | null;
}

/** Objects, refs, then the state. False: somebody else was first. */
async function settled(repository: Repository, state: State, { patch, on, place, reason }: Settling): Promise<boolean> {
  const { base, tree } = place;
  if (base.tree === patch.baseTree && tree === patch.tree) {
    return state.restackPatch(patch, on, { ...patch, reason });
  }
  const [content, original] = await Promise.all([
    contentOf(repository, patch, base, tree),
    place.original === null ? null : keptOriginal(repository, patch.id, base, place.original),
  ]);
  return keepReviewed({ repository, state }, patch.id, content.commit, () =>
    state.restackPatch(patch, on, { ...content, baseTree: base.tree, baseCommit: base.commit, original, reason }),
  );
}

/** The ref of the result keeps what the agent left; this one keeps what that is on another foundation. */
async function keptOriginal(
  repository: Repository,
  attempt: AttemptId,
  base: CommittedTree,
  tree: ObjectId,
): Promise<CommittedTree> {
  const message = `orchestrate: whole result of ${attempt}\n`;
  // Without the time of day: several at once make the same.
  const date = '1970-01-01T00:00:00Z';
  const commit = await commitTree(repository, { tree, parents: [base.commit], message, date });
  const name = originalRef(attempt);
  const from = await readRef(repository, name);
  await moveRef(repository, name, { from, to: commit, message: 'orchestrate: restacked' });
  return { tree, commit };
}

/** What has changed below a patch, for a sentence. */
function onto(state: State, { id }: PatchRecord, on: ChangedFoundation | null): string {
  return (
    on?.patch ??
    state
      .startsFrom(id)
      .map((below) => below.id)
      .join(', ')
  );
}
