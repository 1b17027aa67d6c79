/**
 * How the toolbox writes the agent's output into the container's log: as lines that the engine neither cuts nor joins,
 * each of which says where in the whole output it belongs. What the log has lost is seen by that, to the byte.
 *
 * A line is a letter, the position of its first byte in the output (decimal), a colon, and
 * `o`, `e` bytes of the agent's stdout or stderr · `d` how many bytes were dropped there (decimal) · `z` nothing: the end.
 * The bytes are stuffed so that none is a newline (consistent overhead: 1 in 253 at most, whatever they are).
 */

/** Bytes of output in one line: it stays below the 16 KiB that engines take as one piece. */
export const MAX_BODY = 16_000;
/** More without a newline is none of our lines. */
export const MAX_LINE = 16_384;

const NEWLINE = 10;
const COLON = 58;
/** Literal bytes that one group may have; a group this long is followed by no newline. */
const LONGEST_RUN = 253;
const FULL = LONGEST_RUN + 1;

export type OutputStream = 'stdout' | 'stderr';

export type OutputFrame =
  | { readonly kind: 'bytes'; readonly at: number; readonly stream: OutputStream; readonly data: Buffer }
  | { readonly kind: 'dropped'; readonly at: number; readonly count: number }
  | { readonly kind: 'end'; readonly at: number };

/** The frame's line, with its newline. `bytes` frames hold at most MAX_BODY of them. */
export function encodeFrame(frame: OutputFrame): Buffer {
  switch (frame.kind) {
    case 'dropped':
      return Buffer.from(`d${frame.at}:${frame.count}\n`);
    case 'end':
      return Buffer.from(`z${frame.at}:\n`);
    case 'bytes': {
      const head = `${frame.stream === 'stdout' ? 'o' : 'e'}${frame.at}:`;
      const { data } = frame;
      const line = Buffer.allocUnsafe(head.length + data.length + Math.ceil(data.length / LONGEST_RUN) + 2);
      line.write(head, 'latin1');
      const end = stuff(data, line, head.length);
      line[end] = NEWLINE;
      return line.subarray(0, end + 1);
    }
  }
}

/** The frame of a line (without its newline); null where it is none. */
export function decodeFrame(line: Buffer): OutputFrame | null {
  const colon = line.subarray(0, 20).indexOf(COLON);
  const at = colon < 2 ? Number.NaN : Number(line.toString('latin1', 1, colon));
  if (!Number.isSafeInteger(at) || at < 0) return null;
  const body = line.subarray(colon + 1);
  switch (line[0]) {
    case 0x6f:
      return { kind: 'bytes', at, stream: 'stdout', data: unstuff(body) };
    case 0x65:
      return { kind: 'bytes', at, stream: 'stderr', data: unstuff(body) };
    case 0x64:
      return { kind: 'dropped', at, count: Number(body.toString('latin1')) };
    case 0x7a:
      return { kind: 'end', at };
    default:
      return null;
  }
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

function unstuff(line: Buffer): Buffer {
  const data = Buffer.allocUnsafe(line.length);
  let to = 0;
  let from = 0;
  while (from < line.length) {
    const code = line[from] ?? 0;
    const length = code > NEWLINE ? code - 1 : code;
    const next = from + length;
    for (from += 1; from < next && from < line.length; from += 1) {
      data[to] = line[from] ?? 0;
      to += 1;
    }
    if (length === 0) break;
    if (length < FULL && from < line.length) {
      data[to] = NEWLINE;
      to += 1;
    }
  }
  return data.subarray(0, to);
}

/** 1 … 254 without the newline's own number. */
function codeOf(length: number): number {
  return length < NEWLINE ? length : length + 1;
}
