/** What is to be merged: everything approved, in order, and why the rest of it is left out. */

import { hasChange, isAncestor } from '../git/ancestry.ts';
import type { Repository } from '../git/repository.ts';
import type { PatchRecord } from '../state/records.ts';
import type { State } from '../state/state.ts';
import type { AttemptId, ObjectId, TaskId } from '../types.ts';
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

/** The newest approved patch of each task, without those that stand on something that the target does not get. */
export async function selectApproved(repository: Repository, state: State, tip: ObjectId): Promise<Selection> {
  const all = new Map(state.patches().map((patch) => [patch.id, patch]));
  const newest = new Map<TaskId, PatchRecord>();
  for (const patch of all.values()) if (patch.state === 'approved') newest.set(patch.task, patch);
  const patches: QueuedPatch[] = [];
  const leftOut: LeftOut[] = [];
  const queued = new Set<AttemptId>();
  const there = new Map<AttemptId, boolean>();
  const isThere = async (patch: PatchRecord): Promise<boolean> => {
    const known = there.get(patch.id) ?? (patch.state === 'merged' && (await isMerged(repository, patch, tip)));
    there.set(patch.id, known);
    return known;
  };
  for (const patch of inOrder(
    state,
    [...all.values()].filter(({ state: is }) => is === 'approved'),
  )) {
    const later = newest.get(patch.task)?.id ?? patch.id;
    if (later !== patch.id) {
      leftOut.push({ id: patch.id, reason: `${later}, a later attempt at the same task, is approved too` });
      continue;
    }
    const below = state.foundationsOf(patch.id);
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

/** A task's phase is above those of all that it depends on. */
function inOrder(state: State, patches: readonly PatchRecord[]): PatchRecord[] {
  const tasks = new Map(state.summaries().map((task) => [task.id, task]));
  const placeOf = (patch: PatchRecord): readonly [number, number, number] => {
    const task = tasks.get(patch.task);
    return [task?.phase ?? 0, task?.seq ?? 0, Number(patch.id.slice(patch.task.length + 1))];
  };
  return [...patches].sort((a, b) => {
    const [[phase, seq, n], [otherPhase, otherSeq, otherN]] = [placeOf(a), placeOf(b)];
    return phase - otherPhase || seq - otherSeq || n - otherN;
  });
}
