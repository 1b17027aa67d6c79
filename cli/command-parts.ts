/** What the definitions of all commands share. */

import type { Context } from './context.ts';

/** An action gives the exit code, or nothing for 0. */
export type Action = (context: Context) => Promise<number | undefined>;

/** Runs an action with a context of its own, which is closed afterwards. */
export type Act = (action: Action) => Promise<void>;

/** The examples below a command's help. */
export function examples(commands: readonly string[]): string {
  return `\nExamples:\n${commands.map((command) => `  orchestrate ${command}\n`).join('')}`;
}

/** For an option that may be given again. */
export function collect(value: string, earlier: readonly string[]): readonly string[] {
  return [...earlier, value];
}
