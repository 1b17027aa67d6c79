/** Waits for an agent and ends it when its time or its budget is up, when it does nothing, fills the disk, or somebody wants it ended. */

import type { EndedSandbox, RunningSandbox } from '../sandbox/sandbox.ts';
import type { AttemptId } from '../types.ts';
import type { DiskWatch } from './disk-watch.ts';
import type { IdleWatch } from './idle.ts';
import { Stopwatch } from './stopwatch.ts';
import type { Ties } from './ties.ts';

/** Reason of an attempt's signal when the user wants this task ended; any other reason: the run is being stopped. */
export const KILLED_BY_USER = 'killed by the user';

/** Why we ended the agent, when it did not end by itself. */
export type Stopped =
  | { readonly why: 'timeout' | 'idle' | 'killed' | 'interrupted' }
  | { readonly why: 'disk' | 'budget'; readonly reason: string };

export interface Supervision {
  readonly attempt: AttemptId;
  /** Milliseconds until the agent is ended; while it is paused they do not count. */
  readonly leftMs: number;
  /** Null: doing nothing is no reason to end it. */
  readonly idle: IdleWatch | null;
  readonly diskBytes: number;
  readonly disk: DiskWatch;
  readonly signal: AbortSignal;
  /** Nothing of it is wanted once it is to end: it is killed at once. */
  readonly isDisposable?: true;
  /** Null: the gateway has no say. */
  readonly ties: Ties | null;
}

export interface Supervised {
  readonly ended: EndedSandbox;
  readonly stopped: Stopped | null;
}

export async function supervise(running: RunningSandbox, bounds: Supervision): Promise<Supervised> {
  const { signal, ties } = bounds;
  let stopped: Stopped | null = null;
  const stop = (because: Stopped): void => {
    stopped ??= because;
    // Whoever fills the disk gets no time to go on.
    const ending = because.why === 'disk' || bounds.isDisposable ? running.kill() : running.stop();
    ending.catch(() => {
      // The engine is in trouble: waiting for the end reports it.
    });
  };
  const onAbort = (): void => stop({ why: signal.reason === KILLED_BY_USER ? 'killed' : 'interrupted' });
  const deadline = new Stopwatch(bounds.leftMs, () => stop({ why: 'timeout' }));
  const clocks = new Clocks(deadline, bounds.idle);
  // What bounds it then is PID 1's own deadline.
  const unlisten = running.onTrouble((isAway) => clocks.hold('away', isAway));
  ties?.watch((isPaused) => {
    clocks.hold('paused', isPaused);
    const done = isPaused ? running.hold() : running.goOn();
    // The engine is in trouble: waiting for the end reports it.
    done.catch(() => {});
  });
  bounds.idle?.start(() => stop({ why: 'idle' }));
  const onBudget = (): void => stop({ why: 'budget', reason: String(ties?.budget.reason) });
  ties?.budget.addEventListener('abort', onBudget, { once: true });
  if (ties?.budget.aborted === true) onBudget();
  const unwatch = bounds.disk.watch(bounds.attempt, bounds.diskBytes, (reason) => stop({ why: 'disk', reason }));
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return { ended: await running.ended(), stopped };
  } finally {
    unlisten();
    deadline.stop();
    bounds.idle?.[Symbol.dispose]();
    ties?.watch(null);
    ties?.budget.removeEventListener('abort', onBudget);
    unwatch();
    signal.removeEventListener('abort', onAbort);
  }
}

/** The clocks of an attempt stand still while there is any reason for it. */
class Clocks {
  readonly #deadline: Stopwatch;
  readonly #idle: IdleWatch | null;
  readonly #reasons = new Set<'away' | 'paused'>();
  #letIdleGoOn = (): void => {};

  constructor(deadline: Stopwatch, idle: IdleWatch | null) {
    this.#deadline = deadline;
    this.#idle = idle;
  }

  hold(reason: 'away' | 'paused', isHeld: boolean): void {
    const before = this.#reasons.size;
    if (isHeld) this.#reasons.add(reason);
    else this.#reasons.delete(reason);
    if (before === 0 && isHeld) {
      this.#deadline.stop();
      this.#letIdleGoOn = this.#idle?.hold() ?? this.#letIdleGoOn;
    } else if (before > 0 && this.#reasons.size === 0) {
      this.#deadline.goOn();
      this.#letIdleGoOn();
    }
  }
}
