/** The way out of process 1: a session over the gateway's socket, which the coordinator calls tools on. Dialled for ever. */

import { once } from 'node:events';
import { request } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { type Handler, serve } from '../../session/serve.ts';
import type { ToolsConfig } from '../config.ts';

const HANDSHAKE_MS = 10_000;
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 5_000;

/** Serves `handlers` to whoever is behind the gateway, again and again, for ever. */
export async function serveGateway(
  { socket, token }: ToolsConfig,
  handlers: Readonly<Record<string, Handler>>,
): Promise<never> {
  let waitMs = FIRST_WAIT_MS;
  for (;;) {
    try {
      const connection = await dial(socket, token);
      waitMs = FIRST_WAIT_MS;
      await serve(connection, connection, handlers);
      connection.destroy();
    } catch {
      // The gateway is away or does not know us yet: whoever waits for us there sees it.
    }
    // Spread, so that the sandboxes of a run do not come back all at once.
    await wait(waitMs * (0.5 + Math.random() / 2));
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
  }
}

/** `GET /toolbox` with the token, upgraded to a session. */
async function dial(socketPath: string, token: string): Promise<Duplex> {
  const asked = request({
    socketPath,
    method: 'GET',
    path: '/toolbox',
    headers: {
      host: 'gateway',
      authorization: `Bearer ${token}`,
      connection: 'Upgrade',
      upgrade: 'orchestrate-session',
    },
    signal: AbortSignal.timeout(HANDSHAKE_MS),
  });
  asked.end();
  asked.once('response', (response) => {
    asked.destroy(new Error(`the gateway answers ${response.statusCode}`));
  });
  const [, connection, head] = (await once(asked, 'upgrade')) as [unknown, Duplex, Buffer];
  // A connection may report more than one error; the session ends with the first.
  connection.on('error', () => {});
  if (head.length > 0) connection.unshift(head);
  return connection;
}
