/** The server side of a session: takes calls from a link, runs their handlers side by side, carries their streams. */

import type { Readable, Writable } from 'node:stream';
import { Link } from './link.ts';
import { CallFault, creditPayload, type Frame, KIND, ProtocolError, parseCredit, parseJson } from './protocol.ts';
import { Inbound, Outbound } from './streams.ts';

/** One call as its handler sees it. */
export interface Call {
  readonly params: Readonly<Record<string, unknown>>;
  /** What the client streams to us; may be left unread. */
  readonly body: Inbound;
  /** What we stream to the client, after `reply`. */
  readonly out: Pick<Outbound, 'write'>;
  /** Fires when the client gives up or is gone. */
  readonly signal: AbortSignal;
  /** Answers before the handler ends, so that a stream may follow. */
  reply(result: Readonly<Record<string, unknown>>): Promise<void>;
}

/** An object that it returns is the answer, unless it replied itself. What it throws is the client's error. */
export type Handler = (call: Call) => Promise<unknown>;

interface OpenCall {
  readonly body: Inbound;
  readonly out: Outbound;
  readonly aborter: AbortController;
}

/**
 * Serves until the client ends the session.
 * @returns null when it ended properly, else what was wrong with the link
 */
export async function serve(
  input: Readable,
  output: Writable,
  handlers: Readonly<Record<string, Handler>>,
): Promise<Error | null> {
  const session = new Session(input, output, handlers);
  return session.ended();
}

class Session {
  readonly #link: Link;
  readonly #handlers: Readonly<Record<string, Handler>>;
  readonly #calls = new Map<number, OpenCall>();

  constructor(input: Readable, output: Writable, handlers: Readonly<Record<string, Handler>>) {
    this.#handlers = handlers;
    this.#link = new Link(input, output, (frame) => this.#receive(frame));
  }

  async ended(): Promise<Error | null> {
    const reason = await this.#link.closed;
    for (const call of this.#calls.values()) abort(call, new CallFault('SESSION_LOST', 'the client is gone'));
    return reason;
  }

  #receive(frame: Frame): void {
    const call = this.#calls.get(frame.id);
    switch (frame.kind) {
      case KIND.call:
        if (call !== undefined) throw new ProtocolError(`request ${frame.id} was opened twice`);
        void this.#serve(frame.id, parseJson(frame.payload));
        return;
      // A request that just closed may still be talked to: these frames were on their way.
      case KIND.data:
        call?.body.push(frame.payload);
        return;
      case KIND.end:
        call?.body.end();
        return;
      case KIND.credit:
        call?.out.credit(parseCredit(frame.payload));
        return;
      case KIND.cancel:
        if (call !== undefined) abort(call, new CallFault('KEEPER_CANCELLED', 'the client gave up'));
        return;
      default:
        throw new ProtocolError(`a client does not send frames of kind ${frame.kind}`);
    }
  }

  async #serve(id: number, request: Readonly<Record<string, unknown>>): Promise<void> {
    const link = this.#link;
    const body = new Inbound((bytes) => void link.send(id, KIND.credit, creditPayload(bytes)));
    const out = new Outbound((chunk) => link.send(id, KIND.data, chunk));
    const aborter = new AbortController();
    this.#calls.set(id, { body, out, aborter });
    let replied = false;
    const reply = async (result: Readonly<Record<string, unknown>>) => {
      replied = true;
      await link.send(id, KIND.result, Buffer.from(JSON.stringify(result)));
    };
    try {
      const result = await this.#handler(request)({
        params: asObject(request.params),
        body,
        out,
        signal: aborter.signal,
        reply,
      });
      if (!replied) await reply(asObject(result));
      this.#calls.delete(id);
      await link.send(id, KIND.end);
    } catch (error) {
      this.#calls.delete(id);
      await link.send(id, KIND.error, errorPayload(aborter.signal.aborted ? aborter.signal.reason : error));
    }
  }

  #handler(request: Readonly<Record<string, unknown>>): Handler {
    const { method } = request;
    const handler = typeof method === 'string' && Object.hasOwn(this.#handlers, method) && this.#handlers[method];
    if (handler) return handler;
    throw new CallFault('KEEPER_BAD_CALL', `there is no method ${JSON.stringify(method)}`);
  }
}

function abort(call: OpenCall, reason: CallFault): void {
  call.aborter.abort(reason);
  call.body.fail(reason);
  call.out.fail(reason);
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

/** Errors of ours keep their code; anything else is a fault of the server or of its machine. */
function errorPayload(error: unknown): Buffer {
  const known = error instanceof CallFault;
  const message = error instanceof Error ? error.message : String(error);
  const code = known ? error.code : 'SESSION_FAILED';
  const detail = known ? error.detail : {};
  return Buffer.from(JSON.stringify({ code, message: message.slice(0, 10_000), detail }));
}
