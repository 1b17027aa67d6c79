/** Waits for an agent and ends it when its time is up, when it does nothing, fills the disk, or somebody wants it ended. */

import type { EndedSandbox, RunningSandbox } from '../sandbox/sandbox.ts';
import type { AttemptId } from '../types.ts';
import type { DiskWatch } from './disk-watch.ts';
import type { IdleWatch } from './idle.ts';

/** Reason of an attempt's signal when the user wants this task ended; any other reason: the run is being stopped. */
export const KILLED_BY_USER = 'killed by the user';

/** Why we ended the agent, when it did not end by itself. */
export type Stopped =
  | { readonly why: 'timeout' | 'idle' | 'killed' | 'interrupted' }
  | { readonly why: 'disk'; readonly reason: string };

export interface Supervision {
  readonly attempt: AttemptId;
  /** Milliseconds until the agent is ended. */
  readonly leftMs: number;
  readonly idle: IdleWatch;
  readonly diskBytes: number;
  readonly disk: DiskWatch;
  readonly signal: AbortSignal;
}

export interface Supervised {
  readonly ended: EndedSandbox;
  readonly stopped: Stopped | null;
}

export async function supervise(running: RunningSandbox, bounds: Supervision): Promise<Supervised> {
  const { signal } = bounds;
  let stopped: Stopped | null = null;
  const stop = (because: Stopped): void => {
    stopped ??= because;
    // Whoever fills the disk gets no time to go on.
    const ending = because.why === 'disk' ? running.kill() : running.stop();
    ending.catch(() => {
      // The engine is in trouble: waiting for the end reports it.
    });
  };
  const onAbort = (): void => stop({ why: signal.reason === KILLED_BY_USER ? 'killed' : 'interrupted' });
  const deadline = setTimeout(() => stop({ why: 'timeout' }), Math.max(0, bounds.leftMs));
  bounds.idle.start(() => stop({ why: 'idle' }));
  const unwatch = bounds.disk.watch(bounds.attempt, bounds.diskBytes, (reason) => stop({ why: 'disk', reason }));
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return { ended: await running.ended(), stopped };
  } finally {
    clearTimeout(deadline);
    bounds.idle[Symbol.dispose]();
    unwatch();
    signal.removeEventListener('abort', onAbort);
  }
}
