/** What a failed Engine API call means for us. */

import { environmentError, OrchestrateError } from '../../errors.ts';
import { isEngineGone, TROUBLE } from '../trouble.ts';
import { isTlsCode } from './unreachable.ts';

/** The call reached the engine and was answered with this HTTP status. */
export function isStatus(error: unknown, status: number): boolean {
  return typeof error === 'object' && error !== null && 'statusCode' in error && error.statusCode === status;
}

/** For a failure that is harmless where it was answered with one of these HTTP statuses; any other is thrown on. */
export function ignoreStatus(...statuses: readonly number[]): (error: unknown) => void {
  return (error) => {
    if (!statuses.some((status) => isStatus(error, status))) throw error;
  };
}

/** An engine failure as our error, with the engine's own words. */
export function engineFailure(what: string, cause: unknown): OrchestrateError {
  if (cause instanceof OrchestrateError) return cause;
  const said = cause instanceof Error ? cause.message : String(cause);
  return environmentError(TROUBLE.failed, `${what}: ${said}`, { cause, hint: 'orchestrate doctor' });
}

/** The call was not answered: whether the engine did what it asked for is not known. */
export function isUnanswered(error: unknown): boolean {
  if (error instanceof OrchestrateError) return error.code === TROUBLE.timeout || isEngineGone(error);
  if (!(error instanceof Error) || 'statusCode' in error) return false;
  const { code } = error as NodeJS.ErrnoException;
  return code !== undefined && (UNANSWERED.has(code) || isTlsCode(code));
}

/** ECONNRESET is also what node says of a connection that closes before the answer (`socket hang up`). */
const UNANSWERED: ReadonlySet<string> = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN'],
  // A reply that was cut off; a name server that is away with the network.
  ...['HPE_INVALID_EOF_STATE', 'ERR_STREAM_PREMATURE_CLOSE', 'EAI_AGAIN'],
]);

/**
 * The call was refused by an engine that is on its way out: it closes what it keeps its state in before its socket
 * (github.com/moby/moby v20.10: daemon/daemon.go, `Shutdown`). It may have done a part of what was asked.
 */
export function isClosing(error: unknown): boolean {
  return isStatus(error, 500) && error instanceof Error && CLOSED.test(error.message);
}

/** Of its volumes, of its networks, of its connection to containerd. */
const CLOSED = /database not open|failed to update store for object type|client connection is closing/;

/** @param why what is known of the reason, for an engine on another machine */
export function engineGone(why: OrchestrateError | null = null): OrchestrateError {
  if (why !== null) {
    return environmentError(TROUBLE.gone, why.message, {
      hint: why.hint,
      cause: why,
    });
  }
  return environmentError(TROUBLE.gone, 'the Docker engine does not answer any more', {
    hint: 'start it again (sudo systemctl start docker), then: orchestrate run (it takes over what still runs)',
  });
}

export function engineTimeout(what: string, limitMs: number): OrchestrateError {
  return environmentError(TROUBLE.timeout, `the Docker engine has not answered within ${limitMs / 1000} s: ${what}`, {
    hint: 'orchestrate doctor',
  });
}
