/** How a run ended, as the exit code of whoever waited for it. */

import { EXIT_CODES, OrchestrateError } from '../errors.ts';
import type { RunSummary } from './run-parts.ts';

/** CLI.md: 130 over 4 over 1. */
export function exitCodeOf(
  end: Pick<RunSummary, 'failed' | 'blocked' | 'redPatches' | 'limit'>,
  isInterrupted: boolean,
): number {
  if (isInterrupted) return EXIT_CODES.interrupted;
  if (end.limit !== null) return EXIT_CODES.limit;
  return end.failed > 0 || end.blocked > 0 || end.redPatches > 0 ? EXIT_CODES.failure : 0;
}

/** Of a run that could not be done. */
export function exitCodeOfFault(error: unknown): number {
  return error instanceof OrchestrateError ? error.exitCode : EXIT_CODES.failure;
}
