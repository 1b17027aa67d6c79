/** Finds the one place that a replacement is meant for, or says why there is no such place. */

import { EditProblem } from './files.ts';

const MAX_LINES_TOLD = 10;

export interface Place {
  readonly at: number;
  readonly length: number;
  /** Of the place: a new text there must have the same. */
  readonly lineEnd: '\n' | '\r\n';
}

/** @throws EditProblem when `text` is not there, or there more than once */
export function findOnce(bytes: Buffer, text: string, name: string): Place {
  const asGiven = places(bytes, Buffer.from(text));
  // Models write LF whatever the file has.
  const crlf = text.includes('\n') && asGiven.found.length === 0 && bytes.includes('\r\n');
  const { found, length } = crlf ? places(bytes, Buffer.from(text.replace(/\r?\n/g, '\r\n'))) : asGiven;
  const [at, ...others] = found;
  if (at === undefined) throw new EditProblem(`old_str is not in ${name}${nearly(bytes, text)}`);
  if (others.length > 0) {
    const lines = found.slice(0, MAX_LINES_TOLD).map((one) => lineOf(bytes, one));
    throw new EditProblem(
      `old_str is in ${name} ${found.length} times (lines ${lines.join(', ')}${found.length > lines.length ? ', …' : ''}): ` +
        'give more of what stands around it, so that it is there once',
    );
  }
  return { at, length, lineEnd: crlf || hasCrlf(bytes) ? '\r\n' : '\n' };
}

/** From 1. */
export function lineOf(bytes: Buffer, at: number): number {
  let line = 1;
  for (let next = bytes.indexOf(0x0a); next !== -1 && next < at; next = bytes.indexOf(0x0a, next + 1)) line += 1;
  return line;
}

function places(bytes: Buffer, wanted: Buffer): { readonly found: readonly number[]; readonly length: number } {
  const found: number[] = [];
  for (let at = bytes.indexOf(wanted); at !== -1; at = bytes.indexOf(wanted, at + 1)) found.push(at);
  return { found, length: wanted.length };
}

/** Whether its first line ends in CRLF, which stands for all. */
function hasCrlf(bytes: Buffer): boolean {
  const end = bytes.indexOf(0x0a);
  return end > 0 && bytes[end - 1] === 0x0d;
}

/** Where it is but for white space: the usual mistake. */
function nearly(bytes: Buffer, text: string): string {
  const wanted = text.split('\n').map(bare);
  while (wanted.at(-1) === '') wanted.pop();
  while (wanted[0] === '') wanted.shift();
  if (wanted.length === 0) return '';
  const lines = bytes.toString('utf8').split('\n').map(bare);
  const at = lines.findIndex((_, index) => wanted.every((line, offset) => lines[index + offset] === line));
  return at === -1 ? '' : `; lines ${at + 1} to ${at + wanted.length} differ from it in white space only`;
}

function bare(line: string): string {
  return line.replace(/\s+/g, '');
}
