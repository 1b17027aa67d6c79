/** Trouble with what sandboxes need: nobody's work, so another try is right. Codes of environment errors. */

import { setTimeout as pause } from 'node:timers/promises';
import { OrchestrateError } from '../errors.ts';

export const TROUBLE = {
  /** The engine does not answer, and nobody waits for it (any more). */
  gone: 'ENGINE_GONE',
  /** It answers others, and not this call. */
  timeout: 'ENGINE_TIMEOUT',
  /** It was stopped, or started anew, and ended what ran. */
  restarted: 'ENGINE_RESTARTED',
  /** Somebody else stopped or killed a sandbox … */
  stopped: 'SANDBOX_STOPPED',
  /** … or removed it. */
  removed: 'SANDBOX_REMOVED',
  /** What an agent printed last was lost with the engine: nobody can tell whether it was done. */
  output: 'OUTPUT_LOST',
  /** An image that is needed was deleted. */
  image: 'IMAGE_MISSING',
  /** Any other refusal of the engine's. */
  failed: 'DOCKER_FAILED',
  /** A side-car went, or hung, during a call that is not safe to repeat. */
  keeper: 'KEEPER_LOST',
  gateway: 'GATEWAY_LOST',
} as const;

/** The call was given up because the engine is gone: what it was about is as it was, for the next run to look at. */
export function isEngineGone(error: unknown): boolean {
  return error instanceof OrchestrateError && error.code === TROUBLE.gone;
}

function isTrouble(error: unknown): error is OrchestrateError {
  return error instanceof OrchestrateError && CODES.has(error.code);
}

const CODES: ReadonlySet<string> = new Set(Object.values(TROUBLE));

/** Before each further try, milliseconds: an engine that is being stopped refuses for a while before it is known to be gone. */
const PAUSES_MS: readonly number[] = [1_000, 5_000];

/** Again, a while later, where trouble kept it from being done; not where the engine is gone and nobody waits for it. */
export async function insist<Result>(act: () => Promise<Result>): Promise<Result> {
  for (const pauseMs of PAUSES_MS) {
    try {
      return await act();
    } catch (error) {
      if (!isTrouble(error) || isEngineGone(error)) throw error;
    }
    await pause(pauseMs);
  }
  return act();
}
