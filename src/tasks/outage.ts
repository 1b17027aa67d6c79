/**
 * What a run does while a Docker engine does not answer: it starts nothing there, and what is at work waits for the return.
 * It does not wait where somebody wants the run to end now, nor for ever: where another host can do the work, that one does
 * soon; else all is left as it is, for the next run.
 */

import { environmentError, type OrchestrateError } from '../errors.ts';
import type { SandboxHost } from '../sandbox/sandbox.ts';
import { TROUBLE } from '../sandbox/trouble.ts';
import type { Holds } from './holds.ts';

/** So long without an engine, milliseconds, and nobody is about to bring it back. */
const LONGEST_MS = 30 * 60_000;
/** How often it is seen whether another host can do the work by now, milliseconds. */
const LOOK_AGAIN_MS = 1_000;

/** Where work goes on while a host is away. */
export interface HandOver {
  /** Milliseconds: a network that is cut for a minute costs nobody the work. */
  readonly afterMs: number;
  /** Another host can do it. */
  isPossible(): boolean;
  /** The host is given up. */
  onLost(): void;
}

export interface OutageParts {
  readonly host: Pick<SandboxHost, 'onTrouble' | 'giveUp'>;
  readonly holds: Pick<Holds, 'set'>;
  /** Aborted when all that is under way is to end now. */
  readonly stopNow: AbortSignal;
  /** The run is to end with this, and with no attempt told to end: they are the next run's. */
  onTooLong(error: OrchestrateError): void;
  /** Null or not given: it is the only host. */
  readonly handOver?: HandOver | null;
  /** Not given: LONGEST_MS. */
  readonly longestMs?: number;
}

/** From here on the run outlives trouble with its engine. */
export function outliveOutages(parts: OutageParts): void {
  const { host, holds, stopNow, onTooLong, longestMs = LONGEST_MS, handOver = null } = parts;
  let timers: NodeJS.Timeout[] = [];
  // What waits keeps the process alive, not the waiting.
  const later = (act: () => void, ms: number): void => void timers.push(setTimeout(act, ms).unref());
  const over = (tell: () => void): void => {
    for (const timer of timers) clearTimeout(timer);
    tell();
    host.giveUp();
  };
  host.onTrouble((trouble) => {
    holds.set('engine', trouble);
    // The same trouble, of which more is known.
    if (trouble !== null && timers.length > 0) return;
    for (const timer of timers) clearTimeout(timer);
    timers = [];
    if (trouble === null) return;
    later(() => over(() => onTooLong(tooLongGone(longestMs))), longestMs);
    if (handOver === null) return;
    const look = (): void => {
      if (handOver.isPossible()) over(() => handOver.onLost());
      else later(look, LOOK_AGAIN_MS);
    };
    later(look, handOver.afterMs);
  });
  const giveUp = (): void => host.giveUp();
  if (stopNow.aborted) giveUp();
  else stopNow.addEventListener('abort', giveUp, { once: true });
}

function tooLongGone(longestMs: number): OrchestrateError {
  const minutes = Math.round(longestMs / 60_000);
  return environmentError(TROUBLE.gone, `the Docker engine has not answered for ${minutes} minutes`, {
    hint: 'start it again (sudo systemctl start docker), then: orchestrate run (it takes over what still runs)',
  });
}
