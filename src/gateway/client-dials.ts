/** Connections that the gateway wants of the coordinator: made here, carried by a call each. */

import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import type { Caller } from '../session/caller.ts';
import { jsonLines } from './client-lines.ts';
import { DialError } from './dial.ts';
import type { DialWanted } from './protocol.ts';

/** Makes a connection from here; what it rejects with is told to the gateway. */
export type DialFor = (wanted: Omit<DialWanted, 'id'>) => Promise<Duplex>;

/** Answers for as long as the session lasts. */
export function answerDials(caller: Caller, dial: DialFor): void {
  const over = new AbortController();
  void caller.closed.then(() => over.abort());
  void (async () => {
    for await (const wanted of jsonLines<DialWanted>(caller.call('dials'), over.signal))
      void answer(caller, dial, wanted);
  })().catch(() => {});
}

async function answer(caller: Caller, dial: DialFor, { id, ...target }: DialWanted): Promise<void> {
  let connection: Duplex;
  try {
    connection = await dial(target);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const code = error instanceof DialError ? error.code : 'upstream-unreachable';
    await caller.call('dialFailed', { id, code, message }).result.catch(() => {});
    return;
  }
  connection.on('error', () => {});
  const call = caller.call('dial', { id });
  // The gateway's end of a call that is over takes the connection with it, and the other way round.
  call.result.catch(() => connection.destroy());
  void call.send(connection).then(undefined, () => call.cancel());
  try {
    for await (const chunk of call.stream) {
      if (!connection.write(chunk)) await Promise.race([once(connection, 'drain'), once(connection, 'close')]);
    }
  } catch {
    // The session or the call is over.
  }
  connection.destroy();
}
