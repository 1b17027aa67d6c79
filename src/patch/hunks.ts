/** Text hunks: their numbers must add up, among themselves and with their lines. */

import type { Hunk } from './parsed.ts';
import { badPatch, type PatchText, shown } from './patch-text.ts';

const MARKER = '\\ No newline at end of file';
const NUMBER = '(0|[1-9][0-9]{0,9})';
const RANGE = `${NUMBER}(?:,${NUMBER})?`;
const HEADER = new RegExp(`^@@ -${RANGE} \\+${RANGE} @@(?: |$)`);
const MAX_LINE_NUMBER = 2 ** 31 - 1;

const SPACE = 0x20;
const PLUS = 0x2b;
const MINUS = 0x2d;
const BACKSLASH = 0x5c;
const LF = 0x0a;

/** What the hunks of a file have told so far. */
interface Progress {
  /** Lines of the old file that are behind us. */
  oldDone: number;
  /** New line number minus old line number. */
  shift: number;
  /** A side whose last line, without newline, was seen. */
  oldEnded: boolean;
  newEnded: boolean;
}

/** Reads all hunks of one file; at least one. @param room how many there may be */
export function parseHunks(text: PatchText, room: number): Hunk[] {
  const hunks: Hunk[] = [];
  const progress: Progress = { oldDone: 0, shift: 0, oldEnded: false, newEnded: false };
  while (text.begins('@@ ')) {
    if (hunks.length >= room) throw text.bad('it has too many hunks');
    if (progress.oldEnded || progress.newEnded) throw text.bad('a hunk follows the end of the file');
    hunks.push(parseHunk(text, progress));
  }
  if (hunks.length === 0) throw text.bad('a hunk is missing');
  return hunks;
}

function parseHunk(text: PatchText, progress: Progress): Hunk {
  const { line } = text;
  const match = HEADER.exec(text.header());
  if (match === null) throw badPatch(line, 'this is no hunk header');
  const [oldStart = 0, oldLines = 1, newStart = 0, newLines = 1] = match
    .slice(1)
    .map((number) => (number === undefined ? undefined : Number(number)));
  checkPosition({ oldStart, oldLines, newStart, newLines }, progress, line);
  const start = text.at;
  readLines(text, { oldLines, newLines }, progress);
  return { oldStart, oldLines, newStart, newLines, start, end: text.at };
}

type Numbers = Pick<Hunk, 'oldStart' | 'oldLines' | 'newStart' | 'newLines'>;

function checkPosition(numbers: Numbers, progress: Progress, line: number): void {
  const { oldStart, oldLines, newStart, newLines } = numbers;
  // A range without lines names the line before it.
  const oldFirst = oldLines === 0 ? oldStart + 1 : oldStart;
  const newFirst = newLines === 0 ? newStart + 1 : newStart;
  if (oldLines === 0 && newLines === 0) throw badPatch(line, 'the hunk is empty');
  if (oldFirst === 0 || newFirst === 0) throw badPatch(line, 'lines are counted from 1');
  if (Math.max(oldFirst + oldLines, newFirst + newLines) > MAX_LINE_NUMBER) {
    throw badPatch(line, 'a line number is too large');
  }
  if (oldFirst <= progress.oldDone) throw badPatch(line, 'the hunk overlaps the one before it or comes too late');
  if (newFirst - oldFirst !== progress.shift) {
    throw badPatch(line, 'old and new line numbers do not fit the hunks before');
  }
  progress.oldDone = oldFirst + oldLines - 1;
  progress.shift += newLines - oldLines;
}

/** Reads the lines that the header announced, and the markers among and after them. */
function readLines(
  text: PatchText,
  counts: { readonly oldLines: number; readonly newLines: number },
  progress: Progress,
): void {
  let { oldLines, newLines } = counts;
  let changed = false;
  /** Sign of the line before, which a marker would be about. */
  let last: number | null = null;
  for (;;) {
    const sign = text.first === LF ? SPACE : text.first;
    if (sign === BACKSLASH) {
      readMarker(text, last, progress);
      last = null;
      continue;
    }
    if (oldLines === 0 && newLines === 0) break;
    if (sign !== SPACE && sign !== PLUS && sign !== MINUS) {
      throw text.bad(text.done ? 'the hunk ends too early' : 'a hunk line begins with none of space, + and -');
    }
    if (sign !== PLUS) {
      if (oldLines === 0 || progress.oldEnded) throw text.bad('the hunk has more old lines than there can be');
      oldLines -= 1;
    }
    if (sign !== MINUS) {
      if (newLines === 0 || progress.newEnded) throw text.bad('the hunk has more new lines than there can be');
      newLines -= 1;
    }
    changed ||= sign !== SPACE;
    last = sign;
    text.skip();
  }
  if (!changed) throw text.bad('the hunk changes nothing');
}

function readMarker(text: PatchText, last: number | null, progress: Progress): void {
  const { line } = text;
  const found = text.header();
  if (found !== MARKER) throw badPatch(line, `${shown(found)} is not the marker of a missing newline`);
  if (last === null) throw badPatch(line, 'the marker of a missing newline follows no line');
  if (last !== PLUS) progress.oldEnded = true;
  if (last !== MINUS) progress.newEnded = true;
}

/** One line of a hunk. `content` has its newline, unless the file ends without one. */
export interface HunkLine {
  readonly sign: ' ' | '-' | '+';
  readonly content: Buffer;
}

const SIGNS: Readonly<Record<number, HunkLine['sign']>> = { [LF]: ' ', [SPACE]: ' ', [MINUS]: '-', [PLUS]: '+' };

/** The lines of a parsed hunk. @param bytes the patch's */
export function* hunkLines(bytes: Buffer, hunk: Hunk): Generator<HunkLine> {
  for (let at = hunk.start; at < hunk.end; ) {
    const sign = SIGNS[bytes[at] ?? 0] ?? ' ';
    const from = bytes[at] === LF ? at : at + 1;
    const next = bytes.indexOf(LF, at) + 1;
    at = afterMarker(bytes, next, hunk);
    yield { sign, content: bytes.subarray(from, at === next ? next : next - 1) };
  }
}

/** What the hunks show of one side's content: all of it where a file is added or deleted. */
export function sideContent(bytes: Buffer, hunks: readonly Hunk[], side: 'old' | 'new'): Buffer {
  const other = side === 'old' ? PLUS : MINUS;
  const content = Buffer.allocUnsafe(hunks.reduce((sum, hunk) => sum + hunk.end - hunk.start, 0));
  let length = 0;
  for (const hunk of hunks) {
    for (let at = hunk.start; at < hunk.end; ) {
      const sign = bytes[at];
      const from = sign === LF ? at : at + 1;
      const next = bytes.indexOf(LF, at) + 1;
      at = afterMarker(bytes, next, hunk);
      if (sign !== other) length += bytes.copy(content, length, from, at === next ? next : next - 1);
    }
  }
  return content.subarray(0, length);
}

function afterMarker(bytes: Buffer, at: number, hunk: Hunk): number {
  return at < hunk.end && bytes[at] === BACKSLASH ? at + MARKER.length + 1 : at;
}
