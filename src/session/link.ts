/** Frames over a pair of byte pipes; both ends of a session are one of these. */

import type { Readable, Writable } from 'node:stream';
import { type Frame, FrameDecoder, frameHead, type Kind, ProtocolError } from './protocol.ts';

const NOTHING = Buffer.alloc(0);

export class Link {
  /** Resolves once: null when the other side ended the session between two frames, else why it is over. */
  readonly closed: Promise<Error | null>;
  readonly #output: Writable;
  #settle: (reason: Error | null) => void = () => {};
  #over: { readonly reason: Error | null } | null = null;
  #drained: Promise<void> | null = null;

  /** `receive` may throw a ProtocolError: the session is over then. */
  constructor(input: Readable, output: Writable, receive: (frame: Frame) => void) {
    this.#output = output;
    this.closed = new Promise((resolve) => {
      this.#settle = resolve;
    });
    const decoder = new FrameDecoder();
    input.on('data', (chunk: Buffer) => {
      if (this.#over !== null) return;
      try {
        for (const frame of decoder.push(chunk)) receive(frame);
      } catch (error) {
        this.close(error instanceof Error ? error : new ProtocolError(String(error)));
      }
    });
    input.once('end', () =>
      this.close(decoder.complete ? null : new ProtocolError('the session ended in the middle of a frame')),
    );
    input.once('close', () => this.close(null));
    input.once('error', (error) => this.close(error));
    if (!Object.is(input, output)) output.once('close', () => this.close(null));
    output.once('error', (error) => this.close(error));
  }

  get isClosed(): boolean {
    return this.#over !== null;
  }

  /** Resolves when the pipe takes more (at once, mostly) or the session is over; never rejects. */
  async send(id: number, kind: Kind, payload: Buffer = NOTHING): Promise<void> {
    if (this.#over !== null) return;
    const head = frameHead(id, kind, payload.length);
    this.#output.cork();
    this.#output.write(head);
    const more = payload.length === 0 ? !this.#output.writableNeedDrain : this.#output.write(payload);
    process.nextTick(() => this.#output.uncork());
    if (more) return;
    this.#drained ??= this.#drain();
    await this.#drained;
  }

  close(reason: Error | null): void {
    if (this.#over !== null) return;
    this.#over = { reason };
    this.#settle(reason);
  }

  async #drain(): Promise<void> {
    const drained = new Promise<void>((resolve) => {
      this.#output.once('drain', resolve);
    });
    await Promise.race([drained, this.closed]);
    this.#drained = null;
  }
}
