/**
 * What a run does while its Docker engine does not answer: it starts nothing, and what is at work waits for the return. It
 * does not wait where somebody wants the run to end now, nor for ever: then all is left as it is, for the next run.
 */

import { environmentError, type OrchestrateError } from '../errors.ts';
import type { SandboxHost } from '../sandbox/sandbox.ts';
import { TROUBLE } from '../sandbox/trouble.ts';
import type { Holds } from './holds.ts';

/** So long without an engine, milliseconds, and nobody is about to bring it back. */
const LONGEST_MS = 30 * 60_000;

export interface OutageParts {
  readonly host: Pick<SandboxHost, 'onTrouble' | 'giveUp'>;
  readonly holds: Pick<Holds, 'set'>;
  /** Aborted when all that is under way is to end now. */
  readonly stopNow: AbortSignal;
  /** The run is to end with this, and with no attempt told to end: they are the next run's. */
  onTooLong(error: OrchestrateError): void;
  /** Not given: LONGEST_MS. */
  readonly longestMs?: number;
}

/** From here on the run outlives trouble with its engine. */
export function outliveOutages({ host, holds, stopNow, onTooLong, longestMs = LONGEST_MS }: OutageParts): void {
  let timer: NodeJS.Timeout | undefined;
  host.onTrouble((trouble) => {
    holds.set('engine', trouble);
    clearTimeout(timer);
    if (trouble === null) return;
    const tooLong = (): void => {
      onTooLong(tooLongGone(longestMs));
      host.giveUp();
    };
    // What waits keeps the process alive, not the waiting.
    timer = setTimeout(tooLong, longestMs).unref();
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
