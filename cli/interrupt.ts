/** Ctrl-C and its like. */

import { EXIT_CODES } from '../src/errors.ts';
import { workWithoutReader } from './lost-streams.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * The first one aborts and says so; the second one gives up at once, or leaves as it is told to. A terminal that closes is a first one: it sends
 * several, by itself and through its shell. Returns how to stop listening.
 */
export function onInterrupt(interruption: AbortController, say: () => void, leave: () => void = exit): () => void {
  // Whoever is to end in order must not be ended by the terminal that it cannot write to any more.
  workWithoutReader();
  const onSignal = (signal: NodeJS.Signals): void => {
    if (interruption.signal.aborted) {
      if (signal !== 'SIGHUP') leave();
      return;
    }
    interruption.abort();
    say();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return () => {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
}

function exit(): void {
  process.exit(EXIT_CODES.interrupted);
}
