/** Forwards a port of the sandbox's loopback to the gateway's Unix socket, one connection for each. */

import { connect, createServer, type Socket } from 'node:net';

export interface Forward {
  readonly port: number;
  /** Path of the gateway's socket. */
  readonly socket: string;
}

const RETRY_MS = 20;
/** A queue that stays full for that long is not waited for. */
const PATIENCE_MS = 30_000;

/**
 * Resolves when the port listens. The gateway may come and go: each connection finds it or is reset; one that it has no
 * time for (others crowd at its door) waits its turn. Connections hold no bytes back: a slow end holds up the other one.
 */
export function forwardPort({ port, socket }: Forward): Promise<void> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (inside) => {
    inside.on('error', () => inside.destroy());
    forward(inside, socket, performance.now() + PATIENCE_MS);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      // Too many open files, mostly: that connection fails, the next may not.
      server.on('error', () => {});
      resolve();
    });
  });
}

function forward(inside: Socket, path: string, until: number): void {
  if (inside.destroyed) return;
  const outside = connect({ path, allowHalfOpen: true });
  const refused = (error: NodeJS.ErrnoException): void => {
    // Unlike TCP, a Unix socket whose queue is full says so at once.
    if (error.code === 'EAGAIN' && performance.now() < until) setTimeout(() => forward(inside, path, until), RETRY_MS);
    else inside.resetAndDestroy();
  };
  outside.once('error', refused);
  outside.once('connect', () => {
    outside.off('error', refused);
    if (inside.destroyed) return void outside.destroy();
    // A Unix socket cannot be reset, only closed.
    join(inside, outside, () => outside.destroy());
    join(outside, inside, () => inside.resetAndDestroy());
  });
}

function join(from: Socket, to: Socket, cut: () => void): void {
  from.on('error', cut);
  from.on('close', () => to.destroySoon());
  from.pipe(to);
}
