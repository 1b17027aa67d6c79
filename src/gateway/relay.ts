/** Connections that the coordinator makes for the gateway: asked for on one call, handed over on another. */

import type { Duplex } from 'node:stream';
import { CallFault } from '../session/protocol.ts';
import type { Call } from '../session/serve.ts';
import { duplexOver } from './duplex.ts';
import { LIMITS } from './limits.ts';
import type { DialWanted } from './protocol.ts';

type Target = Omit<DialWanted, 'id'>;

interface Pending {
  readonly resolve: (connection: Duplex) => void;
  readonly reject: (error: Error) => void;
}

/** No coordinator is there to make connections. */
export class NoRelay extends Error {
  override readonly name = 'NoRelay';

  constructor() {
    super('the coordinator is away');
  }
}

export class Relay {
  readonly #pending = new Map<number, Pending>();
  #listener: ((wanted: DialWanted) => void) | null = null;
  #lastId = 0;

  /** @throws NoRelay where no coordinator listens, or it goes; what it says went wrong; the signal's reason */
  async connect(target: Target, signal: AbortSignal): Promise<Duplex> {
    const listener = this.#listener;
    if (listener === null) throw new NoRelay();
    this.#lastId += 1;
    const id = this.#lastId;
    const either = AbortSignal.any([signal, AbortSignal.timeout(LIMITS.dialTime)]);
    try {
      return await new Promise<Duplex>((resolve, reject) => {
        this.#pending.set(id, { resolve, reject });
        either.addEventListener('abort', () => reject(either.reason), { once: true });
        listener({ id, ...target });
      });
    } finally {
      this.#pending.delete(id);
    }
  }

  /** Streams what is wanted as JSON Lines until the call ends; a later one takes over. */
  async listen(call: Call): Promise<void> {
    const queue: DialWanted[] = [];
    let wake = (): void => {};
    const listener = (wanted: DialWanted): void => {
      queue.push(wanted);
      wake();
    };
    this.#listener = listener;
    call.signal.addEventListener('abort', () => wake(), { once: true });
    await call.reply({});
    try {
      while (!call.signal.aborted) {
        const wanted = queue.shift();
        if (wanted !== undefined) await call.out.write(Buffer.from(`${JSON.stringify(wanted)}\n`));
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      if (this.#listener === listener) {
        this.#listener = null;
        for (const { reject } of this.#pending.values()) reject(new NoRelay());
      }
    }
  }

  /** The call's streams are the connection; ends with it. */
  async accept(id: number, call: Call): Promise<void> {
    const pending = this.#pending.get(id);
    if (pending === undefined) throw new CallFault('DIAL_LATE', 'nobody waits for this connection any more');
    await call.reply({});
    await new Promise<void>((resolve) => {
      const connection = duplexOver({
        read: () => call.body.next(),
        write: (chunk) => call.out.write(chunk),
        // Half a connection cannot be told here: the protocols above end by their own means.
        end: () => {},
        close: resolve,
      });
      pending.resolve(connection);
    });
  }

  fail(id: number, error: Error): void {
    this.#pending.get(id)?.reject(error);
  }
}
