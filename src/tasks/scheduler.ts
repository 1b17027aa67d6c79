/** Works the queue: starts what may start, in the promised order, never more than allowed at once, until nothing is left. */

import type { AttemptPlace } from '../state/attempts.ts';
import type { AttemptRecord, RunRecord, TaskRecord } from '../state/records.ts';
import type { State } from '../state/state.ts';

/** How soon a task that another process queued is seen, milliseconds (CLI.md: within a quarter of a second). */
const LOOK_AGAIN_MS = 200;

export interface SchedulerOptions extends Omit<AttemptPlace, 'hold' | 'host'> {
  readonly state: State;
  readonly run: RunRecord;
  readonly maxAgents: number;
  /** Work of an earlier run that was taken over; it counts among the agents at work. */
  readonly adopted: readonly (() => Promise<void>)[];
  /** Aborted: nothing more is started; what runs is awaited. */
  readonly signal: AbortSignal;
  /** Name of the host that has a free place for the next one; null: there is none. Asked again and again. */
  place(): string | null;
  /** Something else is under way beside the attempts, which may have more to be done: the queue is not at its end yet. */
  isBusy?(): boolean;
  /** Why nothing may be started just now, as a phrase; null: nothing stands in the way. Asked again and again. */
  hold?(): string | null;
  /** Called again and again while nothing goes on and this is why what is queued waits. */
  onHeld?(reason: string): void;
  /** Does the whole attempt, records included. A rejection ends the run once everything else has ended. */
  attempt(task: TaskRecord, attempt: AttemptRecord): Promise<void>;
}

/** Resolves when the queue is empty and nothing runs; rejects with the first fault of an attempt, after all have ended. */
export async function workQueue(options: SchedulerOptions): Promise<void> {
  const { state, run, signal } = options;
  const active = new Set<Promise<void>>();
  const faults: unknown[] = [];
  const begin = (attempt: Promise<void>): void => {
    const work: Promise<void> = attempt.catch((fault) => void faults.push(fault)).finally(() => active.delete(work));
    active.add(work);
  };
  for (const resume of options.adopted) begin(resume());
  for (;;) {
    while (active.size < options.maxAgents && !signal.aborted && faults.length === 0) {
      const hold = options.hold?.() ?? null;
      const host = options.place();
      if (host === null && hold === null) break;
      const claimed = state.claimNext(run, { ...options, host: host ?? '', hold });
      if (claimed === null) break;
      begin(options.attempt(claimed.task, claimed.attempt));
    }
    if (active.size === 0) {
      const isOver = signal.aborted || faults.length > 0;
      const held = isOver ? null : state.heldBack(options.only);
      const isBusy = !isOver && options.isBusy?.() === true;
      if (held === null && !isBusy) break;
      if (held !== null && !isBusy) options.onHeld?.(held);
    }
    // With every slot taken only an end can change anything; otherwise a task may be queued meanwhile.
    await (active.size < options.maxAgents ? Promise.race([...active, pause(LOOK_AGAIN_MS)]) : Promise.race(active));
  }
  if (faults.length > 0) throw faults[0];
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
