/** The client side of a session: opens calls over a link and carries their streams. */

import type { Duplex } from 'node:stream';
import { Link } from './link.ts';
import { CallFault, creditPayload, type Frame, KIND, ProtocolError, parseCredit, parseJson } from './protocol.ts';
import { Inbound, Outbound } from './streams.ts';

type Json = Readonly<Record<string, unknown>>;

export interface OpenedCall {
  /** The answer; rejects with a CallFault. */
  readonly result: Promise<Json>;
  /** What the server streams to us; ends, or fails, when the call is over. */
  readonly stream: Inbound;
  /** Streams to the server; resolves when all is sent or the call is over. Rejects with the source's own error. */
  send(source: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<void>;
  /** Gives up; harmless when the call is over. */
  cancel(): void;
}

interface Waiting {
  readonly resolve: (result: Json) => void;
  readonly reject: (error: Error) => void;
  readonly stream: Inbound;
  readonly out: Outbound;
}

export class Caller {
  /** Resolves when the session is over. */
  readonly closed: Promise<void>;
  readonly #duplex: Duplex;
  readonly #link: Link;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  constructor(duplex: Duplex) {
    this.#duplex = duplex;
    this.#link = new Link(duplex, duplex, (frame) => this.#receive(frame));
    this.closed = this.#link.closed.then((reason) => this.#lost(reason));
  }

  get isClosed(): boolean {
    return this.#link.isClosed;
  }

  /** Calls are under way. */
  get isBusy(): boolean {
    return this.#waiting.size > 0;
  }

  call(method: string, params: Json = {}): OpenedCall {
    this.#lastId += 1;
    const id = this.#lastId;
    const link = this.#link;
    const stream = new Inbound((bytes) => void link.send(id, KIND.credit, creditPayload(bytes)));
    const out = new Outbound((chunk) => link.send(id, KIND.data, chunk));
    const result = new Promise<Json>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, stream, out });
    });
    // Whoever only reads the stream gets the error there.
    result.catch(() => {});
    if (link.isClosed) this.#close(id, lost(null));
    void link.send(id, KIND.call, Buffer.from(JSON.stringify({ method, params })));
    const send = async (source: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<void> => {
      for await (const chunk of source) {
        if (!this.#waiting.has(id)) return;
        // Rejects only when the call is over: its result tells why.
        await out.write(chunk).catch(() => {});
      }
      if (this.#waiting.has(id)) await link.send(id, KIND.end);
    };
    const cancel = (): void => {
      if (this.#waiting.has(id)) void link.send(id, KIND.cancel);
    };
    return { result, stream, send, cancel };
  }

  /** Ends the session; what is under way fails. */
  close(): void {
    this.#link.close(null);
    this.#duplex.end();
    this.#duplex.destroy();
  }

  #receive(frame: Frame): void {
    const call = this.#waiting.get(frame.id);
    if (call === undefined) throw new ProtocolError(`a frame for request ${frame.id}, which is not open`);
    switch (frame.kind) {
      case KIND.result:
        call.resolve(parseJson(frame.payload));
        return;
      case KIND.error:
        this.#close(frame.id, faultOf(parseJson(frame.payload)));
        return;
      case KIND.data:
        call.stream.push(frame.payload);
        return;
      case KIND.end:
        this.#close(frame.id, null);
        return;
      case KIND.credit:
        call.out.credit(parseCredit(frame.payload));
        return;
      default:
        throw new ProtocolError(`a server does not send frames of kind ${frame.kind}`);
    }
  }

  #close(id: number, error: Error | null): void {
    const call = this.#waiting.get(id);
    if (call === undefined) return;
    this.#waiting.delete(id);
    const over = error ?? new ProtocolError('the call is over');
    call.reject(over);
    call.out.fail(over);
    if (error === null) call.stream.end();
    else call.stream.fail(error);
  }

  #lost(reason: Error | null): void {
    for (const id of [...this.#waiting.keys()]) this.#close(id, lost(reason));
    this.#duplex.destroy();
  }
}

function lost(reason: Error | null): CallFault {
  return new CallFault('SESSION_LOST', `the session is over${reason === null ? '' : `: ${reason.message}`}`);
}

function faultOf(payload: Json): CallFault {
  const { code, message, detail } = payload;
  const details: Json = typeof detail === 'object' && detail !== null ? { ...detail } : {};
  return new CallFault(String(code), String(message), details);
}
