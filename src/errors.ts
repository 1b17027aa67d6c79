/**
 * Our failures. A task's failure is a result, never one of these.
 * Every error has a stable code, one clear sentence and, where there is something to do, a hint.
 */

/** Why the command ends; the exit code follows from it (see EXIT_CODES). */
export type ErrorKind = 'failure' | 'usage' | 'environment' | 'limit' | 'interrupted';

export const EXIT_CODES: Record<ErrorKind, number> = {
  failure: 1,
  usage: 2,
  environment: 3,
  limit: 4,
  interrupted: 130,
};

export interface ErrorOptionsWithHint {
  /** What the person can do about it: one sentence, with the command where there is one. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** An expected failure with a code for scripts (`DOCKER_UNREACHABLE`), a sentence and a hint for people. */
export class OrchestrateError extends Error {
  override readonly name = 'OrchestrateError';
  readonly hint: string | undefined;

  constructor(
    readonly kind: ErrorKind,
    readonly code: string,
    message: string,
    options: ErrorOptionsWithHint = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.hint = options.hint;
  }

  get exitCode(): number {
    return EXIT_CODES[this.kind];
  }
}

/** Wrong usage or input: exit 2. */
export function usageError(code: string, message: string, options?: ErrorOptionsWithHint): OrchestrateError {
  return new OrchestrateError('usage', code, message, options);
}

/** Something around us is missing or broken: exit 3. */
export function environmentError(code: string, message: string, options?: ErrorOptionsWithHint): OrchestrateError {
  return new OrchestrateError('environment', code, message, options);
}

/** The work itself could not be done: exit 1. */
export function failure(code: string, message: string, options?: ErrorOptionsWithHint): OrchestrateError {
  return new OrchestrateError('failure', code, message, options);
}
