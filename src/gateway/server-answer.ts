/** Between Node's HTTP server and what answers: bodies, headers, refusals. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ModelApi } from '../types.ts';
import type { Sink } from './exchange.ts';
import { LIMITS } from './limits.ts';
import { Refusal, refusalBody, refusalHeaders } from './refusal.ts';

/** Lower-case names; of several with one name the last. */
export function headersOf(request: IncomingMessage): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
}

/** Whoever stops reading it leaves the connection open, for an answer. */
export async function* bodyOf(request: IncomingMessage): AsyncGenerator<Buffer> {
  for await (const chunk of request.iterator({ destroyOnReturn: false })) yield chunk as Buffer;
}

/** Reads what is left of a body that nobody wants: a client that still sends would not see its answer. */
function discardBody(request: IncomingMessage): void {
  let left: number = LIMITS.bodyBytes;
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) request.destroy();
  });
  request.resume();
}

/** Fires when the client is gone before its answer is complete. */
export function goneSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(new Error('the client is gone'));
  });
  return gone.signal;
}

export function responseSink(response: ServerResponse): Sink {
  return {
    head: (status, headers) => {
      response.writeHead(status, { ...headers, 'cache-control': 'no-store' });
      // The head tells the client that its stream has begun, before there is anything in it.
      response.flushHeaders();
    },
    write: async (chunk) => {
      if (response.write(chunk) || response.destroyed) return;
      await new Promise<void>((resolve) => {
        const done = (): void => {
          response.off('drain', done).off('close', done);
          resolve();
        };
        response.once('drain', done).once('close', done);
      });
    },
  };
}

/** The refusal as an answer; whatever else went wrong, or comes too late for one, cuts the connection. */
export function refuse(response: ServerResponse, error: unknown, api: ModelApi | null): void {
  if (!(error instanceof Refusal) || response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const body = refusalBody(api, error);
  response.writeHead(error.status, { ...refusalHeaders(error), 'content-length': body.length });
  response.end(body);
  discardBody(response.req);
}

/** The same on a bare connection, which ends with it. */
export function refuseRaw(socket: Duplex, error: unknown, challenge: Readonly<Record<string, string>> = {}): void {
  if (!(error instanceof Refusal)) {
    socket.destroy();
    return;
  }
  const body = refusalBody(null, error);
  const headers = {
    ...refusalHeaders(error),
    ...(error.status === 407 ? challenge : {}),
    connection: 'close',
    'content-length': String(body.length),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(Buffer.concat([Buffer.from(`HTTP/1.1 ${error.status} Refused\r\n${lines.join('')}\r\n`), body]));
}
