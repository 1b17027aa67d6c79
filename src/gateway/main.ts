/**
 * The gateway's program: `serve [<agents' socket> <control socket>]` lets agents and toolboxes in on the one and takes the
 * coordinator's orders on the other. Prints nothing but what ends it; keys and prompts pass through its memory only.
 */

import { chmod, mkdir, rm } from 'node:fs/promises';
import type { Server } from 'node:net';
import path from 'node:path';
import process from 'node:process';
import { createControlServer } from './control.ts';
import { Gateway } from './gateway.ts';
import { CONTROL_SOCKET, GATEWAY_SOCKET } from './protocol.ts';
import { createAgentsServer } from './server.ts';

const [command, agentsSocket = GATEWAY_SOCKET, controlSocket = CONTROL_SOCKET] = process.argv.slice(2);
if (command !== 'serve') {
  process.stderr.write("usage: main.js serve [<agents' socket> <control socket>]\n");
  process.exit(2);
}
process.on('uncaughtException', (error) => {
  // Its message may quote what an agent or a service sent: only where it happened is told.
  const places = (error.stack ?? '').split('\n').filter((line) => line.startsWith('    at '));
  process.stderr.write(`gateway: unexpected ${error.name}\n${places.join('\n')}\n`);
  process.exit(1);
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(0));

const gateway = new Gateway();
// The coordinator's last: once it is served, so are agents.
await listen(createAgentsServer(gateway), agentsSocket, 0o666);
await listen(createControlServer(gateway), controlSocket, 0o600);

/** A socket that an earlier gateway left is removed; connecting to this one takes the right to write to it. */
async function listen(server: Server, socket: string, mode: number): Promise<void> {
  await mkdir(path.dirname(socket), { recursive: true });
  await rm(socket, { force: true });
  process.umask(0o777 & ~mode);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socket, resolve);
  });
  await chmod(socket, mode);
}
