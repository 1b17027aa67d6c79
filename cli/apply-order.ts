/** Which patches to apply and in which order: what a patch stands on comes first, or must be merged already. */

import { usageError } from '../src/errors.ts';
import { revealLine } from '../src/sanitise.ts';
import type { PatchRecord, TaskRecord } from '../src/state/records.ts';
import type { State } from '../src/state/state.ts';
import { eventBetween, PATCH_MACHINE } from '../src/tasks/machine.ts';
import type { AttemptId, TaskId } from '../src/types.ts';
import { patchOf } from './find.ts';

export interface Selection {
  /** Dependencies before what stands on them. */
  readonly patches: readonly PatchRecord[];
  readonly alreadyMerged: readonly string[];
}

export interface SelectionOptions {
  readonly withDependencies: boolean;
  readonly unreviewed: boolean;
  /** Merged patches that the target does not have: their commit was taken back, or went to another branch. */
  readonly missing: ReadonlySet<AttemptId>;
}

/** The patches that were typed, and what they stand on, as far as they are merged. */
export function mergedAmong(state: State, typed: readonly string[]): PatchRecord[] {
  const chosen = typed.map((id) => patchOf(state, id).id);
  const all = new Set([...chosen, ...chosen.flatMap((id) => state.foundationsOf(id))]);
  return [...all].map((id) => patchOf(state, id)).filter((patch) => patch.state === 'merged');
}

/**
 * Errors (usage), before anything is done: UNKNOWN_PATCH, AMBIGUOUS_ID; NOT_APPROVED (unless `unreviewed`); PATCH_STATE where not even
 * that helps; DEPENDENCY_NOT_MERGED unless the patch of the dependency is among them or `withDependencies` is set.
 */
export function selectPatches(state: State, typed: readonly string[], options: SelectionOptions): Selection {
  const isThere = (patch: PatchRecord): boolean => patch.state === 'merged' && !options.missing.has(patch.id);
  const chosen = new Map<AttemptId, PatchRecord>();
  const alreadyMerged: string[] = [];
  for (const patch of typed.map((id) => patchOf(state, id))) {
    if (isThere(patch)) alreadyMerged.push(patch.id);
    else chosen.set(patch.id, patch);
  }
  // Whatever else helps: one that is refused for good is told first.
  for (const patch of chosen.values()) refuseUnready(patch, { ...options, unreviewed: true });
  for (const patch of [...chosen.values()]) {
    for (const below of state.foundationsOf(patch.id).map((id) => patchOf(state, id))) {
      if (chosen.has(below.id) || isThere(below)) continue;
      if (!options.withDependencies) throw notMerged(patch, below);
      chosen.set(below.id, below);
    }
  }
  const patches = [...chosen.values()];
  for (const patch of patches) refuseUnready(patch, options);
  return { patches: inOrder(state, patches), alreadyMerged: [...new Set(alreadyMerged)] };
}

/** A task's phase is above those of all that it depends on. */
function inOrder(state: State, patches: readonly PatchRecord[]): PatchRecord[] {
  const tasks = new Map<TaskId, TaskRecord>(patches.map((patch) => [patch.task, state.task(patch.task)]));
  const placeOf = (patch: PatchRecord): readonly number[] => {
    const task = tasks.get(patch.task);
    return [task?.phase ?? 0, task?.seq ?? 0, Number(patch.id.slice(patch.task.length + 1))];
  };
  return [...patches].sort((a, b) => {
    const other = placeOf(b);
    return (
      placeOf(a)
        .map((value, i) => value - (other[i] ?? 0))
        .find((difference) => difference !== 0) ?? 0
    );
  });
}

function refuseUnready(patch: PatchRecord, options: SelectionOptions): void {
  if (patch.state === 'approved' || options.missing.has(patch.id)) return;
  const mayMerge = eventBetween(PATCH_MACHINE, patch.state, 'merged') !== null;
  if (options.unreviewed && mayMerge) return;
  const code = mayMerge ? 'NOT_APPROVED' : 'PATCH_STATE';
  const reason = patch.reason === null ? '' : ` (${revealLine(patch.reason)})`;
  const approve = `orchestrate patch show ${patch.id}, then orchestrate patch approve ${patch.id}${mayMerge ? '; or --unreviewed' : ''}`;
  const hint = patch.state === 'stale' ? `make it anew with: orchestrate retry ${patch.task}` : approve;
  throw usageError(code, `${patch.id} is ${patch.state}${reason}, not approved`, { hint });
}

function notMerged(patch: PatchRecord, below: PatchRecord): Error {
  const how =
    below.state === 'merged'
      ? 'which was merged, but is not there (any more)'
      : `which is ${below.state} and not merged`;
  return usageError('DEPENDENCY_NOT_MERGED', `${patch.id} stands on ${below.id}, ${how}`, {
    hint: `orchestrate patch apply ${patch.id} --with-dependencies`,
  });
}
