/** The run that is at work, or is there in a moment: for who looks at it, or ends it. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { RunRecord } from '../src/state/records.ts';
import type { State } from '../src/state/state.ts';
import { lockHolder } from '../src/tasks/lock.ts';
import type { Context } from './context.ts';
import { liveRun } from './live-run.ts';

const POLL_MS = 250;
/** Whatever starts a run again that was cut off, a service for one, has its process up by then. */
const RESTART_MS = 2000;

/** Waits for one that is about to begin, or to begin again. Null: there is none, or the signal was aborted. */
export async function runThatIsThere(context: Context, state: State, signal: AbortSignal): Promise<RunRecord | null> {
  const until = performance.now() + RESTART_MS;
  for (let isSaid = false; !signal.aborted; await sleep(POLL_MS, undefined, { signal }).catch(() => {})) {
    const run = liveRun(state);
    if (run !== null) return run;
    const holder = lockHolder(state.directory);
    if (holder?.command === 'orchestrate run') {
      if (!isSaid) context.note(`A run is about to begin or to end (pid ${holder.pid}) …`);
      isSaid = true;
    } else if (holder !== null || state.currentRun() === null || performance.now() > until) return liveRun(state);
  }
  return null;
}
