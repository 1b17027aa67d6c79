/** How somebody leaves what they only look at: Ctrl-C and its like; on a terminal q as well. */

import type { Terminal } from './context.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** q, Q, Ctrl-C, Ctrl-D: without echo and lines a terminal sends keys and no signals. */
const LEAVING_KEYS: readonly string[] = ['q', 'Q', '\x03', '\x04'];

export interface Leaving extends Disposable {
  /** Aborted when they leave. */
  readonly signal: AbortSignal;
}

/** Listens until disposed of. `keys`: the terminal is one to press q on. */
export function onLeave(input: Terminal['in'], { keys }: { readonly keys: boolean }): Leaving {
  const leaving = new AbortController();
  const leave = (): void => leaving.abort();
  const onKeys = (data: Buffer): void => {
    if ([...data.toString('latin1')].some((key) => LEAVING_KEYS.includes(key))) leave();
  };
  for (const signal of SIGNALS) process.on(signal, leave);
  const hasKeys = keys && input.isTTY;
  if (hasKeys) {
    input.setRawMode(true);
    input.on('data', onKeys);
    // The terminal is gone.
    input.on('error', leave);
  }
  return {
    signal: leaving.signal,
    [Symbol.dispose]() {
      for (const signal of SIGNALS) process.off(signal, leave);
      if (!hasKeys) return;
      input.off('data', onKeys);
      input.setRawMode(false);
      input.pause();
    },
  };
}
