/** Toolboxes that dialled in from their sandboxes; the coordinator's tool calls go to them. The newest of an attempt wins. */

import type { Duplex } from 'node:stream';
import { Caller } from '../session/caller.ts';
import { CallFault } from '../session/protocol.ts';
import type { Call } from '../session/serve.ts';

export class Toolboxes {
  readonly #callers = new Map<string, Caller>();

  /** @param connection carries frames from here on; the toolbox serves */
  add(attempt: string, connection: Duplex, revoked: AbortSignal): void {
    this.#callers.get(attempt)?.close();
    const caller = new Caller(connection);
    this.#callers.set(attempt, caller);
    const close = (): void => caller.close();
    revoked.addEventListener('abort', close, { once: true });
    void caller.closed.then(() => {
      revoked.removeEventListener('abort', close);
      if (this.#callers.get(attempt) === caller) this.#callers.delete(attempt);
    });
  }

  /** Passes a call on, streams both ways. @throws CallFault TOOLBOX_ABSENT, TOOLBOX_LOST in the middle, or the toolbox's own */
  async relay(
    attempt: string,
    request: { readonly method: string; readonly params: object },
    call: Call,
  ): Promise<void> {
    const caller = this.#callers.get(attempt);
    if (caller === undefined || caller.isClosed) {
      throw new CallFault('TOOLBOX_ABSENT', 'the sandbox has no toolbox connected');
    }
    const passed = caller.call(request.method, { ...request.params });
    const cancel = (): void => passed.cancel();
    call.signal.addEventListener('abort', cancel, { once: true });
    try {
      // A body that breaks off is the coordinator's going, which the signal tells.
      void passed.send(call.body).catch(cancel);
      await call.reply(await passed.result);
      for await (const chunk of passed.stream) await call.out.write(chunk);
    } catch (error) {
      cancel();
      if (error instanceof CallFault && error.code === 'SESSION_LOST') {
        throw new CallFault('TOOLBOX_LOST', 'the toolbox went away during the call');
      }
      throw error;
    } finally {
      call.signal.removeEventListener('abort', cancel);
    }
  }
}
