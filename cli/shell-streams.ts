/** The person's terminal, or whatever stands in its place, as a shell in a sandbox uses it. */

import type { ShellStreams } from '../src/sandbox/docker/shell.ts';
import type { Context } from './context.ts';

/** A terminal passes on every key from here until disposal. */
export function shellStreams(context: Context, signal: AbortSignal): ShellStreams & Disposable {
  const { in: input, out, err, env } = context;
  const isTerminal = input.isTTY === true && out.isTTY === true;
  if (!isTerminal) return { in: input, out, err, terminal: null, signal, [Symbol.dispose]: () => input.pause() };
  input.setRawMode(true);
  return {
    ...{ in: input, out, err, signal },
    terminal: {
      type: env.TERM || 'xterm',
      size: () => ({ columns: out.columns, rows: out.rows }),
      onResize(listener) {
        out.on('resize', listener);
        return () => void out.off('resize', listener);
      },
    },
    [Symbol.dispose]() {
      input.setRawMode(false);
      input.pause();
    },
  };
}
