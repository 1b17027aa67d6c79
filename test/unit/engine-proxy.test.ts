// The socket that misbehaves on command, in front of an engine that is a plain HTTP server.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import Docker from 'dockerode';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { EngineProxy } from '../support/engine-proxy.ts';

let folder: string;
let engine: Server;
let proxy: EngineProxy;
let docker: Docker;
/** Requests that have reached the engine. */
let reached: string[];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'engine-proxy-'));
  reached = [];
  engine = createServer((request, response) => {
    reached.push(`${request.method} ${request.url}`);
    request.resume().on('end', () => response.setHeader('content-type', 'application/json').end('{"Id":"c"}'));
  });
  engine.on('upgrade', (_request, socket: Duplex) => {
    socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
    socket.pipe(socket);
  });
  const socket = path.join(folder, 'engine.sock');
  engine.listen(socket);
  await once(engine, 'listening');
  proxy = await EngineProxy.open(path.join(folder, 'proxy.sock'), socket);
  docker = new Docker({ socketPath: proxy.socket });
});
afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
  engine.closeAllConnections();
  engine.close();
  await rm(folder, { recursive: true, force: true });
});

it('tells what passes, one request after the other on the same connection', async () => {
  const seen: string[] = [];
  proxy.on({ method: 'POST', path: /^\/containers\/create/, at: 'request' }, (passing) => void seen.push(passing.path));
  for (const name of ['a', 'b']) await docker.createContainer({ name, Image: 'none' });
  await docker.info();
  expect(seen).toEqual(['/containers/create?name=a&Image=none', '/containers/create?name=b&Image=none']);
  expect(reached).toHaveLength(3);
});

it('carries a hijacked stream both ways, and its half-close', async () => {
  const stream = await docker.getExec('e').start({ hijack: true, stdin: true });
  stream.end('there and back');
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece as Buffer);
  expect(Buffer.concat(pieces).toString()).toContain('there and back');
});

it('closes before a request, or in place of its reply', async () => {
  const before = proxy.dieBefore('POST', /\/start$/);
  await expect(docker.getContainer('c').start()).rejects.toThrow(/hang up|ECONNRESET/);
  await before;
  expect(reached).toEqual([]);
  const after = proxy.loseReply('POST', /\/start$/);
  await expect(docker.getContainer('c').start()).rejects.toThrow(/hang up|ECONNRESET/);
  await after;
  expect(reached).toEqual(['POST /containers/c/start']);
  await docker.getContainer('c').start();
});

it('refuses until it passes again', async () => {
  await proxy.refuse();
  await expect(docker.ping()).rejects.toThrow('ECONNREFUSED');
  await proxy.pass();
  await docker.ping();
});

it('hangs with new requests while what is under way goes on', async () => {
  const stream = await docker.getExec('e').start({ hijack: true, stdin: true });
  proxy.hang();
  const pinged = docker.ping();
  stream.write('still here');
  await once(stream, 'data');
  expect(reached).toEqual([]);
  await proxy.pass();
  await pinged;
  stream.destroy();
});

it('freezes open streams, and lets them go on', async () => {
  const stream = await docker.getExec('e').start({ hijack: true, stdin: true });
  stream.write('now');
  await once(stream, 'data');
  proxy.freeze();
  stream.write('later');
  const echoed = once(stream, 'data');
  // What passes at once on another way has overtaken it.
  await new Docker({ socketPath: path.join(folder, 'engine.sock') }).ping();
  expect(await Promise.race([echoed, Promise.resolve('nothing')])).toBe('nothing');
  await proxy.pass();
  expect(String((await echoed)[0])).toBe('later');
  stream.destroy();
});

it('cuts whatever is connected', async () => {
  const stream = await docker.getExec('e').start({ hijack: true, stdin: true });
  const closed = once(stream.resume(), 'close');
  proxy.cut();
  await closed;
  await docker.ping();
});
