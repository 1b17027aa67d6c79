/** Text for people: tables, ages, sizes, colours. Everything that others wrote goes through the sanitiser first. */

import pc from 'picocolors';
import { secondText } from '../../src/local-time.ts';
import { reveal, revealLine } from '../../src/sanitise.ts';
import { changesReason } from '../../src/state/changes-reason.ts';
import type { PatchRecord } from '../../src/state/records.ts';
import { type TaskState, tokensOf, type Usage } from '../../src/types.ts';

export type Colours = ReturnType<typeof pc.createColors>;

export function coloursOf(enabled: boolean): Colours {
  return pc.createColors(enabled);
}

/**
 * Cells in columns, two spaces apart; trailing blanks are left out. The wide-character tables are loaded only where a
 * cell needs them.
 */
export async function tableOf(rows: readonly (readonly string[])[]): Promise<string> {
  const simple = plainTable(rows);
  if (/^[\x20-\x7e\n]*$/.test(simple)) return simple;
  const { default: widthOf } = await import('string-width');
  // A cell as long as it is wide: what `padEnd` does for plain text.
  const pad = (cell: string, width: number): string => cell + ' '.repeat(width - widthOf(cell));
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => widthOf(row[column] ?? ''))));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => pad(cell, widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** For text where a character is a column. Written for thousands of rows: plain loops, no functions in them. */
function plainTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = (rows[0] ?? []).map(() => 0);
  for (const row of rows) {
    for (let column = 0; column < row.length; column += 1) {
      const { length } = row[column] ?? '';
      if (length > (widths[column] ?? 0)) widths[column] = length;
    }
  }
  const lines: string[] = [];
  for (const row of rows) {
    let line = '';
    for (let column = 0; column < row.length; column += 1)
      line += (row[column] ?? '').padEnd((widths[column] ?? 0) + 2);
    lines.push(line.trimEnd());
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

/** A duration as people say it: `45s`, `12m`, `3h 5m`, `2d 4h`. */
export function age(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours}h` : `${hours}h ${minutes % 60}m`;
  return hours % 24 === 0 ? `${Math.floor(hours / 24)}d` : `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

/** `19:02:11`, local time. */
export function clock(at: string): string {
  return secondText(new Date(at));
}

/** `$1.20`; `12.3k tokens` where their price is not known; `-` where nothing was used. */
export function cost(usage: Usage): string {
  if (usage.usd !== null) return `$${usage.usd.toFixed(2)}`;
  const tokens = tokensOf(usage);
  return tokens === 0 ? '-' : `${tokens < 1000 ? tokens : `${(tokens / 1000).toFixed(1)}k`} tokens`;
}

/** `3 files, +10 −2`. */
export function sizeOf(size: {
  readonly files: number;
  readonly insertions: number;
  readonly deletions: number;
}): string {
  return `${count(size.files, 'file')} +${size.insertions} -${size.deletions}`;
}

export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

export function colourOfTask(colours: Colours, state: TaskState): (text: string) => string {
  if (state === 'succeeded') return colours.green;
  if (state === 'failed') return colours.red;
  if (state === 'running') return colours.cyan;
  if (state === 'blocked' || state === 'paused') return colours.yellow;
  return (text) => text;
}

/** Why a patch is in its state, on one line; what people requested may be long. Empty: nobody said. */
export function patchReason({ state, reason }: Pick<PatchRecord, 'state' | 'reason'>): string {
  if (reason === null) return '';
  return revealLine(state === 'changes-requested' ? changesReason(reason) : reason);
}

/** A diff for the eye: what cannot be seen is spelled out, then coloured. */
export function diffText(diff: string, colours: Colours): string {
  return reveal(diff)
    .split('\n')
    .map((line) => colourOfDiffLine(line, colours))
    .join('\n');
}

function colourOfDiffLine(line: string, colours: Colours): string {
  if (/^(diff|index|new file|deleted file|old mode|new mode|similarity|rename|copy|---|\+\+\+) ?/.test(line))
    return colours.bold(line);
  if (line.startsWith('@@')) return colours.cyan(line);
  if (line.startsWith('+')) return colours.green(line);
  if (line.startsWith('-')) return colours.red(line);
  return line;
}

/** One line for each flag of a patch: `executable  bin/tool  is executable now`. */
export function flagLines(
  flags: readonly { readonly code: string; readonly path: string; readonly detail: string }[],
): string {
  return flags.map((flag) => `  ${flag.code}  ${revealLine(flag.path)}  ${revealLine(flag.detail)}\n`).join('');
}
