/** Waits for an agent and ends it when its time or its budget is up, when it does nothing, fills the disk, or somebody wants it ended. */

import type { EndedSandbox, RunningSandbox } from '../sandbox/sandbox.ts';
import type { AttemptId } from '../types.ts';
import type { IdleWatch } from './idle.ts';
import { Stopwatch } from './stopwatch.ts';
import type { Ties } from './ties.ts';
import type { Shortage, Watermarks } from './watermarks.ts';

/** Reason of an attempt's signal when the user wants this task ended; any other reason: the run is being stopped. */
export const KILLED_BY_USER = 'killed by the user';

/** Why we ended the agent, when it did not end by itself. */
export type Stopped =
  | { readonly why: 'timeout' | 'killed' | 'interrupted' }
  /** Null: it did nothing; else what it did, and why that comes to the same. */
  | { readonly why: 'idle'; readonly reason: string | null }
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
  const onAbort = (): void => stop({ why: signal.reason === KILLED_BY_USER ? 'killed' : 'interrupted' });
  const deadline = new Stopwatch(bounds.leftMs, () => stop({ why: 'timeout' }));
  let letIdleGoOn = (): void => {};
  ties?.watch((isPaused) => {
    if (isPaused) {
      deadline.stop();
      letIdleGoOn = bounds.idle?.hold() ?? letIdleGoOn;
    } else {
      deadline.goOn();
      letIdleGoOn();
    }
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
