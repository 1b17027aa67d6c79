/** Whether a run works the queue right now: its record says so and somebody holds the coordinator's lock. */

import type { RunRecord } from '../src/state/records.ts';
import type { State } from '../src/state/state.ts';
import { lockHolder } from '../src/tasks/lock.ts';

/** The run that is at work, or null; a record left by a coordinator that was killed is none. */
export function liveRun(state: State): RunRecord | null {
  const run = state.currentRun();
  if (run === null) return null;
  try {
    // A merge, for one, holds the lock as well, whatever a run that was cut off has left.
    return lockHolder(state.directory)?.pid === run.pid ? run : null;
  } catch {
    // The lock cannot be looked at (a read-only folder): the record is all there is.
    return run;
  }
}
