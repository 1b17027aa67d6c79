// The keeper's wire: frames, streams with credits, sessions with many calls at once.
import { Duplex, PassThrough } from 'node:stream';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { Caller } from '../../src/session/caller.ts';
import {
  type Frame,
  FrameDecoder,
  frameHead,
  KIND,
  type Kind,
  MAX_CHUNK,
  MAX_FRAME,
  ProtocolError,
  WINDOW,
} from '../../src/session/protocol.ts';
import { type Handler, serve } from '../../src/session/serve.ts';

function encode({ id, kind, payload }: Frame): Buffer {
  return Buffer.concat([frameHead(id, kind, payload.length), payload]);
}

function connect(handlers: Readonly<Record<string, Handler>>) {
  const up = new PassThrough();
  const down = new PassThrough();
  const served = serve(up, down, handlers);
  const caller = new Caller(Duplex.from({ readable: down, writable: up }));
  return { caller, served, up, down };
}

const bytes = (size: number) => Buffer.alloc(size, 7);

describe('frames', () => {
  it('are the same whatever the chunks are that they come in', () => {
    const kinds: readonly Kind[] = Object.values(KIND);
    const frame = fc.record({
      id: fc.integer({ min: 0, max: 0xffffffff }),
      kind: fc.constantFrom(...kinds),
      payload: fc.uint8Array({ maxLength: 300 }).map((one) => Buffer.from(one)),
    });
    fc.assert(
      fc.property(fc.array(frame), fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (frames, sizes) => {
        const wire = Buffer.concat(frames.map(encode));
        const decoder = new FrameDecoder();
        const decoded: Frame[] = [];
        for (let at = 0, turn = 0; at < wire.length; turn += 1) {
          const size = sizes[turn % sizes.length] ?? 1;
          decoded.push(...decoder.push(wire.subarray(at, at + size)));
          at += size;
        }
        expect(decoded).toEqual(frames);
        expect(decoder.complete).toBe(true);
      }),
    );
  });

  it.each([
    ['too long', (head: Buffer) => head.writeUInt32BE(MAX_FRAME + 1, 0)],
    ['too short', (head: Buffer) => head.writeUInt32BE(4, 0)],
    ['of an unknown kind', (head: Buffer) => head.writeUInt8(99, 8)],
  ])('are refused when %s', (_, damage) => {
    const head = frameHead(1, KIND.data, 10);
    damage(head);
    expect(() => [
      ...new FrameDecoder().push(head),
      ...new FrameDecoder().push(Buffer.concat([head, bytes(10)])),
    ]).toThrow(ProtocolError);
  });

  it('that are too big are not sent', () => {
    expect(() => frameHead(1, KIND.data, MAX_FRAME)).toThrow(ProtocolError);
  });
});

describe('a session', () => {
  const echo: Handler = async ({ body, out, reply }) => {
    await reply({});
    for await (const chunk of body) await out.write(chunk);
  };

  /** Why `wait` was stopped, in this test. */
  const reasons: unknown[] = [];
  beforeEach(() => {
    reasons.length = 0;
  });
  const wait: Handler = async ({ signal, reply }) => {
    await reply({});
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => {
        reasons.push(signal.reason.code);
        resolve();
      });
    });
  };

  it('carries streams both ways beside other calls', async () => {
    const { caller } = connect({ echo, add: async ({ params }) => ({ sum: Number(params.a) + Number(params.b) }) });
    const size = 5 * WINDOW + 12_345;
    const call = caller.call('echo');
    const sent = call.send([bytes(size)]);
    const sums = await Promise.all([1, 2, 3].map((a) => caller.call('add', { a, b: 1 }).result));
    expect(sums).toEqual([{ sum: 2 }, { sum: 3 }, { sum: 4 }]);
    let received = 0;
    for await (const chunk of call.stream) {
      expect(chunk.length).toBeLessThanOrEqual(MAX_CHUNK);
      received += chunk.length;
    }
    await sent;
    expect(received).toBe(size);
  });

  it('goes on while one stream is not read, and holds no more of it than its window', async () => {
    let offered = 0;
    const endless: Handler = async ({ out, reply }) => {
      await reply({});
      for (;;) {
        await out.write(bytes(10_000));
        offered += 10_000;
      }
    };
    const { caller } = connect({ endless, echo });
    const stuck = caller.call('endless');
    await stuck.result;
    const other = caller.call('echo');
    const sent = other.send([bytes(4 * WINDOW)]);
    let received = 0;
    for await (const chunk of other.stream) received += chunk.length;
    await sent;
    expect(received).toBe(4 * WINDOW);
    expect(offered).toBeLessThanOrEqual(WINDOW);
    stuck.cancel();
    await expect(async () => {
      for await (const _ of stuck.stream);
    }).rejects.toMatchObject({ code: 'KEEPER_CANCELLED' });
  });

  it('holds up a sender whose stream is not read', async () => {
    let give = () => {};
    const given = new Promise<void>((resolve) => {
      give = resolve;
    });
    let taken = 0;
    const { caller } = connect({
      lazy: async ({ body }) => {
        await given;
        for await (const chunk of body) taken += chunk.length;
        return { taken };
      },
      ping: async () => ({}),
    });
    let drawn = 0;
    const source = function* () {
      for (; drawn < 100; drawn += 1) yield bytes(10_000);
    };
    const call = caller.call('lazy');
    const sent = call.send(source());
    await caller.call('ping').result;
    await caller.call('ping').result;
    expect(drawn * 10_000).toBeLessThanOrEqual(WINDOW + 10_000);
    give();
    await sent;
    expect(await call.result).toEqual({ taken: 1_000_000 });
  });

  it('passes on what a handler throws', async () => {
    const { caller } = connect({
      fail: async () => {
        throw new Error('no luck');
      },
    });
    await expect(caller.call('fail').result).rejects.toMatchObject({ code: 'SESSION_FAILED', message: 'no luck' });
    await expect(caller.call('constructor').result).rejects.toMatchObject({ code: 'KEEPER_BAD_CALL' });
  });

  it('passes on what goes wrong in a source', async () => {
    const { caller } = connect({ echo });
    const call = caller.call('echo');
    const source = async function* () {
      yield bytes(10);
      throw new Error('cut off');
    };
    await expect(call.send(source())).rejects.toThrow('cut off');
  });

  it.each([
    ['a malformed frame', Buffer.from('ffffffff0000000101', 'hex')],
    ['a call that is not JSON', encode({ id: 9, kind: KIND.call, payload: Buffer.from('{') })],
    ['a frame that only servers send', encode({ id: 9, kind: KIND.result, payload: Buffer.from('{}') })],
    [
      'more data than was granted',
      Buffer.concat([...Array(5)].map(() => encode({ id: 1, kind: KIND.data, payload: bytes(MAX_CHUNK) }))),
    ],
  ])('ends at %s, and its calls with it', async (_, wire) => {
    const { caller, served, up, down } = connect({ wait });
    const call = caller.call('wait');
    await call.result;
    up.write(wire);
    expect(await served).toBeInstanceOf(ProtocolError);
    expect(reasons).toEqual(['SESSION_LOST']);
    // The program ends then, and with it its output.
    down.end();
    await expect(call.stream.next()).rejects.toMatchObject({ code: 'SESSION_LOST' });
    await expect(caller.call('wait').result).rejects.toMatchObject({ code: 'SESSION_LOST' });
  });

  it('ends properly when the client closes it, and stops what is under way', async () => {
    const { caller, served, up } = connect({ wait });
    await caller.call('wait').result;
    up.end();
    expect(await served).toBeNull();
    expect(reasons).toEqual(['SESSION_LOST']);
  });
});
