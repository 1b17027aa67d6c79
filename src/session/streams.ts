/** The two ends of one credit-controlled byte stream: a slow reader holds up its own stream, never the session. */

import { MAX_CHUNK, ProtocolError, WINDOW } from './protocol.ts';

/** Credit is given back in pieces of this many bytes: a frame per chunk would double the traffic of small ones. */
const GRANT = WINDOW / 4;

/** The receiving end; to be read by one reader. Holds at most WINDOW bytes. */
export class Inbound implements AsyncIterable<Buffer> {
  readonly #grant: (bytes: number) => void;
  #chunks: Buffer[] = [];
  #held = 0;
  #toGrant = 0;
  #state: 'open' | 'ended' | Error = 'open';
  #wake: (() => void) | null = null;

  constructor(grant: (bytes: number) => void) {
    this.#grant = grant;
  }

  /** @throws ProtocolError when the sender sends more than it was granted */
  push(chunk: Buffer): void {
    if (this.#state === 'ended') throw new ProtocolError('a stream goes on after its end');
    if (this.#state !== 'open' || chunk.length === 0) return;
    this.#held += chunk.length;
    if (this.#held + this.#toGrant > WINDOW) throw new ProtocolError('a stream sends more than it was granted');
    this.#chunks.push(chunk);
    this.#notify();
  }

  end(): void {
    if (this.#state === 'open') this.#state = 'ended';
    this.#notify();
  }

  /** Drops what is held; the reader gets the error. */
  fail(error: Error): void {
    if (this.#state === 'open') this.#state = error;
    this.#chunks = [];
    this.#notify();
  }

  /** The next chunk, null at the end. */
  async next(): Promise<Buffer | null> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#held -= chunk.length;
        this.#toGrant += chunk.length;
        if (this.#toGrant >= GRANT && this.#state === 'open') {
          this.#grant(this.#toGrant);
          this.#toGrant = 0;
        }
        return chunk;
      }
      if (this.#state instanceof Error) throw this.#state;
      if (this.#state === 'ended') return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (let chunk = await this.next(); chunk !== null; chunk = await this.next()) yield chunk;
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

/** The sending end; to be written by one writer. */
export class Outbound {
  readonly #send: (chunk: Buffer) => Promise<void>;
  #credit = WINDOW;
  #error: Error | null = null;
  #wake: (() => void) | null = null;

  /** @param send resolves when the pipe takes more */
  constructor(send: (chunk: Buffer) => Promise<void>) {
    this.#send = send;
  }

  credit(bytes: number): void {
    this.#credit += bytes;
    this.#notify();
  }

  fail(error: Error): void {
    this.#error ??= error;
    this.#notify();
  }

  /** Resolves when all of it is on its way; rejects when the other side gave up. */
  async write(bytes: Buffer): Promise<void> {
    let at = 0;
    while (at < bytes.length) {
      if (this.#error !== null) throw this.#error;
      if (this.#credit === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const chunk = bytes.subarray(at, at + Math.min(MAX_CHUNK, this.#credit));
      this.#credit -= chunk.length;
      at += chunk.length;
      await this.#send(chunk);
    }
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

/** Reads exact amounts from a stream of chunks. */
export class ByteReader {
  readonly #source: { next(): Promise<Buffer | null> };
  #rest: Buffer = Buffer.alloc(0);
  /** Bytes of the last stream that were not read yet. */
  #left = 0;

  constructor(source: { next(): Promise<Buffer | null> }) {
    this.#source = source;
  }

  /** Exactly so many bytes, for small amounts; @throws ProtocolError when the stream ends before */
  async read(bytes: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.stream(bytes)) chunks.push(chunk);
    const [only] = chunks;
    return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
  }

  /** Exactly so many bytes, as they come. To be read to the end, or drained, before anything else is read. */
  stream(bytes: number): AsyncGenerator<Buffer, void, undefined> {
    this.#left = bytes;
    return this.#pieces();
  }

  /** Reads what is left of the last stream. */
  async drain(): Promise<void> {
    for await (const _ of this.#pieces());
  }

  async *#pieces(): AsyncGenerator<Buffer, void, undefined> {
    while (this.#left > 0) {
      if (this.#rest.length === 0) {
        const chunk = await this.#source.next();
        if (chunk === null) throw new ProtocolError('a stream ends in the middle');
        this.#rest = chunk;
      }
      const piece = this.#rest.subarray(0, this.#left);
      this.#rest = this.#rest.subarray(piece.length);
      this.#left -= piece.length;
      yield piece;
    }
  }

  async atEnd(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const chunk = await this.#source.next();
      if (chunk === null) return true;
      this.#rest = chunk;
    }
    return false;
  }
}
