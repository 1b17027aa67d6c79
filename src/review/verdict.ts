/** What the checks of a patch say of it. Pure. */

import type { CheckRecord, PatchRecord } from '../state/records.ts';
import type { CheckVerdict } from '../types.ts';

/** Of the checks that count: of its tree as it is now, each command's newest. No check is not a passed check. */
export function verdictOf({ checks }: Pick<PatchRecord, 'checks'>): CheckVerdict {
  if (checks.length === 0) return 'none';
  return checks.every(hasPassed) ? 'passed' : 'failed';
}

/** `none` where one of these commands, or all, were not run on it as it is now. Others do not count. */
export function verdictOn({ checks }: Pick<PatchRecord, 'checks'>, commands: readonly string[]): CheckVerdict {
  const missing = uncheckedBy({ checks }, commands);
  return missing.length > 0
    ? 'none'
    : verdictOf({ checks: checks.filter(({ command }) => commands.includes(command)) });
}

/** The commands that were not run on it as it is now. */
export function uncheckedBy({ checks }: Pick<PatchRecord, 'checks'>, commands: readonly string[]): string[] {
  return [...new Set(commands)].filter((command) => !checks.some((check) => check.command === command));
}

export function hasPassed({ exitCode }: CheckRecord): boolean {
  return exitCode === 0;
}
