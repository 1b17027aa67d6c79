/** `patch approve` and `patch reject`: a person's word on patches, all of them or none. */

import { usageError } from '../../src/errors.ts';
import { revealLine } from '../../src/sanitise.ts';
import type { PatchRecord } from '../../src/state/records.ts';
import { eventBetween, PATCH_MACHINE } from '../../src/tasks/machine.ts';
import type { AttemptId, PatchState } from '../../src/types.ts';
import { conflictsById } from '../conflicts.ts';
import type { Context } from '../context.ts';
import { patchOf, someState } from '../find.ts';
import { patchJson } from '../render/json.ts';

export async function approvePatches(context: Context, typed: readonly string[]): Promise<number> {
  const decided = await decide(context, typed, { to: 'approved', reason: null });
  if (!context.json && decided.length > 0)
    context.print(`Next: orchestrate patch apply ${decided.map((patch) => patch.id).join(' ')}\n`);
  return 0;
}

export async function rejectPatches(
  context: Context,
  typed: readonly string[],
  reason: string | null,
): Promise<number> {
  await decide(context, typed, { to: 'rejected', reason });
  return 0;
}

interface Decision {
  readonly to: 'approved' | 'rejected';
  readonly reason: string | null;
}

async function decide(context: Context, typed: readonly string[], decision: Decision): Promise<PatchRecord[]> {
  const { to, reason } = decision;
  const known = someState(await context.readState(), typed[0] ?? '');
  const patches = [...new Map(typed.map((id) => patchOf(known, id)).map((patch) => [patch.id, patch])).values()];
  for (const patch of patches) {
    if (patch.state !== to && eventBetween(PATCH_MACHINE, patch.state, to) === null) throw refused(patch, to);
  }
  const state = await context.state();
  const before = new Map(state.patches().map((patch) => [patch.id, patch.state]));
  for (const patch of patches) {
    // Said again without a reason, an earlier reason stays.
    if (patch.state === to) continue;
    // One of these may stand on another.
    const from: PatchState[] = to === 'rejected' ? [patch.state, 'stale'] : [patch.state];
    const done = state.setPatchState(patch.id, from, to, reason === null ? {} : { reason });
    if (!done)
      throw usageError('PATCH_CHANGED', `${patch.id} is no longer ${patch.state}`, { hint: `orchestrate patch list` });
  }
  const decided = patches.map((patch) => patchOf(state, patch.id));
  const above = changedAbove(state.patches(), before, new Set(patches.map((patch) => patch.id)));
  if (context.json) {
    const conflicts = conflictsById(state.conflicts());
    const json = (patch: PatchRecord) => patchJson(patch, conflicts.get(patch.id) ?? []);
    context.printJson({
      patches: decided.map(json),
      alsoChanged: above.map(json),
    });
  } else {
    for (const patch of patches) context.print(`${patch.id} ${patch.state === to ? `is ${to} already` : to}\n`);
    for (const patch of above) {
      context.print(
        `${patch.id} is ${patch.state} now${patch.reason === null ? '' : `: ${revealLine(patch.reason)}`}\n`,
      );
    }
  }
  return decided;
}

/** What stands on the decided ones, where the decision changed it. */
function changedAbove(
  now: readonly PatchRecord[],
  before: ReadonlyMap<AttemptId, PatchState>,
  decided: ReadonlySet<AttemptId>,
): PatchRecord[] {
  return now.filter(({ id, state }) => !decided.has(id) && before.has(id) && before.get(id) !== state);
}

function refused(patch: PatchRecord, to: PatchState): Error {
  const verb = to === 'approved' ? 'approved' : 'rejected';
  const hint =
    patch.state === 'stale' ? `make it anew with: orchestrate retry ${patch.task}` : 'see `orchestrate patch list`';
  const reason = patch.reason === null ? '' : ` (${revealLine(patch.reason)})`;
  return usageError('PATCH_STATE', `${patch.id} is ${patch.state}${reason} and cannot be ${verb}`, { hint });
}
