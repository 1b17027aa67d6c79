/** What a failed Engine API call means for us. */

import { environmentError, OrchestrateError } from '../../errors.ts';

/** The call reached the engine and was answered with this HTTP status. */
export function isStatus(error: unknown, status: number): boolean {
  return typeof error === 'object' && error !== null && 'statusCode' in error && error.statusCode === status;
}

/** An engine failure as our error, with the engine's own words. */
export function engineFailure(what: string, cause: unknown): OrchestrateError {
  if (cause instanceof OrchestrateError) return cause;
  const said = cause instanceof Error ? cause.message : String(cause);
  return environmentError('DOCKER_FAILED', `${what}: ${said}`, { cause, hint: 'orchestrate doctor' });
}
