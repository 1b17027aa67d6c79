import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Docker from 'dockerode';
import { expect, it } from 'vitest';
import { healthOf } from '../../src/sandbox/docker/calls.ts';

it('a program that the engine does not start leaves no connection that keeps the process alive', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'refused-exec-'));
  const engine = createServer();
  // An engine answers a request to upgrade as any other where it cannot do what is asked.
  engine.on('upgrade', (_request, socket: Socket) => {
    socket.write('HTTP/1.1 500 Internal Server Error\r\nContent-Length: 26\r\n\r\n{"message":"not running"} ');
    socket.resume().on('end', () => socket.end());
  });
  engine.listen(path.join(folder, 'engine.sock'));
  await once(engine, 'listening');
  const connected = once(engine, 'connection') as Promise<[Socket]>;
  try {
    const docker = new Docker({ socketPath: path.join(folder, 'engine.sock') });
    healthOf(docker);
    const starting = docker.getExec('e').start({ hijack: true, stdin: true });
    const [connection] = await connected;
    const closed = once(connection, 'close');
    await expect(starting).rejects.toMatchObject({ statusCode: 500 });
    await closed;
  } finally {
    engine.close();
    await rm(folder, { recursive: true });
  }
});
