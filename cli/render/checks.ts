/** What checks said of a patch, as text for people. Commands and output are others' words: they go through the sanitiser. */

import { join } from 'node:path';
import { lastLines } from '../../src/review/check-logs.ts';
import { hasPassed, verdictOf } from '../../src/review/verdict.ts';
import { revealLine } from '../../src/sanitise.ts';
import type { CheckRecord, PatchRecord } from '../../src/state/records.ts';
import { age } from './text.ts';

/** Of the output of a check that failed, where it is told with the task. */
const TAIL_LINES = 10;

/** `passed`, `passed (flaky)`, `failed`, `none`. */
export function verdictText(patch: Pick<PatchRecord, 'checks'>): string {
  const verdict = verdictOf(patch);
  return verdict === 'passed' && patch.checks.some(({ isFlaky }) => isFlaky) ? 'passed (flaky)' : verdict;
}

/** A line for each check, with the file that has the output of one that failed, if only at first. */
export function checkLines(checks: readonly CheckRecord[], stateDir: string): string {
  return checks.map((check) => `  ${checkLine(check, stateDir)}\n`).join('');
}

/** The same, each such line followed by how that output ends. */
export async function checkLinesWithOutput(checks: readonly CheckRecord[], stateDir: string): Promise<string> {
  const texts = checks.map(async (check) => {
    const { log } = check;
    const tail = log === null || !isTold(check) ? [] : await lastLines(stateDir, log, TAIL_LINES);
    return [checkLine(check, stateDir), ...tail.map((line) => `    | ${revealLine(line)}`)];
  });
  return (await Promise.all(texts)).flatMap((lines) => lines.map((line) => `  ${line}\n`)).join('');
}

function checkLine(check: CheckRecord, stateDir: string): string {
  const { command, exitCode, durationMs, isFlaky, log } = check;
  const outcome = hasPassed(check) ? `passed${isFlaky ? ' the second time (flaky)' : ''}` : `failed (${exitCode})`;
  const where = log !== null && isTold(check) ? `, output in ${revealLine(join(stateDir, log))}` : '';
  return `${outcome} after ${age(durationMs)}: ${revealLine(command)}${where}`;
}

/** Where somebody may want to see its output: it failed, if only at first. */
export function isTold(check: CheckRecord): boolean {
  return !hasPassed(check) || check.isFlaky;
}
