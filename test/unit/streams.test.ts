import { Duplex, PassThrough, Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { demultiplex, execDuplex, FrameSplitter } from '../../src/sandbox/docker/streams.ts';

type Piece = { stream: 'stdout' | 'stderr'; data: Buffer };

function frame(piece: Piece): Buffer {
  const header = Buffer.alloc(8);
  header[0] = piece.stream === 'stderr' ? 2 : 1;
  header.writeUInt32BE(piece.data.length, 4);
  return Buffer.concat([header, piece.data]);
}

/** Neighbouring pieces of one stream joined, so that cuts do not matter. */
function joined(pieces: Iterable<Piece>): Piece[] {
  const result: Piece[] = [];
  for (const piece of pieces) {
    if (piece.data.length === 0) continue;
    const last = result.at(-1);
    if (last?.stream === piece.stream) last.data = Buffer.concat([last.data, piece.data]);
    else result.push({ stream: piece.stream, data: Buffer.from(piece.data) });
  }
  return result;
}

describe('the multiplexed log stream', () => {
  it('gives back every byte in order, however the network cuts it', () => {
    const piece = fc.record({
      stream: fc.constantFrom<Piece['stream']>('stdout', 'stderr'),
      data: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), fc.array(fc.integer({ min: 1, max: 50 })), (pieces, cuts) => {
        const bytes = Buffer.concat(pieces.map(frame));
        const splitter = new FrameSplitter();
        const seen: Piece[] = [];
        let at = 0;
        for (const cut of [...cuts, bytes.length]) {
          seen.push(...splitter.feed(bytes.subarray(at, at + cut)));
          at += cut;
        }
        expect(joined(seen)).toEqual(joined(pieces));
      }),
    );
  });

  it('takes 150,000 one-byte frames in one chunk, alternating between the streams', async () => {
    const pieces = Array.from(
      { length: 150_000 },
      (_, index): Piece => ({
        stream: index % 2 === 0 ? 'stdout' : 'stderr',
        data: Buffer.from([index & 0xff]),
      }),
    );
    const source = Readable.from([Buffer.concat(pieces.map(frame))]);
    let index = 0;
    for await (const chunk of demultiplex(source)) {
      for (const byte of chunk.data) {
        if (chunk.stream !== pieces[index]?.stream || byte !== (index & 0xff)) throw new Error(`wrong piece ${index}`);
        index += 1;
      }
    }
    expect(index).toBe(150_000);
  });

  it('does not take for output what the engine says in between', () => {
    const said = frame({ stream: 'stdout', data: Buffer.from('Error grabbing logs') });
    said[0] = 3;
    const bytes = Buffer.concat([frame({ stream: 'stdout', data: Buffer.from('a') }), said, said]);
    expect(joined(new FrameSplitter().feed(bytes))).toEqual([{ stream: 'stdout', data: Buffer.from('a') }]);
  });

  it('reads no more from the engine than the consumer takes', async () => {
    const source = new PassThrough({ highWaterMark: 1024 });
    const chunk = frame({ stream: 'stdout', data: Buffer.alloc(1000) });
    while (source.write(chunk));
    const iterator = demultiplex(source);
    await iterator.next();
    expect(source.writableNeedDrain || source.readableLength > 0).toBe(true);
    await iterator.return(undefined);
  });
});

describe('an exec as a byte stream', () => {
  it('passes stdin through, gives stdout alone, reports stderr apart and ends with the program', async () => {
    const written: Buffer[] = [];
    const socket = new Duplex({
      read() {},
      write(data: Buffer, _encoding, done) {
        written.push(data);
        done();
      },
    });
    const errors: string[] = [];
    const duplex = execDuplex(socket, (data) => errors.push(data.toString()));
    duplex.write('to the program');
    socket.push(frame({ stream: 'stdout', data: Buffer.from('answer ') }));
    socket.push(frame({ stream: 'stderr', data: Buffer.from('oops') }));
    socket.push(frame({ stream: 'stdout', data: Buffer.from('goes on') }));
    socket.push(null);
    const answer: Buffer[] = [];
    for await (const data of duplex) answer.push(data as Buffer);
    expect(Buffer.concat(answer).toString()).toBe('answer goes on');
    expect(errors).toEqual(['oops']);
    expect(Buffer.concat(written).toString()).toBe('to the program');
  });
});
