// What the toolbox frames, the engine's log loses in the middle or at the end, and the driver puts together again.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { agentOutput, type ContainerLog } from '../../src/sandbox/docker/output.ts';
import type { OutputChunk } from '../../src/sandbox/sandbox.ts';
import { Backlog, type Pace } from '../../src/toolbox/backlog.ts';
import { decodeFrame, encodeFrame, MAX_BODY, MAX_LINE, type OutputFrame } from '../../src/toolbox/frames.ts';

const NEWLINE = 10;
const BY_ITSELF = { wasTold: false, outOfMemory: false };

describe('a frame', () => {
  /** Bytes with many newlines, long stretches without, and everything else. */
  const bytes = fc
    .array(
      fc.oneof(
        fc.uint8Array({ maxLength: 20 }),
        fc.constantFrom(Buffer.from('\n'), Buffer.from('\n\n\n'), Buffer.alloc(253, 9), Buffer.alloc(600, 0xff)),
      ),
      { maxLength: 25 },
    )
    .map((parts) => Buffer.concat(parts));

  it('is one line, whatever the bytes, and gives them back', () => {
    fc.assert(
      fc.property(bytes, fc.nat(), fc.constantFrom('stdout' as const, 'stderr' as const), (data, at, stream) => {
        const frame: OutputFrame = { kind: 'bytes', at, stream, data };
        const line = encodeFrame(frame);
        expect(line.indexOf(NEWLINE)).toBe(line.length - 1);
        expect(decodeFrame(line.subarray(0, -1))).toEqual(frame);
      }),
    );
  });

  it.each([NEWLINE, 0, 9, 11, 255])('stays shorter than what engines cut, full of byte %i', (value) => {
    const data = Buffer.alloc(MAX_BODY, value);
    const line = encodeFrame({ kind: 'bytes', at: Number.MAX_SAFE_INTEGER, stream: 'stdout', data });
    expect(line.length).toBeLessThan(MAX_LINE);
    expect(decodeFrame(line.subarray(0, -1))).toMatchObject({ data });
  });

  it('that was cut, or read twice in part, is none', () => {
    const line = encodeFrame({ kind: 'bytes', at: 7, stream: 'stdout', data: Buffer.from('one\ntwo\nthree') });
    for (let cut = 0; cut < line.length - 1; cut += 1) {
      expect(decodeFrame(line.subarray(0, cut))).toBeNull();
      if (cut > 0) expect(decodeFrame(Buffer.concat([line.subarray(0, cut), line.subarray(0, -1)]))).toBeNull();
    }
  });

  it.each(['', 'o', 'o:', 'x1:', 'o1', 'o1:', 'o1,0:a', 'oh no: it broke', 'Error: out of memory'])(
    'is not seen in %j',
    (text) => {
      expect(decodeFrame(Buffer.from(text))).toBeNull();
    },
  );
});

describe('the backlog', () => {
  const PACE: Pace = {
    ...{ wholeBytes: 1000, keptBytes: 500, waitBytes: 200, burstBytes: 100 },
    bytesPerSecond: { whole: 1000, later: 100 },
  };
  /** Everything that is left, without regard to the pace. */
  function rest(backlog: Backlog): OutputFrame[] {
    const frames: OutputFrame[] = [];
    for (let frame = backlog.takeAnyway(); frame !== null; frame = backlog.takeAnyway()) frames.push(frame);
    return frames;
  }

  it('lets the agent wait rather than drop, until the first bytes are over', () => {
    const backlog = new Backlog(PACE, 0);
    backlog.add('stdout', Buffer.alloc(100));
    expect(backlog.isFull).toBe(false);
    backlog.add('stdout', Buffer.alloc(800));
    expect(backlog.isFull).toBe(true);
    expect(rest(backlog)).toMatchObject([{ kind: 'bytes', at: 0, data: Buffer.alloc(900) }]);
    expect(backlog.isFull).toBe(false);
  });

  it('drops the oldest after that, counts it, and never lets the agent wait', () => {
    const backlog = new Backlog(PACE, 0);
    for (let n = 0; n < 100; n += 1) backlog.add('stdout', Buffer.alloc(100, n));
    expect(backlog.isFull).toBe(false);
    const [dropped, ...kept] = rest(backlog);
    const data = Buffer.concat(kept.map((frame) => (frame.kind === 'bytes' ? frame.data : Buffer.alloc(0))));
    expect(dropped).toEqual({ kind: 'dropped', at: 0, count: 10_000 - data.length });
    expect(data.length).toBeGreaterThan(PACE.keptBytes / 2);
    expect(data.at(-1)).toBe(99);
    expect(backlog.end(BY_ITSELF)).toEqual({ kind: 'end', at: 10_000, ...BY_ITSELF });
  });

  it('tells of each byte what it was and where, however its blocks were used again', () => {
    /** What the byte at this position is. */
    const byteAt = (position: number): number => (position * 7 + (position >> 8)) % 251;
    const turn = fc.record({ bytes: fc.nat(150_000), frames: fc.nat(12), isError: fc.boolean() });
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 40 }), (turns) => {
        const backlog = new Backlog({ ...PACE, wholeBytes: 400_000, keptBytes: 300_000 }, 0);
        let written = 0;
        let told = 0;
        const tell = (frame: OutputFrame | null): void => {
          if (frame === null) return;
          expect(frame.at).toBe(told);
          if (frame.kind === 'dropped') told += frame.count;
          if (frame.kind !== 'bytes') return;
          expect(frame.data.every((byte, n) => byte === byteAt(told + n))).toBe(true);
          told += frame.data.length;
        };
        for (const { bytes, frames, isError } of turns) {
          const from = written;
          const data = Buffer.from(Uint8Array.from({ length: bytes }, (_, n) => byteAt(from + n)));
          backlog.add(isError ? 'stderr' : 'stdout', data);
          // It is its to keep no longer.
          data.fill(255);
          written += bytes;
          for (let n = 0; n < frames; n += 1) tell(backlog.takeAnyway());
        }
        for (const frame of rest(backlog)) tell(frame);
        expect(told).toBe(written);
      }),
      { numRuns: 25 },
    );
  });

  it('passes a burst on at once and the rest at its pace', () => {
    const backlog = new Backlog(PACE, 0);
    for (let n = 0; n < 3; n += 1) {
      backlog.add('stdout', Buffer.alloc(100));
      backlog.add('stderr', Buffer.alloc(100));
    }
    expect(backlog.take(0)?.at).toBe(0);
    expect(backlog.take(0)?.at).toBe(100);
    expect(backlog.take(0)).toBeNull();
    const wait = backlog.waitMs(0);
    expect(wait).toBe(100);
    expect(backlog.take(wait - 1)).toBeNull();
    expect(backlog.take(wait)?.at).toBe(200);
  });

  it('joins neighbours of one stream and keeps the order of the streams', () => {
    const backlog = new Backlog(PACE, 0);
    for (const [stream, text] of [
      ['stdout', 'a'],
      ['stdout', 'b'],
      ['stderr', 'c'],
      ['stdout', 'd'],
    ] as const) {
      backlog.add(stream, Buffer.from(text));
    }
    expect(rest(backlog).map((frame) => (frame.kind === 'bytes' ? String(frame.data) : ''))).toEqual(['ab', 'c', 'd']);
  });
});

/** Frames of `text`, two bytes each. */
function framesOf(text: string): OutputFrame[] {
  const pairs = text.match(/../g) ?? [];
  return pairs.map((pair, n) => ({ kind: 'bytes', at: 2 * n, stream: 'stdout', data: Buffer.from(pair) }));
}

interface Reading {
  readonly followed: readonly (OutputFrame | string)[];
  readonly kept?: readonly (OutputFrame | string)[];
}

/** A log that answers each reading with the next of these; a string is no frame but something PID 1 said. */
function logOf(...readings: readonly Reading[]): ContainerLog & { readonly asked: string[] } {
  const left = [...readings];
  const asked: string[] = [];
  async function* pieces(entries: readonly (OutputFrame | string)[]): AsyncGenerator<OutputChunk> {
    for (const entry of entries) {
      if (typeof entry === 'string') yield { stream: 'stderr', data: Buffer.from(entry) };
      // Cut anywhere, as the network does.
      else for (const byte of encodeFrame(entry)) yield { stream: 'stdout', data: Buffer.from([byte]) };
    }
  }
  let kept: Reading['kept'];
  return {
    asked,
    mended: async () => false,
    read(follow) {
      asked.push(follow ? 'follow' : 'read');
      if (!follow) return pieces(kept ?? []);
      const reading = left.shift();
      kept = reading?.kept;
      return pieces(reading?.followed ?? []);
    },
    isRunning: async () => left.length > 0,
    pause: async () => {},
  };
}

async function textOf(log: ContainerLog): Promise<string> {
  let text = '';
  for await (const { data } of agentOutput(log)) text += data;
  return text;
}

describe('an agent’s output', () => {
  const all = framesOf('abcdefghijkl');
  const end: OutputFrame = { kind: 'end', at: 12, ...BY_ITSELF };
  const without = (...gone: number[]) => all.filter((_, n) => !gone.includes(n));

  it('is followed, and that is all when nothing is missing', async () => {
    const log = logOf({ followed: [...all, end] });
    expect(await textOf(log)).toBe('abcdefghijkl');
    expect(log.asked).toEqual(['follow']);
  });

  it('is read again where the follower lost some of it', async () => {
    const log = logOf({ followed: [...without(2, 3), end], kept: all.slice(1, 5) });
    expect(await textOf(log)).toBe('abcdefghijkl');
  });

  it('is read again where the follower lost its end', async () => {
    const log = logOf({ followed: all.slice(0, 3), kept: [...all.slice(2), end] });
    expect(await textOf(log)).toBe('abcdefghijkl');
  });

  it('is read again where the engine garbled an entry', async () => {
    const [first, second, ...others] = all.map((frame) => encodeFrame(frame));
    const garbled = Buffer.concat([second?.subarray(0, -3) ?? Buffer.alloc(0), second ?? Buffer.alloc(0)]);
    async function* bytes(pieces: readonly (Buffer | undefined)[]): AsyncGenerator<OutputChunk> {
      // As an engine sends it: new bytes each time.
      for (const data of pieces) if (data !== undefined) yield { stream: 'stdout', data: Buffer.from(data) };
    }
    const rest = [...others, encodeFrame(end)];
    const log: ContainerLog = {
      read: (follow) => bytes([first, follow ? garbled : second, ...rest]),
      isRunning: async () => false,
      mended: async () => false,
      pause: async () => {},
    };
    expect(await textOf(log)).toBe('abcdefghijkl');
  });

  it('says what nobody has any more, in its place and to the byte', async () => {
    const log = logOf({ followed: [...without(1, 2, 3), end], kept: [...all.slice(3), end] });
    expect(await textOf(log)).toBe('ab\n… 4 bytes of output were not kept …\nghijkl');
  });

  it('says what the toolbox dropped without looking for it', async () => {
    const log = logOf({ followed: [...all.slice(0, 2), { kind: 'dropped', at: 4, count: 6 }, ...all.slice(5), end] });
    expect(await textOf(log)).toBe('abcd\n… 6 bytes of output were not kept …\nkl');
    expect(log.asked).toEqual(['follow']);
  });

  it('of which the engine has only the end begins with how much is gone', async () => {
    const log = logOf({ followed: [...all.slice(4), end] });
    expect(await textOf(log)).toBe('\n… 8 bytes of output were not kept …\nijkl');
    expect(log.asked).toEqual(['follow']);
  });

  it('is followed again when the engine let go of a follower whose agent still runs', async () => {
    const log = logOf(
      { followed: all.slice(0, 2), kept: all.slice(0, 3) },
      { followed: [...all.slice(1), end], kept: [] },
    );
    expect(await textOf(log)).toBe('abcdefghijkl');
  });

  it('that has no end says so', async () => {
    const log = logOf({ followed: all.slice(0, 2), kept: all.slice(0, 3) });
    expect(await textOf(log)).toBe('abcdef\n… the sandbox was killed; what it printed last may be missing …\n');
  });

  it('has what PID 1 said in need once, though the log is read twice', async () => {
    const log = logOf({ followed: [...all.slice(0, 2), 'out of '], kept: [...all.slice(0, 2), 'out of memory'] });
    expect(await textOf(log)).toMatch(/^abcdout of memory\n/);
  });
});
