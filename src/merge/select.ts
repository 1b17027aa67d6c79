/** What is to be merged: everything approved, in order, and why the rest of it is left out. */

import { hasChange, isAncestor } from '../git/ancestry.ts';
import type { Repository } from '../git/repository.ts';
import type { PatchRecord } from '../state/records.ts';
import type { State } from '../state/state.ts';
import type { AttemptId, ObjectId, TaskId } from '../types.ts';
import { mergeOrder } from './order.ts';
import type { QueuedPatch } from './stack.ts';

export interface Selection {
  /** Each after what it stands on. */
  readonly patches: readonly QueuedPatch[];
  readonly leftOut: readonly LeftOut[];
}

/** An approved patch that cannot be merged now. */
export interface LeftOut {
  readonly id: AttemptId;
  readonly reason: string;
}

/**
 * The newest approved patch of each task, unless the target has a later one already; without those that stand on something
 * that the target does not get.
 */
export async function selectApproved(repository: Repository, state: State, tip: ObjectId): Promise<Selection> {
  const all = new Map(state.patches().map((patch) => [patch.id, patch]));
  const approved = [...all.values()].filter((patch) => patch.state === 'approved');
  const newest = new Map(approved.map((patch) => [patch.task, patch]));
  const stands = foundationsIn(state, newest);
  const patches: QueuedPatch[] = [];
  const leftOut: LeftOut[] = [];
  const queued = new Set<AttemptId>();
  const there = new Map<AttemptId, boolean>();
  const isThere = async (patch: PatchRecord): Promise<boolean> => {
    const known = there.get(patch.id) ?? (patch.state === 'merged' && (await isMerged(repository, patch, tip)));
    there.set(patch.id, known);
    return known;
  };
  const laterThere = async (patch: PatchRecord): Promise<AttemptId | null> => {
    const sameTask = [...all.values()].filter((other) => other.task === patch.task);
    for (const other of sameTask.slice(sameTask.findIndex(({ id }) => id === patch.id) + 1)) {
      if (await isThere(other)) return other.id;
    }
    return null;
  };
  for (const patch of inOrder(state, approved, stands)) {
    const successor = await laterThere(patch);
    if (successor !== null) {
      leftOut.push({ id: patch.id, reason: `${successor}, a later attempt at the same task, is merged already` });
      continue;
    }
    const later = newest.get(patch.task)?.id ?? patch.id;
    if (later !== patch.id) {
      leftOut.push({ id: patch.id, reason: `${later}, a later attempt at the same task, is approved too` });
      continue;
    }
    const below = stands(patch.id);
    let missing: string | null = null;
    for (const id of below) {
      const foundation = all.get(id);
      if (missing !== null || queued.has(id) || foundation === undefined) continue;
      if (!(await isThere(foundation))) missing = whyMissing(foundation);
    }
    if (missing !== null) leftOut.push({ id: patch.id, reason: missing });
    else {
      queued.add(patch.id);
      patches.push({ id: patch.id, baseTree: patch.baseTree, tree: patch.tree, below });
    }
  }
  return { patches, leftOut };
}

async function isMerged(repository: Repository, patch: PatchRecord, tip: ObjectId): Promise<boolean> {
  if (patch.mergedAs !== null && (await isAncestor(repository, patch.mergedAs, tip))) return true;
  return hasChange(repository, tip, { base: patch.baseTree, result: patch.tree });
}

function whyMissing(foundation: PatchRecord): string {
  const { id, state } = foundation;
  if (state === 'merged') return `stands on ${id}, which was merged, but is not there`;
  if (state === 'approved') return `stands on ${id}, which is left out itself`;
  return `stands on ${id}, which is ${state}, not approved`;
}

/** What a patch stands on; where that is in conflict and an approved patch resolves it, this one takes its place. */
function foundationsIn(
  state: State,
  newest: ReadonlyMap<TaskId, PatchRecord>,
): (patch: AttemptId) => readonly AttemptId[] {
  const resolutions = new Map<AttemptId, AttemptId>();
  for (const [task, { id }] of newest) {
    const resolved = state.resolvedBy(task);
    if (resolved !== null) resolutions.set(resolved, id);
  }
  const standIn = (id: AttemptId): AttemptId => {
    const resolution = resolutions.get(id);
    return resolution === undefined ? id : standIn(resolution);
  };
  return (patch) => state.foundationsOf(patch).map((id) => (standIn(id) === patch ? id : standIn(id)));
}

/** As the forecast says: each after what it stands on, and so that most of them land. */
function inOrder(
  state: State,
  patches: readonly PatchRecord[],
  foundationsOf: (patch: AttemptId) => readonly AttemptId[],
): PatchRecord[] {
  const byId = new Map(patches.map((patch) => [patch.id, patch]));
  const tasks = new Map(state.summaries().map((task) => [task.id, task]));
  const ordered = patches.map(({ id, task, size }) => {
    const { phase = 0, seq = 0 } = tasks.get(task) ?? {};
    return { id, phase, seq, foundations: foundationsOf(id), size };
  });
  const conflicts = state.conflicts().map(({ left, right }) => [left, right] as const);
  return mergeOrder(ordered, conflicts).flatMap((id) => byId.get(id) ?? []);
}
