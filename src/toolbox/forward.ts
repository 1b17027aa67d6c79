/** Forwards a port of the sandbox's loopback to the gateway's Unix socket, one connection for each. */

import { connect, createServer, type Socket } from 'node:net';

export interface Forward {
  readonly port: number;
  /** Path of the gateway's socket. */
  readonly socket: string;
}

/**
 * Resolves when the port listens. The gateway may come and go: each connection finds it or is reset.
 * Connections hold no bytes back: a slow end holds up the other one.
 */
export function forwardPort({ port, socket }: Forward): Promise<void> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (inside) => {
    const outside = connect({ path: socket, allowHalfOpen: true });
    // A Unix socket cannot be reset, only closed.
    join(inside, outside, () => outside.destroy());
    join(outside, inside, () => inside.resetAndDestroy());
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

function join(from: Socket, to: Socket, cut: () => void): void {
  from.on('error', cut);
  from.on('close', () => to.destroySoon());
  from.pipe(to);
}
