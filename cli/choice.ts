/** Files and hunks as a person names them: `src/a.ts`, or `src/a.ts:1,3-5` for some of its hunks. */

import { usageError } from '../src/errors.ts';
import { nameSome } from '../src/git/bytes.ts';
import type { Choice, PatchFile } from '../src/review/parts.ts';
import { revealLine } from '../src/sanitise.ts';

/** Longer lists are cut in a hint. */
const MOST_NAMED = 20;

/**
 * What was named, of these files; hunks named twice count once.
 * Errors (usage): UNKNOWN_PART for a path or hunk that there is not, with a list of what there is; BAD_HUNKS.
 */
export function chosenParts(files: readonly PatchFile[], typed: readonly string[]): Choice {
  const choice = new Map<string, 'all' | Set<number>>();
  for (const text of typed) {
    const { file, hunks } = partOf(files, text);
    const before = choice.get(file.path);
    if (hunks === 'all' || before === 'all') choice.set(file.path, 'all');
    else choice.set(file.path, new Set([...(before ?? []), ...hunks]));
  }
  return choice;
}

/** All of these files but what was named. Errors as `chosenParts`. */
export function partsWithout(files: readonly PatchFile[], typed: readonly string[]): Choice {
  const without = chosenParts(files, typed);
  const choice = new Map<string, 'all' | ReadonlySet<number>>();
  for (const { path, hunks } of files) {
    const left = without.get(path);
    if (left === undefined) choice.set(path, 'all');
    else if (left !== 'all') choice.set(path, new Set(hunks.map(({ n }) => n).filter((n) => !left.has(n))));
  }
  return choice;
}

interface Part {
  readonly file: PatchFile;
  readonly hunks: 'all' | readonly number[];
}

function partOf(files: readonly PatchFile[], text: string): Part {
  const whole = fileOf(files, text);
  if (whole !== undefined) return { file: whole, hunks: 'all' };
  const [, path = '', numbers = ''] = /^(.*):([^:]*)$/s.exec(text) ?? [];
  const file = fileOf(files, path);
  if (file === undefined) {
    throw usageError('UNKNOWN_PART', `The patch does not change ${revealLine(text)}.`, {
      hint: `It changes ${nameSome(files.map(nameOf), MOST_NAMED)}.`,
    });
  }
  return { file, hunks: numbers.split(',').flatMap((range) => numbersOf(range, file)) };
}

function fileOf(files: readonly PatchFile[], path: string): PatchFile | undefined {
  return files.find((file) => file.path === path) ?? files.find((file) => revealLine(file.path) === path);
}

function numbersOf(range: string, file: PatchFile): number[] {
  const [, from, to = from] = /^\s*(\d{1,9})(?:-(\d{1,9}))?\s*$/.exec(range) ?? [];
  if (from === undefined || Number(from) > Number(to)) {
    throw usageError('BAD_HUNKS', `${JSON.stringify(range)} is no number of a hunk, nor a range of them.`, {
      hint: `Write ${revealLine(file.path)}:1,3-5 for the first, third, fourth and fifth.`,
    });
  }
  const count = file.hunks.length;
  const unknown = [Number(from), Number(to)].find((n) => n < 1 || n > count);
  if (unknown !== undefined) {
    throw usageError('UNKNOWN_PART', `${revealLine(file.path)} has no hunk ${unknown}.`, {
      hint: count === 0 ? 'It can only be taken or left as a whole.' : `It has ${hunksOf(count)}.`,
    });
  }
  return Array.from({ length: Number(to) - Number(from) + 1 }, (_, at) => Number(from) + at);
}

function nameOf({ path, isWhole, hunks }: PatchFile): string {
  return isWhole ? revealLine(path) : `${revealLine(path)} (${hunksOf(hunks.length)})`;
}

function hunksOf(count: number): string {
  return count === 1 ? 'hunk 1' : `hunks 1-${count}`;
}
