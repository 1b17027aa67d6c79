/** Ctrl-C and its like. */

import { EXIT_CODES } from '../src/errors.ts';

/** The first one aborts and says so; the second one gives up at once. Returns how to stop listening. */
export function onInterrupt(interruption: AbortController, say: () => void): () => void {
  const onSignal = (): void => {
    if (interruption.signal.aborted) process.exit(EXIT_CODES.interrupted);
    say();
    interruption.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return () => {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  };
}
