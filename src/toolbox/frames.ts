/**
 * How the toolbox writes the agent's output into the container's log: as lines that the engine neither cuts nor joins,
 * each of which says where in the whole output it belongs. What the log has lost is seen by that, to the byte.
 *
 * A line is a letter, the position of its first byte in the output (decimal), a comma, a CRC-32 (hexadecimal) of letter,
 * position and body, a colon, and the body:
 * `o`, `e` bytes of the agent's stdout or stderr · `d` how many bytes were dropped there (decimal) · `z` the end, with a
 * `t` where PID 1 was told from outside to end, and an `m` where the kernel killed something inside for want of memory.
 * The body is stuffed so that no byte of it is a newline (consistent overhead: 1 in 253 at most, whatever it holds). The
 * sum is there because engines give followers entries that were read while they were being written (20.10: seen).
 */

import { crc32 } from 'node:zlib';

/** Bytes of output in one line: it stays below the 16 KiB that engines take as one piece. */
export const MAX_BODY = 16_000;
/** More without a newline is none of our lines. */
export const MAX_LINE = 16_384;

const HEAD = /^(([oedz])(\d{1,16})),([0-9a-f]{1,8})$/;
const LONGEST_HEAD = 32;
const NEWLINE = 10;
const COLON = 58;
/** Literal bytes that one group may have; a group this long is followed by no newline. */
const LONGEST_RUN = 253;
const FULL = LONGEST_RUN + 1;

export type OutputStream = 'stdout' | 'stderr';

export type OutputFrame =
  | { readonly kind: 'bytes'; readonly at: number; readonly stream: OutputStream; readonly data: Buffer }
  | { readonly kind: 'dropped'; readonly at: number; readonly count: number }
  | ({ readonly kind: 'end'; readonly at: number } & EndReport);

/** What PID 1 knows about the end, and nobody outside knows for certain. */
export interface EndReport {
  /** Somebody outside wanted it. */
  readonly wasTold: boolean;
  /** The kernel has killed something inside for want of memory, if only a child that the agent got over. */
  readonly outOfMemory: boolean;
}

/** The frame's line, with its newline. `bytes` frames hold at most MAX_BODY of them. */
export function encodeFrame(frame: OutputFrame): Buffer {
  const start = `${letterOf(frame)}${frame.at}`;
  const data = bodyOf(frame);
  const head = `${start},${sumOf(start, data)}:`;
  const line = Buffer.allocUnsafe(head.length + data.length + Math.ceil(data.length / LONGEST_RUN) + 2);
  line.write(head, 'latin1');
  const end = stuff(data, line, head.length);
  line[end] = NEWLINE;
  return line.subarray(0, end + 1);
}

/**
 * The frame of a line (without its newline); null where it is none, or not whole. The line is of no use after that: what
 * it holds is laid out in its place, since a copy of all that agents print would be most of what the reader's memory holds.
 */
export function decodeFrame(line: Buffer): OutputFrame | null {
  const colon = line.subarray(0, LONGEST_HEAD).indexOf(COLON);
  const head = HEAD.exec(line.toString('latin1', 0, Math.max(colon, 0)));
  if (head === null) return null;
  const [, start = '', letter, position, sum] = head;
  const data = unstuff(line.subarray(colon + 1));
  if (sumOf(start, data) !== sum) return null;
  const at = Number(position);
  switch (letter) {
    case 'o':
      return { kind: 'bytes', at, stream: 'stdout', data };
    case 'e':
      return { kind: 'bytes', at, stream: 'stderr', data };
    case 'd':
      return { kind: 'dropped', at, count: Number(data.toString('latin1')) };
    default:
      return { kind: 'end', at, wasTold: data.includes('t'), outOfMemory: data.includes('m') };
  }
}

function letterOf(frame: OutputFrame): string {
  if (frame.kind === 'bytes') return frame.stream === 'stdout' ? 'o' : 'e';
  return frame.kind === 'dropped' ? 'd' : 'z';
}

function bodyOf(frame: OutputFrame): Buffer {
  if (frame.kind === 'bytes') return frame.data;
  if (frame.kind === 'dropped') return Buffer.from(String(frame.count));
  return Buffer.from(`${frame.wasTold ? 't' : ''}${frame.outOfMemory ? 'm' : ''}`);
}

function sumOf(start: string, data: Buffer): string {
  return crc32(data, crc32(start)).toString(16);
}

/** Replaces each newline by the distance to the next one. Returns where it ended. */
function stuff(data: Buffer, into: Buffer, start: number): number {
  let codeAt = start;
  let to = start + 1;
  for (let from = 0; from < data.length; from += 1) {
    const byte = data[from] ?? 0;
    if (byte !== NEWLINE) {
      into[to] = byte;
      to += 1;
      if (to - codeAt < FULL) continue;
    }
    into[codeAt] = codeOf(to - codeAt);
    codeAt = to;
    to += 1;
  }
  into[codeAt] = codeOf(to - codeAt);
  return to;
}

/** In place: what comes out is never longer than what went in so far. */
function unstuff(line: Buffer): Buffer {
  let to = 0;
  let from = 0;
  while (from < line.length) {
    const code = line[from] ?? 0;
    const length = code > NEWLINE ? code - 1 : code;
    const next = from + length;
    for (from += 1; from < next && from < line.length; from += 1) {
      line[to] = line[from] ?? 0;
      to += 1;
    }
    if (length === 0) break;
    if (length < FULL && from < line.length) {
      line[to] = NEWLINE;
      to += 1;
    }
  }
  return line.subarray(0, to);
}

/** 1 … 254 without the newline's own number. */
function codeOf(length: number): number {
  return length < NEWLINE ? length : length + 1;
}
