// The server name of a TLS ClientHello, as the gateway reads it before it sends anything on.
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Hello, HelloReader, MAX_HELLO } from '../../src/gateway/client-hello.ts';
import { clientHello, inRecordsOf } from '../support/client-hellos.ts';

const NAME = 'registry.example.org';

const readHello = (bytes: Buffer): Hello => new HelloReader().push(bytes);

function inChunksOf(size: number, bytes: Buffer): Hello {
  const reader = new HelloReader();
  let read: Hello = { kind: 'more' };
  for (let at = 0; at < bytes.length && read.kind === 'more'; at += size)
    read = reader.push(bytes.subarray(at, at + size));
  return read;
}

describe('a ClientHello', () => {
  let hello: Buffer;
  beforeAll(async () => {
    hello = await clientHello(NAME);
  });

  it('names the server', () => {
    expect(readHello(hello)).toEqual({ kind: 'name', name: NAME });
  });

  it('is not whole until its last byte', () => {
    for (let length = 0; length < hello.length; length += 1) {
      expect(readHello(hello.subarray(0, length))).toEqual({ kind: 'more' });
    }
  });

  it('names the server however it is cut into records, and whatever follows', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.uint8Array({ maxLength: 50 }), (size, rest) => {
        const cut = inRecordsOf(size, hello);
        for (const chunk of [1, 2, 7, 100]) expect(inChunksOf(chunk, cut)).toEqual({ kind: 'name', name: NAME });
        expect(readHello(Buffer.concat([cut, rest]))).toEqual({ kind: 'name', name: NAME });
        expect(readHello(cut.subarray(0, -1))).toEqual({ kind: 'more' });
      }),
    );
  });

  it('without a server name names none', async () => {
    expect(readHello(await clientHello(null))).toEqual({ kind: 'none' });
  });

  it('with two server names names none', () => {
    const at = hello.indexOf(NAME) - 9;
    const extension = hello.subarray(at, at + 9 + NAME.length);
    const twice = Buffer.concat([hello.subarray(0, at), extension, hello.subarray(at)]);
    twice.writeUInt16BE(twice.length - 5, 3);
    twice.writeUIntBE(twice.length - 9, 6, 3);
    const extensions = extensionsAt(twice);
    twice.writeUInt16BE(twice.length - extensions - 2, extensions);
    expect(readHello(twice)).toEqual({ kind: 'none' });
  });

  it.each([
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
    ['SSH', Buffer.from('SSH-2.0-x\r\n')],
    ['an old hello', Buffer.from([0x80, 0x2e, 1, 3, 1])],
    ['a ServerHello', Buffer.from([22, 3, 3, 0, 4, 2, 0, 0, 0])],
    ['application data', Buffer.from([23, 3, 3, 0, 1, 0])],
    ['an empty record', Buffer.from([22, 3, 1, 0, 0])],
    ['a record that is too long', Buffer.from([22, 3, 1, 0xff, 0xff])],
    ['a hello that is too long', Buffer.from([22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff])],
    ['a hello of nothing', Buffer.from([22, 3, 1, 0, 4, 1, 0, 0, 0])],
  ])('is not %s', (_, bytes) => {
    expect(readHello(bytes)).toEqual({ kind: 'none' });
  });

  it('is not continued by a record of another kind', () => {
    const cut = inRecordsOf(100, hello);
    cut[105] = 23;
    expect(readHello(cut)).toEqual({ kind: 'none' });
  });

  it('that is damaged never makes trouble, and any name that is read was there', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(hello.length - 1), fc.nat(255)), { maxLength: 4 }), (damages) => {
        const damaged = Buffer.from(hello);
        for (const [at, byte] of damages) damaged[at] = byte;
        const read = readHello(damaged);
        if (read.kind === 'name') expect(damaged.includes(Buffer.from(read.name, 'latin1'))).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('does not go on for ever', () => {
    const message = Buffer.alloc(MAX_HELLO, 0xff);
    message.set([1, 0, 0x70, 0]);
    const endless = inRecordsOf(1, Buffer.concat([Buffer.alloc(5), message]));
    expect(readHello(endless).kind).toBe('none');
    expect(inChunksOf(1, endless).kind).toBe('none');
    expect(inChunksOf(1, endless.subarray(0, MAX_HELLO)).kind).toBe('more');
  });
});

/** Where the length of the extensions is: behind session id, cipher suites and compression methods. */
function extensionsAt(hello: Buffer): number {
  let at = 5 + 4 + 2 + 32;
  at += 1 + (hello[at] ?? 0);
  at += 2 + hello.readUInt16BE(at);
  return at + 1 + (hello[at] ?? 0);
}
