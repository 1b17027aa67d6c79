/** How the editor shows files and folders. */

import { type Dirent, readdirSync } from 'node:fs';
import path from 'node:path';
import { EditProblem, OpenFile, problemOf } from './files.ts';
import { printable, withoutMiddle } from './printable.ts';

/** Characters. */
const MAX_VIEW = 100_000;
const MAX_ENTRIES = 1_000;
const DEPTH = 2;

export type LineRange = readonly [from: number, to: number];

/** With line numbers. `range` counts from 1 and includes both ends; an end of -1 is the last line. */
export async function viewFile(name: string, range: LineRange | null): Promise<string> {
  await using file = await OpenFile.open(name, 'read');
  const bytes = await file.read();
  if (bytes.includes(0)) throw new EditProblem(`${name} is a binary file of ${bytes.length} bytes`);
  const lines = linesOf(printable(bytes));
  if (lines.length === 0) return `${name} is empty`;
  const [from, to] = range === null ? [1, lines.length] : within(range, lines.length);
  return numbered(lines.slice(from - 1, to), from);
}

/** Lines with their numbers, cut in the middle where there are too many characters. */
export function numbered(lines: readonly string[], from: number): string {
  const text = lines.map((line, index) => `${String(from + index).padStart(6)}\t${line}`).join('\n');
  return withoutMiddle(
    text,
    MAX_VIEW,
    (missing) => `[… ${missing} characters left out: ask for less with view_range …]`,
  );
}

/** Without the empty one after the last line break. */
export function linesOf(text: string): readonly string[] {
  const lines = text.split('\n');
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}

function within([from, to]: LineRange, last: number): LineRange {
  const end = to === -1 ? last : Math.min(to, last);
  if (from < 1 || from > last || end < from) {
    throw new EditProblem(`view_range [${from}, ${to}] does not fit: the file has ${last} lines`);
  }
  return [from, end];
}

/** Two levels of a folder, without hidden entries; folders end with a slash. */
export function viewFolder(folder: string): string {
  const found: string[] = [];
  const walk = (at: string, depth: number): void => {
    for (const entry of entriesOf(at, depth === 1)) {
      if (found.length > MAX_ENTRIES) return;
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
      const name = path.join(at, entry.name);
      found.push(entry.isDirectory() ? `${name}/` : name);
      if (entry.isDirectory() && depth < DEPTH) walk(name, depth + 1);
    }
  };
  walk(folder, 1);
  const shown = found.slice(0, MAX_ENTRIES).map((name) => printable(Buffer.from(name)));
  const more = found.length > MAX_ENTRIES ? ['[… more entries left out: look at a folder below …]'] : [];
  return [`${folder}, two levels deep, without hidden entries and node_modules:`, ...shown, ...more].join('\n');
}

function entriesOf(folder: string, isAsked: boolean): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (isAsked) throw problemOf(folder, error);
    return [];
  }
}
