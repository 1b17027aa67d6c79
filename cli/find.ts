/** From what a person typed to what is in the state: an exact id, a unique prefix, a task for its newest attempt or patch. */

import { usageError } from '../src/errors.ts';
import type { AttemptRecord, PatchRecord } from '../src/state/records.ts';
import type { State } from '../src/state/state.ts';

/** Errors (usage): UNKNOWN_TASK, AMBIGUOUS_ID, UNKNOWN_ATTEMPT, NO_ATTEMPT where the task has not started yet. */
export function attemptOf(state: State, typed: string): AttemptRecord {
  const [, beforeDot, number] = /^(.+)\.(\d+)$/.exec(typed) ?? [];
  const task = state.resolveTask(beforeDot ?? typed);
  const attempts = state.attemptsOf(task);
  if (attempts.length === 0) {
    throw usageError('NO_ATTEMPT', `${task} has not started`, { hint: `orchestrate task ${task}` });
  }
  const wanted = number === undefined ? attempts.at(-1) : attempts.find((attempt) => attempt.n === Number(number));
  if (wanted !== undefined) return wanted;
  const ids = attempts.map((attempt) => attempt.id).join(', ');
  throw usageError('UNKNOWN_ATTEMPT', `${task} has no attempt ${number}`, { hint: `there are ${ids}` });
}

/** The patch that was meant. Errors (usage): UNKNOWN_PATCH, AMBIGUOUS_ID. */
export function patchOf(state: State, typed: string): PatchRecord {
  const id = state.resolvePatch(typed);
  const patch = state.patch(id);
  if (patch === null) throw new Error(`the state lost the patch ${id}`);
  return patch;
}

/** The state of commands that look at something in it. Where nothing was ever queued, nothing can be found. */
export function someState(state: State | null, typed: string): State {
  if (state !== null) return state;
  throw usageError('UNKNOWN_TASK', `There is no task ${typed}.`, { hint: 'Nothing was queued here yet.' });
}
