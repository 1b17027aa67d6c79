/** Two connections become one: bytes are passed on both ways with back-pressure, counted, until both have ended. */

import type { Duplex } from 'node:stream';

export interface TunnelBytes {
  readonly up: number;
  readonly down: number;
}

/** After one side's end: what the other still has to say comes soon, and a relayed one may not learn of the end. */
const HALF_OPEN_IDLE_MS = 30_000;

/**
 * Resolves when both are closed; never rejects. An end on one side is passed on to the other; an error, `idleMs` without a
 * byte (less once a side has ended), or the signal cuts both.
 */
export function tunnel(
  client: Duplex,
  upstream: Duplex,
  { idleMs, signal }: { readonly idleMs: number; readonly signal: AbortSignal },
): Promise<TunnelBytes> {
  return new Promise((resolve) => {
    let up = 0;
    let down = 0;
    const cut = () => {
      client.destroy();
      upstream.destroy();
    };
    let timer = setTimeout(cut, idleMs);
    const onEnd = () => {
      clearTimeout(timer);
      timer = setTimeout(cut, Math.min(idleMs, HALF_OPEN_IDLE_MS));
    };
    const settle = () => {
      if (!client.closed || !upstream.closed) return;
      clearTimeout(timer);
      signal.removeEventListener('abort', cut);
      resolve({ up, down });
    };
    const onClose = (closed: Duplex, other: Duplex) => {
      if (!closed.readableEnded) other.destroy();
      else if (!other.destroyed) {
        // What was passed on before still has to leave; nobody is there for what it says now.
        other.end();
        other.resume();
      }
      settle();
    };
    client
      .on('error', cut)
      .once('end', onEnd)
      .once('close', () => onClose(client, upstream));
    upstream
      .on('error', cut)
      .once('end', onEnd)
      .once('close', () => onClose(upstream, client));
    client.on('data', (chunk: Buffer) => {
      up += chunk.length;
      timer.refresh();
    });
    upstream.on('data', (chunk: Buffer) => {
      down += chunk.length;
      timer.refresh();
    });
    client.pipe(upstream);
    upstream.pipe(client);
    signal.addEventListener('abort', cut);
    if (signal.aborted || client.destroyed || upstream.destroyed) cut();
    settle();
  });
}
