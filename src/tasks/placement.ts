/** PORT: somebody else who decides on which host an attempt runs, and when there is room for it. */

import type { AttemptId } from '../types.ts';

export interface Placement extends AsyncDisposable {
  /** Stands for the host of an attempt that has no place yet. */
  readonly name: string;
  /**
   * Resolves with the name of the host where there is a place, which is held until `release`; waits as long as there is none,
   * and says why. Rejects with the signal's reason when it is aborted, else with an OrchestrateError.
   */
  place(attempt: AttemptId, signal: AbortSignal, onWaiting: (why: string) => void): Promise<string>;
  /** Takes over the place of an attempt that an earlier run has left at work, where there is one still. */
  adopt(attempt: AttemptId): Promise<void>;
  /** Nothing new is to be placed on that host for a while. */
  avoid(host: string, why: string): void;
  /** Idempotent; also where the host is gone. */
  release(attempt: AttemptId): Promise<void>;
  /** Tells when a place was taken away: the attempt is to end there. */
  onTaken(listener: (attempt: AttemptId, why: string) => void): void;
}
