/** Binary hunks: base 85 lines of deflated content or of a delta, unpacked under a limit and checked to the last byte. */

import { inflateSync } from 'node:zlib';
import type { BinaryHunk } from './parsed.ts';
import { badPatch, type PatchText } from './patch-text.ts';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~';
const NO_DIGIT = 255;
const DIGITS = new Uint8Array(256).fill(NO_DIGIT);
for (const [value, character] of [...ALPHABET].entries()) DIGITS[character.charCodeAt(0)] = value;

const BYTES_A_LINE = 52;
const LF = 0x0a;

/** Bytes that may still be unpacked. */
export interface Budget {
  bytes: number;
}

/** A hunk with its unpacked data, which is checked against the ids and then dropped. */
export interface UnpackedHunk {
  readonly hunk: BinaryHunk;
  readonly data: Buffer;
}

/** Reads one binary hunk with the empty line that ends it. */
export function parseBinaryHunk(text: PatchText, budget: Budget): UnpackedHunk {
  const { line } = text;
  const match = /^(literal|delta) (0|[1-9][0-9]{0,14})$/.exec(text.header());
  if (match === null) throw badPatch(line, 'binary content begins with "literal" or "delta" and its size');
  const size = Number(match[2]);
  spend(budget, size, line);
  const packed = decodeLines(text);
  const data = unpack(packed, size, line);
  if (match[1] === 'literal') {
    return { hunk: { method: 'literal', packed, size, resultSize: size, sourceSize: null }, data };
  }
  const sizes = deltaSizes(data, line);
  spend(budget, sizes.resultSize, line);
  return { hunk: { method: 'delta', packed, size, ...sizes }, data };
}

function spend(budget: Budget, bytes: number, line: number): void {
  if (bytes > budget.bytes) throw badPatch(line, 'its binary content is too large when it is unpacked');
  budget.bytes -= bytes;
}

function decodeLines(text: PatchText): Buffer {
  const end = text.bytes.indexOf('\n\n', text.at);
  if (end === -1) throw text.bad('the empty line after binary content is missing');
  const packed = Buffer.allocUnsafe(Math.ceil(((end - text.at) * 4) / 5) + 4);
  let length = 0;
  let full = true;
  while (text.first !== LF) {
    if (!full) throw text.bad('a short line of binary content is not its last one');
    const decoded = decodeLine(text, packed, length);
    length += decoded;
    full = decoded === BYTES_A_LINE;
  }
  text.skip();
  return packed.subarray(0, length);
}

/** A letter for the number of bytes, then five digits for every four of them. */
function decodeLine(text: PatchText, into: Buffer, at: number): number {
  const { bytes, line, at: start } = text;
  const end = text.skip();
  const count = lineLength(bytes[start] ?? 0);
  if (count === 0) throw badPatch(line, 'a line of binary content does not begin with its length');
  if (end - start - 1 !== Math.ceil(count / 4) * 5) throw badPatch(line, 'a line of binary content has a wrong length');
  for (let done = 0, from = start + 1; done < count; done += 4, from += 5) {
    let value = 0;
    for (let n = 0; n < 5; n += 1) {
      const digit = DIGITS[bytes[from + n] ?? 0] ?? NO_DIGIT;
      if (digit === NO_DIGIT) throw badPatch(line, 'a character is not of base 85');
      value = value * 85 + digit;
    }
    const unused = Math.max(0, done + 4 - count);
    if (value > 0xffffffff || value % 256 ** unused !== 0) {
      throw badPatch(line, 'a group of base 85 stands for no bytes');
    }
    for (let n = 0; n < 4 - unused; n += 1) into[at + done + n] = Math.floor(value / 256 ** (3 - n)) % 256;
  }
  return count;
}

function lineLength(letter: number): number {
  if (letter >= 0x41 && letter <= 0x5a) return letter - 0x41 + 1;
  return letter >= 0x61 && letter <= 0x7a ? letter - 0x61 + 27 : 0;
}

function unpack(packed: Buffer, size: number, line: number): Buffer {
  let result: { readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } };
  try {
    const options = { info: true, maxOutputLength: Math.max(1, size) };
    result = inflateSync(packed, options) as unknown as typeof result;
  } catch (error) {
    const tooLong = (error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE';
    throw badPatch(line, tooLong ? 'binary content is longer than announced' : 'binary content cannot be unpacked');
  }
  if (result.buffer.length !== size) throw badPatch(line, 'binary content is not as long as announced');
  if (result.engine.bytesWritten !== packed.length) throw badPatch(line, 'something follows the binary content');
  return result.buffer;
}

/** Follows a delta (patch-delta.c) without making its result: every copy within the source, the sizes as announced. */
function deltaSizes(delta: Buffer, line: number): { readonly sourceSize: number; readonly resultSize: number } {
  const source = deltaNumber(delta, 0, line);
  const result = deltaNumber(delta, source.next, line);
  let made = 0;
  for (let at = result.next; at < delta.length; ) {
    const op = deltaOp(delta, at);
    if (op.from + op.size > source.value) throw badPatch(line, 'a delta copies from beyond its source');
    if (op.size === 0 || op.next > delta.length) throw badPatch(line, 'a delta is broken');
    made += op.size;
    at = op.next;
  }
  if (made !== result.value) throw badPatch(line, 'a delta makes another size than it announces');
  return { sourceSize: source.value, resultSize: result.value };
}

function deltaNumber(delta: Buffer, at: number, line: number): { readonly value: number; readonly next: number } {
  let value = 0;
  for (let n = 0; n < 7; n += 1) {
    const byte = delta[at + n];
    if (byte === undefined) break;
    value += (byte & 0x7f) * 128 ** n;
    if (byte < 0x80) return { value, next: at + n + 1 };
  }
  throw badPatch(line, 'a size in a delta is broken');
}

/** One instruction: a copy of `size` bytes at `from`, or an insertion (`from` is where it cannot be wrong). */
function deltaOp(delta: Buffer, at: number): { readonly from: number; readonly size: number; readonly next: number } {
  const code = delta[at] ?? 0;
  if (code < 0x80) return { from: -code, size: code, next: at + 1 + code };
  let next = at + 1;
  const parts = [0, 0, 0, 0, 0, 0, 0].map((_zero, bit) => {
    if ((code & (1 << bit)) === 0) return 0;
    next += 1;
    return delta[next - 1] ?? 0;
  });
  const [o0 = 0, o1 = 0, o2 = 0, o3 = 0, s0 = 0, s1 = 0, s2 = 0] = parts;
  const size = s0 + s1 * 2 ** 8 + s2 * 2 ** 16;
  return { from: o0 + o1 * 2 ** 8 + o2 * 2 ** 16 + o3 * 2 ** 24, size: size === 0 ? 0x10000 : size, next };
}
