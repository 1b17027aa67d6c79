/** Refs below `refs/orchestrate`: which of them nobody needs any more, and when they go unasked. */

import { deleteRefs, keptRefs, listRefs, moveRef, resultRef, reviewedRef, wipRef } from '../git/refs.ts';
import type { Repository } from '../git/repository.ts';
import type { State } from '../state/state.ts';
import type { AttemptId, ObjectId, TaskId, TaskState } from '../types.ts';

/** How long the results of merged and rejected patches are kept without being asked for. */
const RESULT_AGE_MS = 30 * 24 * 3_600_000;

const UNFINISHED: readonly TaskState[] = ['queued', 'blocked', 'running', 'paused'];

/**
 * Attempts whose kept result nobody needs: the patch is merged or rejected (with `patches`: in any state), was made
 * before `before`, and no unfinished task is to start from it or to go on with it.
 */
export function finishedResults(
  state: State,
  options: { readonly before: Date; readonly patches: boolean },
): AttemptId[] {
  const unfinished = state.tasks().filter((task) => UNFINISHED.includes(task.state));
  const needed = new Set<TaskId>(unfinished.flatMap((task) => task.dependsOn));
  const goneOnWith = new Set(unfinished.map((task) => task.startFrom));
  return state
    .patches()
    .filter((patch) => options.patches || patch.state === 'merged' || patch.state === 'rejected')
    .filter(
      (patch) =>
        Date.parse(patch.createdAt) <= options.before.getTime() && !needed.has(patch.task) && !goneOnWith.has(patch.id),
    )
    .map((patch) => patch.id);
}

/**
 * Deletes the results of patches that were merged or rejected and are older than 30 days, and snapshots of attempts that
 * have ended. For the end of a run. Refs of attempts that the state does not know stay: patches are rebuilt from them.
 */
export async function dropOldResults(repository: Repository, state: State, now: Date): Promise<void> {
  const there = new Map((await listRefs(repository, 'refs/orchestrate')).map((ref) => [ref.name, ref.oid]));
  await mendReviewed(repository, state, there);
  const refs = [...there.keys()];
  const before = new Date(now.getTime() - RESULT_AGE_MS);
  const results = finishedResults(state, { before, patches: false }).flatMap(keptRefs);
  const snapshots = refs.some((name) => name.endsWith('/wip')) ? endedAttempts(state).map(wipRef) : [];
  const old = new Set([...results, ...snapshots]);
  await deleteRefs(
    repository,
    refs.filter((name) => old.has(name)),
  );
}

/** Whoever amends a patch moves its ref first and is killed then, or races with another: the state is what counts. */
async function mendReviewed(repository: Repository, state: State, refs: ReadonlyMap<string, ObjectId>): Promise<void> {
  if (![...refs.keys()].some((name) => name.endsWith('/reviewed'))) return;
  for (const { id, commit } of state.patches()) {
    const name = reviewedRef(id);
    const from = refs.get(name);
    // Without its result it is old, and on its way out.
    if (from === undefined || from === commit || !refs.has(resultRef(id)) || refs.get(resultRef(id)) === commit)
      continue;
    await moveRef(repository, name, { from, to: commit, message: 'orchestrate: as the state has it' });
  }
}

function endedAttempts(state: State): AttemptId[] {
  const attempts = state.tasks().flatMap((task) => state.attemptsOf(task.id));
  return attempts.filter((attempt) => attempt.state === 'ended').map((attempt) => attempt.id);
}
