/** A person makes something else of a patch: fewer files or hunks, or other lines. The agent's own result stays known. */

import { usageError } from '../errors.ts';
import type { Repository } from '../git/repository.ts';
import type { PatchRecord } from '../state/records.ts';
import type { State } from '../state/state.ts';
import type { Decider, ObjectId, PatchState } from '../types.ts';
import { contentOf, keepReviewed } from './reviewed.ts';

export interface AmendOptions {
  /** Approved as it is then, and by whom; not given: what was approved is pending again. */
  readonly approvedBy?: Decider;
}

/** What becomes of a patch that is amended without a decision. Null: it cannot be amended. */
const AMENDED: Readonly<Record<PatchState, PatchState | null>> = {
  pending: 'pending',
  approved: 'pending',
  conflict: 'pending',
  'set-aside': 'pending',
  'changes-requested': 'changes-requested',
  rejected: 'rejected',
  salvaged: 'salvaged',
  stale: null,
  merged: null,
};

/**
 * The patch is its base → `tree` from now on; checks of the tree that it had are void with it, what stands on it is stale.
 * Compare-and-swap on the patch as it is given. The same tree again changes nothing but, where that is asked for, approves.
 * Errors (usage): PATCH_STATE it is stale or merged; PATCH_EMPTY nothing of it would be left; PATCH_CHANGED somebody else
 * changed it meanwhile, and nothing was done.
 */
export async function amendPatch(
  repository: Repository,
  state: State,
  patch: PatchRecord,
  tree: ObjectId,
  options: AmendOptions = {},
): Promise<PatchRecord> {
  const { approvedBy = null } = options;
  const without = AMENDED[patch.state];
  if (without === null || (approvedBy !== null && state.outdatedBy(patch.id) !== null)) throw cannotAmend(state, patch);
  if (tree === patch.baseTree) {
    throw usageError('PATCH_EMPTY', `Nothing would be left of ${patch.id}.`, {
      hint: `orchestrate patch reject ${patch.id}`,
    });
  }
  const to = approvedBy === null ? without : 'approved';
  const done = tree === patch.tree ? same(state, patch, approvedBy) : await another();
  if (done) return present(state, patch);
  throw changedMeanwhile(patch);

  async function another(): Promise<boolean> {
    const base = { tree: patch.baseTree, commit: patch.baseCommit };
    const content = await contentOf(repository, patch, base, tree);
    const decidedBy = approvedBy ?? (to === patch.state ? patch.decidedBy : null);
    return keepReviewed({ repository, state }, patch.id, content.commit, () =>
      state.amendPatch(patch, { ...content, state: to, decidedBy }),
    );
  }
}

function same(state: State, patch: PatchRecord, approvedBy: Decider | null): boolean {
  const now = present(state, patch);
  if (now.tree !== patch.tree || now.baseTree !== patch.baseTree) return false;
  if (approvedBy === null || now.state === 'approved') return true;
  return state.setPatchState(patch.id, [patch.state], 'approved', { decidedBy: approvedBy });
}

function present(state: State, { id }: PatchRecord): PatchRecord {
  const patch = state.patch(id);
  if (patch === null) throw new Error(`the state lost the patch ${id}`);
  return patch;
}

function cannotAmend(state: State, { id, task, state: is, reason }: PatchRecord): Error {
  const why = state.outdatedBy(id)?.reason ?? reason;
  const hint = is === 'merged' ? undefined : `make it anew with: orchestrate retry ${task}`;
  return usageError('PATCH_STATE', `${id} is ${is}${why === null ? '' : ` (${why})`} and cannot be amended`, { hint });
}

/** Somebody else was first. */
export function changedMeanwhile({ id }: PatchRecord): Error {
  return usageError(
    'PATCH_CHANGED',
    `${id} was changed by somebody else meanwhile, or is being merged; nothing was done`,
    {
      hint: `look again: orchestrate patch show ${id}`,
    },
  );
}
