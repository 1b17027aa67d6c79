/** Text in columns of a terminal: cut, padded and wrapped by what it takes there, wide characters included. */

import stringWidth from 'string-width';
import { sanitise } from '../../src/sanitise.ts';
import { tableOf } from './text.ts';

const PLAIN = /^[\x20-\x7e]*$/;
const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Columns of a terminal; null where nothing needs to fit: a file, a pipe. */
export function columnsOf(out: Pick<NodeJS.WriteStream, 'isTTY' | 'columns'>): number | null {
  return out.isTTY && out.columns > 0 ? out.columns : null;
}

/** Columns that a line takes. */
export function widthOf(text: string): number {
  return PLAIN.test(text) ? text.length : stringWidth(text);
}

/** At most `width` columns of a line, with `…` where something is missing. Takes as long as what is left is. */
export function cut(text: string, width: number): string {
  if (width <= 0) return '';
  if (PLAIN.test(text)) return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
  let kept = '';
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    used += widthOf(segment);
    if (used > width) return `${kept}…`;
    if (used < width) kept += segment;
  }
  return text;
}

/** The lines of a table, each cut at its end where it is wider than `width`. */
export async function tableLines(rows: readonly (readonly string[])[], width: number | null): Promise<string[]> {
  const lines = (await tableOf(rows)).trimEnd().split('\n');
  return width === null ? lines : lines.map((line) => cut(line, width));
}

/** Exactly `width` columns. */
export function fitted(text: string, width: number): string {
  const short = cut(text, width);
  return short + ' '.repeat(Math.max(0, width - widthOf(short)));
}

/** Lines of at most `width` columns, broken between words where there are any. What others wrote is sanitised on the way. */
export function wrap(text: string, width: number): string[] {
  const room = Math.max(1, width);
  return sanitise(text)
    .replaceAll('\t', '  ')
    .split('\n')
    .flatMap((line) => wrappedLine(line.trimEnd(), room));
}

function wrappedLine(line: string, width: number): string[] {
  if (widthOf(line) <= width) return [line];
  // What is indented stays so: the lines of a list, of code.
  const indent = (/^ *(?:[-*+] )?/.exec(line)?.[0] ?? '').slice(0, Math.floor(width / 2));
  const lines: string[] = [];
  let now = indent;
  let used = indent.length;
  let isEmpty = true;
  const next = (): void => {
    lines.push(now.trimEnd());
    now = ' '.repeat(indent.length);
    used = indent.length;
    isEmpty = true;
  };
  for (const word of line.slice(indent.length).split(/(?<= )/)) {
    const wide = widthOf(word.trimEnd());
    if (!isEmpty && used + wide > width) next();
    for (const part of used + wide <= width ? [word] : charactersOf(word)) {
      if (!isEmpty && used + widthOf(part.trimEnd()) > width) next();
      now += part;
      used += widthOf(part);
      isEmpty = false;
    }
  }
  lines.push(now.trimEnd());
  return lines;
}

/** What a reader takes for one character each. */
export function charactersOf(text: string): string[] {
  return PLAIN.test(text) ? [...text] : Array.from(graphemes.segment(text), ({ segment }) => segment);
}
