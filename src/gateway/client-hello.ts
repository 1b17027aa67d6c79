/** Reads the server name of a TLS ClientHello (RFC 8446 §4.1.2, RFC 6066 §3), before anything is sent on. Pure. */

/** Bytes that may come before the ClientHello is whole; key shares after quantum computers take two thousand. */
export const MAX_HELLO = 32 * 1024;

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const HOST_NAME = 0;
const MAX_RECORD = 1 << 14;
const RECORD_HEAD = 5;
const MESSAGE_HEAD = 4;

/**
 * `more`: the bytes so far are the beginning of a ClientHello. `name`: it is whole and names this server (as written; with
 * Encrypted ClientHello the outer name). `none`: it is no TLS, malformed, or names no server.
 */
export type Hello =
  | { readonly kind: 'more' }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'none' };

const MORE: Hello = { kind: 'more' };
const NONE: Hello = { kind: 'none' };

/** Takes the first bytes of a connection, however they are cut into chunks and records, until the answer is not `more`. */
export class HelloReader {
  readonly #parts: Buffer[] = [];
  #size = 0;
  #recordHead: Buffer = Buffer.alloc(0);
  /** Of the record that is being read. */
  #left = 0;
  #taken = 0;

  push(chunk: Buffer): Hello {
    this.#taken += chunk.length;
    for (let at = 0; at < chunk.length; ) {
      if (this.#left === 0) {
        const head = chunk.subarray(at, at + RECORD_HEAD - this.#recordHead.length);
        at += head.length;
        if (!this.#beginRecord(head)) return NONE;
      } else {
        const part = chunk.subarray(at, at + this.#left);
        at += part.length;
        this.#left -= part.length;
        this.#parts.push(part);
        this.#size += part.length;
        if (this.#parts[0]?.[0] !== CLIENT_HELLO || this.#messageSize() > MAX_HELLO) return NONE;
        if (this.#size >= this.#messageSize()) {
          return nameOf(Buffer.concat(this.#parts).subarray(MESSAGE_HEAD, this.#messageSize()));
        }
      }
    }
    return this.#taken > MAX_HELLO ? NONE : MORE;
  }

  /** Whether it may be the beginning of a handshake record. */
  #beginRecord(bytes: Buffer): boolean {
    const head = Buffer.concat([this.#recordHead, bytes]);
    this.#recordHead = head;
    if (head[0] !== HANDSHAKE || (head[1] ?? 3) !== 3) return false;
    if (head.length < RECORD_HEAD) return true;
    this.#recordHead = Buffer.alloc(0);
    this.#left = head.readUInt16BE(3);
    return this.#left > 0 && this.#left <= MAX_RECORD;
  }

  /** With its head; as much as is known so far. */
  #messageSize(): number {
    if (this.#size < MESSAGE_HEAD) return MESSAGE_HEAD;
    if ((this.#parts[0]?.length ?? 0) < MESSAGE_HEAD) this.#parts.splice(0, Infinity, Buffer.concat(this.#parts));
    return MESSAGE_HEAD + (this.#parts[0]?.readUIntBE(1, 3) ?? 0);
  }
}

function nameOf(body: Buffer): Hello {
  try {
    const name = serverName(new Fields(body));
    return name === null ? NONE : { kind: 'name', name };
  } catch {
    // A length that does not fit: out of range.
    return NONE;
  }
}

/** @throws RangeError when a length does not fit */
function serverName(hello: Fields): string | null {
  hello.take(2 + 32);
  hello.vector(1);
  hello.vector(2);
  hello.vector(1);
  const extensions = hello.vector(2);
  hello.mustEnd();
  let name: string | null = null;
  while (!extensions.atEnd) {
    const type = extensions.number(2);
    const data = extensions.vector(2);
    if (type !== SERVER_NAME) continue;
    if (name !== null) return null;
    const names = data.vector(2);
    data.mustEnd();
    if (names.number(1) !== HOST_NAME) return null;
    name = names.vector(2).rest().toString('latin1');
    names.mustEnd();
  }
  return name;
}

class Fields {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  take(length: number): Buffer {
    if (length > this.#bytes.length - this.#at) throw new RangeError('a field is too long');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  number(width: 1 | 2): number {
    return this.take(width).readUIntBE(0, width);
  }

  /** What follows a length of so many bytes. */
  vector(width: 1 | 2): Fields {
    return new Fields(this.take(this.number(width)));
  }

  rest(): Buffer {
    return this.take(this.#bytes.length - this.#at);
  }

  mustEnd(): void {
    if (!this.atEnd) throw new RangeError('a field is too short');
  }
}
