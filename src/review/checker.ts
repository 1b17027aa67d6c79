/** PORT: runs checks, commands that must pass on a tree, each in a clean container of its own. */

import type { BaseTree } from '../sandbox/sandbox.ts';
import type { CheckRecord } from '../state/records.ts';

/** What is checked. */
export interface CheckedTree extends BaseTree {
  /** Says in names of containers and logs what this is: `add-login.1`, `merge`. `[a-z0-9.-]`, at most 60 characters. */
  readonly name: string;
}

export interface Checker {
  /**
   * Runs all commands on the tree, at once as far as there is room for them; concurrent calls share that room. A command
   * that fails is run once more: where it passes then, the record says that it is flaky. Records stand in the order of the
   * commands; a command that was ended for its time or memory has failed. Nothing that a command writes is kept but its log.
   * Rejects (kind `environment`) when the engine fails, and with the signal's reason when it is aborted.
   */
  check(on: CheckedTree, commands: readonly string[], signal: AbortSignal): Promise<readonly CheckRecord[]>;
}
