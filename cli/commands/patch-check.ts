/** `patch check`: runs checks on patches now, outside of a run or beside one. */

import { EXIT_CODES, usageError } from '../../src/errors.ts';
import type { Checker } from '../../src/review/checker.ts';
import { hasPassed } from '../../src/review/verdict.ts';
import type { CheckRecord, PatchRecord } from '../../src/state/records.ts';
import type { State } from '../../src/state/state.ts';
import type { Context } from '../context.ts';
import { patchOf, someState } from '../find.ts';
import { onInterrupt } from '../interrupt.ts';
import type { PatchCheckOptions } from '../options.ts';
import { checkLinesWithOutput } from '../render/checks.ts';
import { checkJson } from '../render/json.ts';

/** Resolves to the exit code: 0 where all pass, 1 where one fails, 130 interrupted. */
export async function checkPatches(
  context: Context,
  typed: readonly string[],
  options: PatchCheckOptions,
): Promise<number> {
  const known = someState(await context.knownState(), typed[0] ?? '');
  const patches = [...new Map(typed.map((id) => patchOf(known, id)).map((patch) => [patch.id, patch])).values()];
  const { settings } = await context.settings(options.settings, { trust: options.trust });
  const commands = [...new Set(settings.checks)];
  if (commands.length === 0) {
    throw usageError('NO_CHECKS', 'there is no check to run', {
      hint: "name one: --check 'npm test', or put checks into orchestrate.yaml",
    });
  }
  const state = await context.state();
  const { openChecker } = await import('../checking.ts');
  const leaving = new AbortController();
  const release = onInterrupt(leaving, () => context.warn('ending the checks; once more to leave at once'));
  try {
    const { signal } = leaving;
    await using checking = await openChecker(context, settings, { command: 'orchestrate patch check', signal });
    const { checker } = checking;
    const checked = await Promise.all(patches.map((patch) => check({ state, checker, signal }, patch, commands)));
    if (context.json) {
      context.printJson({ patches: checked.map(({ id, records }) => ({ id, checks: records.map(checkJson) })) });
    } else {
      for (const { id, records } of checked) {
        context.print(`${id}\n${await checkLinesWithOutput(records, state.directory)}`);
      }
    }
    return checked.every(({ records }) => records.every(hasPassed)) ? 0 : EXIT_CODES.failure;
  } catch (error) {
    if (leaving.signal.aborted) return EXIT_CODES.interrupted;
    throw error;
  } finally {
    release();
  }
}

interface Bench {
  readonly state: State;
  readonly checker: Checker;
  readonly signal: AbortSignal;
}

async function check(
  { state, checker, signal }: Bench,
  { id, tree, commit, baseTree }: PatchRecord,
  commands: readonly string[],
): Promise<{ readonly id: string; readonly records: readonly CheckRecord[] }> {
  const records = await checker.check({ name: id, tree, commit, near: baseTree }, commands, signal);
  state.addChecks(id, records);
  return { id, records };
}
