/** Which patches to apply and in which order: what a patch stands on comes first, or must be merged already. */

import { usageError } from '../src/errors.ts';
import type { PatchRecord, TaskRecord } from '../src/state/records.ts';
import type { State } from '../src/state/state.ts';
import { eventBetween, PATCH_MACHINE } from '../src/tasks/machine.ts';
import type { TaskId } from '../src/types.ts';
import { patchOf } from './find.ts';

export interface Selection {
  /** Dependencies before what stands on them. */
  readonly patches: readonly PatchRecord[];
  readonly alreadyMerged: readonly string[];
}

/**
 * Errors (usage), before anything is done: UNKNOWN_PATCH, AMBIGUOUS_ID; NOT_APPROVED (unless `unreviewed`); PATCH_STATE where not even
 * that helps; DEPENDENCY_NOT_MERGED unless the patch of the dependency is among them or `withDependencies` is set.
 */
export function selectPatches(
  state: State,
  typed: readonly string[],
  options: { readonly withDependencies: boolean; readonly unreviewed: boolean },
): Selection {
  const chosen = new Map<TaskId, PatchRecord>();
  const alreadyMerged: string[] = [];
  for (const patch of typed.map((id) => patchOf(state, id))) {
    if (patch.state === 'merged') alreadyMerged.push(patch.id);
    else chosen.set(patch.task, patch);
  }
  for (const patch of [...chosen.values()]) {
    for (const below of unmergedBelow(state, patch.task)) {
      if (chosen.has(below.task)) continue;
      if (!options.withDependencies) throw notMerged(patch, below);
      chosen.set(below.task, below);
    }
  }
  const patches = [...chosen.values()];
  for (const patch of patches) refuseUnready(patch, options.unreviewed);
  const tasks = new Map<TaskId, TaskRecord>(patches.map((patch) => [patch.task, state.task(patch.task)]));
  const place = (patch: PatchRecord): readonly [number, number] => {
    const task = tasks.get(patch.task);
    return [task?.phase ?? 0, task?.seq ?? 0];
  };
  // A task's phase is above those of all that it depends on.
  patches.sort((a, b) => place(a)[0] - place(b)[0] || place(a)[1] - place(b)[1]);
  return { patches, alreadyMerged: [...new Set(alreadyMerged)] };
}

/** Patches that a task's result stands on and that are not merged. A dependency without a patch passes on its own. */
function unmergedBelow(state: State, task: TaskId): PatchRecord[] {
  const found: PatchRecord[] = [];
  const seen = new Set<TaskId>();
  const open = [...state.task(task).dependsOn];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    const patch = state.patchOf(id);
    if (patch?.state === 'merged') continue;
    if (patch !== null) found.push(patch);
    open.push(...state.task(id).dependsOn);
  }
  return found;
}

function refuseUnready(patch: PatchRecord, unreviewed: boolean): void {
  if (patch.state === 'approved') return;
  const mayMerge = eventBetween(PATCH_MACHINE, patch.state, 'merged') !== null;
  if (unreviewed && mayMerge) return;
  const hint = `orchestrate patch show ${patch.id}, then orchestrate patch approve ${patch.id}${mayMerge ? '; or --unreviewed' : ''}`;
  const code = mayMerge ? 'NOT_APPROVED' : 'PATCH_STATE';
  throw usageError(code, `${patch.id} is ${patch.state}, not approved`, { hint });
}

function notMerged(patch: PatchRecord, below: PatchRecord): Error {
  return usageError(
    'DEPENDENCY_NOT_MERGED',
    `${patch.id} stands on ${below.id}, which is ${below.state} and not merged`,
    {
      hint: `orchestrate patch apply ${patch.id} --with-dependencies`,
    },
  );
}
