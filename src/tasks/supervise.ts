/** Waits for an agent and ends it when its time or its budget is up, when it does nothing, fills the disk, or somebody wants it ended. */

import type { EndedSandbox, RunningSandbox } from '../sandbox/sandbox.ts';
import type { AttemptId } from '../types.ts';
import type { DiskWatch } from './disk-watch.ts';
import type { IdleWatch } from './idle.ts';
import { Stopwatch } from './stopwatch.ts';
import type { Ties } from './ties.ts';

/** Reason of an attempt's signal when the user wants this task ended; any other reason: the run is being stopped, a text says why. */
export const KILLED_BY_USER = 'killed by the user';

/** Why we ended the agent, when it did not end by itself. */
export type Stopped =
  | { readonly why: 'timeout' | 'idle' | 'killed' }
  /** `reason`: why the run ends; null: somebody wants it. */
  | { readonly why: 'interrupted'; readonly reason: string | null }
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
  const onAbort = (): void => {
    const reason = typeof signal.reason === 'string' ? signal.reason : null;
    stop(reason === KILLED_BY_USER ? { why: 'killed' } : { why: 'interrupted', reason });
  };
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
    deadline.stop();
    bounds.idle?.[Symbol.dispose]();
    ties?.watch(null);
    ties?.budget.removeEventListener('abort', onBudget);
    unwatch();
    signal.removeEventListener('abort', onAbort);
  }
}
