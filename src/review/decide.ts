/** Yes and no to patches, by a person or by the policy that the person chose, with everything that follows from it. */

import { usageError } from '../errors.ts';
import { revealLine } from '../sanitise.ts';
import type { PatchRecord } from '../state/records.ts';
import type { State } from '../state/state.ts';
import { eventBetween, PATCH_MACHINE } from '../tasks/machine.ts';
import type { AttemptId, Decider, ObjectId, PatchState } from '../types.ts';
import { amendPatch, changedMeanwhile } from './amend.ts';
import { type Restacked, restackAbove } from './restack.ts';
import type { Bench } from './reviewed.ts';

export type { Bench } from './reviewed.ts';

export interface Decided {
  /** In the order asked for, each once, as they are now. */
  readonly patches: readonly PatchRecord[];
  /** Those of them that were like that already. */
  readonly unchanged: readonly AttemptId[];
  /** Others that are in another state now because of it, or another patch. */
  readonly alsoChanged: readonly PatchRecord[];
  /** What had to be done with patches that stand on these. */
  readonly restacked: readonly Restacked[];
}

/**
 * All or none. Approved already is no error; a stale patch cannot be approved.
 * Errors (usage): PATCH_STATE there is no way from the state that one is in; PATCH_CHANGED somebody else decided meanwhile.
 */
export async function approvePatches(bench: Bench, ids: readonly AttemptId[], by: Decider): Promise<Decided> {
  return decide(bench, ids, { to: 'approved', decidedBy: by });
}

/** The same for no. What stands on a rejected patch is stale. Without a reason, one that was given before stays. */
export async function rejectPatches(
  bench: Bench,
  ids: readonly AttemptId[],
  by: Decider,
  reason: string | null,
): Promise<Decided> {
  return decide(bench, ids, { to: 'rejected', decidedBy: by, ...(reason === null ? {} : { reason }) });
}

/**
 * The patch is its base → `tree` from now on (see `amendPatch`), and where `approvedBy` is given approved as that, in one
 * step; what stands on it is restacked. Errors as `amendPatch`.
 */
export async function decideTree(
  bench: Bench,
  patch: PatchRecord,
  tree: ObjectId,
  approvedBy: Decider | null,
): Promise<Decided> {
  return following(bench, [patch.id], async () => {
    await amendPatch(bench.repository, bench.state, patch, tree, approvedBy === null ? {} : { approvedBy });
    return [];
  });
}

/** Why a patch cannot be approved or rejected as it is; null: it can (or is so already). */
export function refusalOf(state: State, patch: PatchRecord, to: 'approved' | 'rejected'): Error | null {
  // Approved after all, it would come back on a foundation that is another one now.
  const outdated = to === 'approved' && patch.state !== 'merged' ? state.outdatedBy(patch.id) : null;
  if (patch.state === to || (eventBetween(PATCH_MACHINE, patch.state, to) !== null && outdated === null)) return null;
  const isStale = patch.state === 'stale' || outdated !== null;
  const hint = isStale ? `make it anew with: orchestrate retry ${patch.task}` : 'see `orchestrate patch list`';
  const why = outdated?.reason ?? patch.reason;
  const reason = why === null ? '' : ` (${revealLine(why)})`;
  return usageError('PATCH_STATE', `${patch.id} is ${patch.state}${reason} and cannot be ${to}`, { hint });
}

interface Decision {
  readonly to: 'approved' | 'rejected';
  readonly decidedBy: Decider;
  readonly reason?: string;
}

async function decide(bench: Bench, asked: readonly AttemptId[], decision: Decision): Promise<Decided> {
  const { state } = bench;
  const { to, ...change } = decision;
  const ids = [...new Set(asked)];
  const patches = ids.map((id) => present(state, id));
  for (const patch of patches) {
    const refusal = refusalOf(state, patch, to);
    if (refusal !== null) throw refusal;
  }
  return following(bench, ids, async () => {
    const unchanged: AttemptId[] = [];
    for (const patch of patches) {
      if (patch.state === to) {
        unchanged.push(patch.id);
        continue;
      }
      // One of these may stand on another.
      const from: PatchState[] = to === 'rejected' ? [patch.state, 'stale'] : [patch.state];
      if (!state.setPatchState(patch.id, from, to, change)) throw changedMeanwhile(patch);
    }
    return unchanged;
  });
}

/** Does it, restacks what stands on these, and tells what else is different now. */
async function following(
  { repository, state }: Bench,
  ids: readonly AttemptId[],
  act: () => Promise<readonly AttemptId[]>,
): Promise<Decided> {
  const before = new Map(state.patches().map((patch) => [patch.id, patch]));
  const unchanged = await act();
  const restacked: Restacked[] = [];
  for (const id of ids) {
    if (!unchanged.includes(id)) restacked.push(...(await restackAbove(repository, state, id)));
  }
  const now = state.patches();
  const alsoChanged = now.filter((patch) => {
    const old = before.get(patch.id);
    return old !== undefined && !ids.includes(patch.id) && (old.state !== patch.state || old.tree !== patch.tree);
  });
  return { patches: ids.map((id) => present(state, id)), unchanged, alsoChanged, restacked };
}

function present(state: State, id: AttemptId): PatchRecord {
  const patch = state.patch(id);
  if (patch === null) throw new Error(`the state lost the patch ${id}`);
  return patch;
}
