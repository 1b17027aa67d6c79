/** Text under the cursor: what each key does to it. A character is what a reader takes for one (a grapheme cluster). */

import { sanitise } from '../../sanitise.ts';
import type { Key, KeyName } from './key.ts';

export interface Line {
  readonly text: string;
  /** Before which code unit of `text` the cursor stands; never inside of a character. */
  readonly caret: number;
}

/** More than any field of a plan takes. */
const MAX_LENGTH = 20_000;
const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

export function lineOf(text: string): Line {
  return { text, caret: text.length };
}

/** Null for a key that does nothing in an editor. Newlines are kept only where `multiline`, else they become spaces. */
export function typed(line: Line, key: Key, { multiline }: { readonly multiline: boolean }): Line | null {
  if (key.kind === 'press') {
    if (key.name === 'newline') return multiline ? insert(line, '\n') : null;
    return EDITS[key.name]?.(line) ?? null;
  }
  const clean = sanitise(key.text);
  return insert(line, multiline ? clean.replaceAll('\t', '  ') : clean.replace(/[\n\t]+/g, ' '));
}

const EDITS: { readonly [Name in KeyName]?: (line: Line) => Line } = {
  left: (line) => moved(line, before(line)),
  right: (line) => moved(line, after(line)),
  home: (line) => moved(line, startOf(line)),
  end: (line) => moved(line, endOf(line)),
  up: (line) => vertically(line, -1),
  down: (line) => vertically(line, 1),
  'word-left': (line) => moved(line, wordBefore(line)),
  'word-right': (line) => moved(line, wordAfter(line)),
  'ctrl-a': (line) => moved(line, startOf(line)),
  'ctrl-e': (line) => moved(line, endOf(line)),
  'ctrl-b': (line) => moved(line, before(line)),
  'ctrl-f': (line) => moved(line, after(line)),
  backspace: (line) => without(line, before(line), line.caret),
  delete: (line) => without(line, line.caret, after(line)),
  'ctrl-d': (line) => without(line, line.caret, after(line)),
  'ctrl-u': (line) => without(line, startOf(line), line.caret),
  'ctrl-k': (line) => without(line, line.caret, endOf(line) === line.caret ? after(line) : endOf(line)),
  'ctrl-w': (line) => without(line, wordBefore(line), line.caret),
};

function insert({ text, caret }: Line, added: string): Line {
  const room = Math.max(0, MAX_LENGTH - text.length);
  const fits = added.length <= room ? added : added.slice(0, room).replace(/[\uD800-\uDBFF]$/, '');
  const joined = text.slice(0, caret) + fits + text.slice(caret);
  // What was typed may have become one character with what is there.
  return { text: joined, caret: boundary(joined, caret + fits.length) };
}

function moved({ text }: Line, caret: number): Line {
  return { text, caret };
}

function without({ text, caret }: Line, from: number, to: number): Line {
  const left = text.slice(0, from) + text.slice(to);
  return { text: left, caret: boundary(left, Math.min(from, caret)) };
}

function startOf({ text, caret }: Line): number {
  // From -1 on it would search from 0, and find a newline that is behind the cursor.
  return caret === 0 ? 0 : text.lastIndexOf('\n', caret - 1) + 1;
}

function endOf({ text, caret }: Line): number {
  const end = text.indexOf('\n', caret);
  return end < 0 ? text.length : end;
}

function before({ text, caret }: Line): number {
  return caret === 0 ? 0 : characterAt(text, caret - 1).from;
}

function after({ text, caret }: Line): number {
  return caret === text.length ? caret : characterAt(text, caret).to;
}

function wordBefore({ text, caret }: Line): number {
  const at = text.slice(0, caret).search(/\S*\s*$/);
  // A space may be one character with the accent after it.
  return at >= text.length ? at : characterAt(text, at).from;
}

function wordAfter({ text, caret }: Line): number {
  return boundary(text, caret + (/^\s*\S*/.exec(text.slice(caret))?.[0].length ?? 0));
}

/** As many characters from the start of the line above or below, or its end; without one, the start or end of this one. */
function vertically(line: Line, by: -1 | 1): Line {
  const start = startOf(line);
  const column = charactersOf(line.text.slice(start, line.caret)).length;
  if (by === -1 && start === 0) return moved(line, 0);
  const end = endOf(line);
  if (by === 1 && end === line.text.length) return moved(line, end);
  const caret = by === -1 ? start - 1 : end + 1;
  const other = { text: line.text, caret };
  const from = startOf(other);
  const characters = charactersOf(line.text.slice(from, endOf(other)));
  return moved(line, from + (characters[column]?.index ?? endOf(other) - from));
}

/** The nearest place at or after `at` that is not inside of a character. */
function boundary(text: string, at: number): number {
  if (at <= 0 || at >= text.length) return at;
  const { from, to } = characterAt(text, at);
  return from === at ? at : to;
}

/** The bounds of the character that the code unit at `index` is of. */
function characterAt(text: string, index: number): { readonly from: number; readonly to: number } {
  // Going through all of a long text for each key would be felt; asking for one place is not.
  const found = graphemes.segment(text).containing(index);
  return found === undefined
    ? { from: index, to: index + 1 }
    : { from: found.index, to: found.index + found.segment.length };
}

function charactersOf(text: string): Intl.SegmentData[] {
  return [...graphemes.segment(text)];
}
