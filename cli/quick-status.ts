/**
 * The short way to `status`: it is typed all day, and the argument parser costs a third of its time. Only what is
 * certain goes this way; everything else, `--watch` and mistakes included, goes through the parser.
 */

import { status } from './commands/status.ts';
import type { GlobalFlags, Terminal } from './context.ts';
import { createContext } from './wire.ts';

/** Runs plain `status` and gives its exit code. */
export async function quickStatus(terminal: Terminal, argv: readonly string[]): Promise<number> {
  const has = (...names: readonly string[]): boolean => names.some((name) => argv.includes(name));
  const flags: GlobalFlags = {
    repo: null,
    json: has('--json'),
    color: !has('--no-color'),
    verbose: has('-v', '--verbose'),
    quiet: has('-q', '--quiet'),
  };
  const context = createContext(terminal, flags);
  try {
    return await status(context, { watch: false });
  } finally {
    context.close();
  }
}
