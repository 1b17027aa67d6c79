/**
 * What the coordinator starts by an exec into the gateway's container: `bridge.js [<control socket>]` joins its standard
 * input and output to the socket. Ends when either side does, so that the gateway sees at once that its coordinator is gone.
 */

import { connect } from 'node:net';
import process from 'node:process';
import { CONTROL_SOCKET } from './protocol.ts';

/** A gateway that was just started may not listen yet. */
const PATIENCE_MS = 10_000;
const AGAIN_MS = 20;

const giveUpAt = Date.now() + PATIENCE_MS;
process.stdout.once('error', () => process.exit(1));
process.stdin.once('error', () => process.exit(1));
join(process.argv[2] ?? CONTROL_SOCKET);

function join(path: string): void {
  const socket = connect(path);
  const notYet = (error: Error): void => {
    if (Date.now() < giveUpAt) {
      setTimeout(() => join(path), AGAIN_MS);
      return;
    }
    process.stderr.write(`gateway bridge: ${error.message}\n`);
    process.exit(1);
  };
  socket.once('error', notYet);
  socket.once('connect', () => {
    socket.off('error', notYet);
    socket.on('error', () => {});
    socket.once('close', () => process.exit(0));
    process.stdin.pipe(socket);
    socket.pipe(process.stdout);
  });
}
