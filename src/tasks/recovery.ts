/** What an earlier run that was cut off has left: its attempts are lost, their tasks wait again. */

import type { RunRecord } from '../state/records.ts';
import type { State } from '../state/state.ts';
import { NO_USAGE } from '../types.ts';

/** There is something for `recover` to do. The caller holds the coordinator's lock, or only wants to know. */
export function recoverable(state: State): boolean {
  return state.unendedAttempts().length > 0;
}

/** Ends what an earlier run did not end; returns how many attempts that were. The caller has begun `run`. */
export function recover(state: State, run: RunRecord): number {
  const lost = state.unendedAttempts();
  for (const attempt of lost) {
    state.endAttempt(attempt.id, run.fence, {
      outcome: 'lost',
      taskState: 'queued',
      exitCode: null,
      reason: 'the run that worked on it was cut off',
      usage: NO_USAGE,
      egressDenied: [],
      summary: null,
      patch: null,
    });
  }
  return lost.length;
}
