/** Waits for an agent and ends it when its time or its budget is up, when it does nothing, fills the disk, or somebody wants it ended. */

import type { EndedSandbox, RunningSandbox } from '../sandbox/sandbox.ts';
import type { AttemptId } from '../types.ts';
import type { IdleWatch } from './idle.ts';
import { Stopwatch } from './stopwatch.ts';
import type { Ties } from './ties.ts';
import type { Shortage, Watermarks } from './watermarks.ts';

/** Reason of an attempt's signal when the user wants this task ended; any other reason: the run is being stopped, a text says why. */
export const KILLED_BY_USER = 'killed by the user';

/** Why we ended the agent, when it did not end by itself. */
export type Stopped =
  | { readonly why: 'timeout' | 'killed' }
  /** Null: it did nothing; else what it did, and why that comes to the same. */
  | { readonly why: 'idle'; readonly reason: string | null }
  /** `reason`: why the run ends; null: somebody wants it. */
  | { readonly why: 'interrupted'; readonly reason: string | null }
  | { readonly why: 'budget'; readonly reason: string }
  | Shortage;

export interface Supervision {
  readonly attempt: AttemptId;
  /** Milliseconds until the agent is ended; while it is paused they do not count. */
  readonly leftMs: number;
  /** Null: doing nothing is no reason to end it. */
  readonly idle: IdleWatch | null;
  readonly diskBytes: number;
  readonly watermarks: Watermarks;
  readonly signal: AbortSignal;
  /** Nothing of it is wanted once it is to end: it is killed at once. */
  readonly isDisposable?: true;
  /** Aborted, with a sentence as the reason, when what it does leads nowhere; not given: nobody would see that. */
  readonly stuck?: AbortSignal;
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
    // Whoever takes the disk or the memory of others gets no time to go on.
    const ending =
      (isShortage(because) && because.why !== 'state') || bounds.isDisposable ? running.kill() : running.stop();
    ending.catch(() => {
      // The engine is in trouble: waiting for the end reports it.
    });
  };
  const onAbort = (): void => {
    const reason = typeof signal.reason === 'string' ? signal.reason : null;
    stop(reason === KILLED_BY_USER ? { why: 'killed' } : { why: 'interrupted', reason });
  };
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
  bounds.idle?.start(() => stop({ why: 'idle', reason: null }));
  const onStuck = (): void => stop({ why: 'idle', reason: String(bounds.stuck?.reason) });
  bounds.stuck?.addEventListener('abort', onStuck, { once: true });
  if (bounds.stuck?.aborted === true) onStuck();
  const onBudget = (): void => stop({ why: 'budget', reason: String(ties?.budget.reason) });
  ties?.budget.addEventListener('abort', onBudget, { once: true });
  if (ties?.budget.aborted === true) onBudget();
  const unwatch = bounds.watermarks.watch(bounds.attempt, {
    limitBytes: bounds.diskBytes,
    memoryBytes: () => running.memoryBytes(),
    onShort: stop,
  });
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
    bounds.stuck?.removeEventListener('abort', onStuck);
    unwatch();
    signal.removeEventListener('abort', onAbort);
  }
}

/** Whether it was ended for what it, or somebody, took too much of. */
export function isShortage(stopped: Stopped): stopped is Shortage {
  return stopped.why === 'disk' || stopped.why === 'memory' || stopped.why === 'state';
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
