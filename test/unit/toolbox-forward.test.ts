import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { forwardPort } from '../../src/toolbox/forward.ts';

let folder: string;
let socket: string;
let port: number;
let gateway: Server | null = null;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'forward-'));
  socket = path.join(folder, 'gateway.sock');
  port = await freePort();
  await forwardPort({ port, socket });
});
afterEach(async () => {
  gateway?.close();
  gateway = null;
  await rm(folder, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function serve(act: (connection: Socket) => void): Promise<void> {
  gateway = createServer({ allowHalfOpen: true }, act).listen(socket);
  await once(gateway, 'listening');
}

/** How a connection to the port ends: what it said, or the error's code. */
async function ask(said: string): Promise<string> {
  const connection = connect({ host: '127.0.0.1', port });
  const failed = once(connection, 'error').then(([error]) => String(error.code));
  connection.end(said);
  return Promise.race([text(connection), failed]);
}

describe('a forwarded port', () => {
  it('waits its turn where the queue of the socket is full', async () => {
    // Listens, and accepts nothing until it is told to.
    const program = `
      const { createServer } = require('node:net');
      const server = createServer((connection) => connection.on('error', () => {}).pipe(connection));
      server.listen({ path: process.argv[1], backlog: 1 }, () => {
        require('node:fs').writeSync(1, 'listening');
        require('node:fs').readSync(0, Buffer.alloc(1));
      });`;
    const busy = spawn(process.execPath, ['-e', program, socket], { stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      await once(busy.stdout, 'data');
      const crowd = await Promise.all(
        Array.from({ length: 8 }, async () => {
          const one = connect({ path: socket });
          const failed = await once(one, 'connect').then(
            () => null,
            (error: NodeJS.ErrnoException) => error.code,
          );
          return { one, failed };
        }),
      );
      expect(crowd.map(({ failed }) => failed)).toContain('EAGAIN');
      const answer = ask('hello');
      expect(await Promise.race([answer, sleep(200, 'waits')])).toBe('waits');
      for (const { one } of crowd) one.destroy();
      busy.stdin.write('.');
      expect(await answer).toBe('hello');
    } finally {
      busy.kill('SIGKILL');
    }
  });

  it('carries bytes both ways, and each end by itself', async () => {
    await serve((connection) => {
      let asked = '';
      connection.setEncoding('utf8').on('data', (chunk) => {
        asked += chunk;
      });
      connection.once('end', () => connection.end(`you said ${asked}`));
    });
    expect(await ask('hello')).toBe('you said hello');
  });

  it('is reset where no gateway is, again and again, and works once there is one', async () => {
    expect(await ask('a')).toBe('ECONNRESET');
    expect(await ask('b')).toBe('ECONNRESET');
    await serve((connection) => void connection.end('here'));
    expect(await ask('c')).toBe('here');
  });

  it('outlives clients that reset their connection while the gateway answers', async () => {
    const ended: Promise<unknown>[] = [];
    await serve((connection) => {
      connection.on('error', () => {});
      ended.push(new Promise((resolve) => connection.once('close', resolve)));
      connection.resume();
      const more = (): void => {
        while (!connection.destroyed && connection.write(Buffer.alloc(65_536)));
      };
      connection.on('drain', more);
      more();
    });
    for (let n = 0; n < 5; n += 1) {
      const client = connect({ host: '127.0.0.1', port });
      await once(client, 'data');
      client.on('error', () => {});
      client.resetAndDestroy();
      await once(client, 'close');
    }
    await Promise.all(ended);
    expect(ended).toHaveLength(5);
  });

  it('is cut where the gateway breaks off', async () => {
    await serve((connection) => connection.destroy());
    expect(['ECONNRESET', '']).toContain(await ask('x'));
  });
});
