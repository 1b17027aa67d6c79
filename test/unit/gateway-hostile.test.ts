// An agent that attacks the gateway's socket: it gets nothing, and the others are served all the same.
import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import http from 'node:http';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AttemptAccess } from '../../src/gateway/protocol.ts';
import { access, configuration, KEY, LocalGateway, MODEL } from '../support/gateway.ts';
import { Gate } from '../support/model-server/gate.ts';
import { ModelServer } from '../support/model-server/server.ts';

let gateway: LocalGateway;
let service: ModelServer;
const hostile = access('hostile.1');
const other = access('other.1');

beforeAll(async () => {
  service = await ModelServer.start({
    key: KEY,
    script: () => ({ text: 'Hello.', usage: { input: 100, output: 20 } }),
  });
  gateway = await LocalGateway.start();
  await gateway.client.configure(configuration(service.url));
  await gateway.client.open(hostile);
  await gateway.client.open(other);
});

afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await service[Symbol.asyncDispose]();
});

const QUESTION = JSON.stringify({ model: MODEL, max_tokens: 10, messages: [{ role: 'user', content: 'Hi' }] });

/** One raw request; `headers` are lines. */
function request(headers: readonly string[], body = QUESTION, line = 'POST /v1/messages HTTP/1.1'): string {
  return requestAs(hostile, headers, body, line);
}

function requestAs(
  { token }: AttemptAccess,
  headers: readonly string[],
  body = QUESTION,
  line = 'POST /v1/messages HTTP/1.1',
) {
  return [line, 'host: a', `x-api-key: ${token}`, ...headers, '', body].join('\r\n');
}

const length = `content-length: ${QUESTION.length}`;

async function opened(): Promise<Socket> {
  const socket = connect(gateway.socket).on('error', () => {});
  await once(socket, 'connect');
  return socket.resume();
}

/** However it ends: what was not read when it was closed shows as a connection that was reset. */
async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}

async function expectServed(): Promise<void> {
  const reply = await gateway.ask({ token: other.token, body: JSON.parse(QUESTION) });
  expect(reply.status).toBe(200);
}

it('makes sockets that agents may write to, and only the coordinator to the other', async () => {
  const mode = async (...at: string[]) => (await stat(path.join(gateway.folder, ...at))).mode & 0o777;
  expect(await mode('a/gateway.sock')).toBe(0o666);
  expect(await mode('c/control.sock')).toBe(0o600);
});

describe('what could be read in two ways', () => {
  it.each<[string, string]>([
    ['two lengths', request([length, 'content-length: 5'])],
    ['the same length twice', request([length, length])],
    ['a length and chunks', request([length, 'transfer-encoding: chunked'], '0\r\n\r\n')],
    ['an unknown coding', request(['transfer-encoding: gzip, chunked'], '0\r\n\r\n')],
    ['a coding that only looks like chunks', request(['transfer-encoding: xchunked'], '0\r\n\r\n')],
    ['a folded header', request([`x-a: b\r\n c: d`, length])],
    ['a space before the colon', request([`content-length : ${QUESTION.length}`])],
    ['a bare line feed', request([length]).replace('host: a\r\n', 'host: a\n')],
    ['two tokens', request([length, `x-api-key: ${other.token}`])],
    ['two types', request([length, 'content-type: application/json', 'content-type: text/plain'])],
    ['a packed body', request([length, 'content-encoding: gzip'])],
    ['a negative length', request(['content-length: -1'])],
    ['a length with a sign', request([`content-length: +${QUESTION.length}`])],
    ['a NUL in a header', request([length, 'x-a: b\0c'])],
    ['no HTTP at all', 'hello\r\n\r\n'],
    ['another version', request([length], QUESTION, 'POST /v1/messages HTTP/3.0')],
  ])('is not passed on: %s', async (_, bytes) => {
    const before = service.requests.length;
    const answer = await gateway.raw(bytes.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n'));
    expect(answer).not.toContain('200 OK');
    await expectServed();
    expect(service.requests.slice(before).map(({ raw }) => raw.toString())).toEqual([QUESTION]);
  });

  it('is not made of one request that ends in another', async () => {
    const before = service.requests.length;
    const inner = request(['content-length: 2'], '{}', 'POST /v1/messages HTTP/1.1');
    await gateway.raw(request([`content-length: ${inner.length}`, 'connection: close'], inner));
    expect(service.requests.length).toBe(before);
  });
});

it('answers requests in one write one after the other', async () => {
  const before = service.requests.length;
  const answer = await gateway.raw(request([length]) + request([length, 'connection: close']));
  expect(answer.split('200 OK')).toHaveLength(3);
  expect(service.requests.length).toBe(before + 2);
});

it('does not take headers without end', async () => {
  const answer = await gateway.raw(request([`x-a: ${'b'.repeat(40_000)}`, length]));
  expect(answer).not.toContain('200 OK');
  await expectServed();
});

it('answers a client that waits to be told to go on', async () => {
  const reply = await new Promise<string>((resolve, reject) => {
    const asked = http.request({
      socketPath: gateway.socket,
      method: 'POST',
      path: '/v1/messages',
      headers: { 'x-api-key': hostile.token, expect: '100-continue', 'content-length': QUESTION.length },
    });
    asked.once('continue', () => asked.end(QUESTION));
    asked.once('response', (response) => resolve(text(response)));
    asked.once('error', reject);
    asked.flushHeaders();
  });
  expect(reply).toContain('Hello.');
});

it('sends no body of a request on when half of it is missing', async () => {
  const before = service.requests.length;
  const socket = await opened();
  socket.end(request(['content-length: 1000']));
  await closed(socket);
  expect(service.requests.length).toBe(before);
});

it('serves others while connections without a token are opened without end', async () => {
  const sockets = await Promise.all(Array.from({ length: 600 }, opened));
  await expectServed();
  const alive = async (): Promise<number> => {
    sockets.push(await opened());
    return sockets.filter((socket) => !socket.destroyed).length;
  };
  await expect.poll(alive, { interval: 20, timeout: 10_000 }).toBeLessThan(300);
  for (const socket of sockets) socket.destroy();
  await expectServed();
});

it('gives one attempt so many connections and no more, and others theirs', async () => {
  const many = access('many.1');
  await gateway.client.open(many);
  const gate = new Gate();
  service.script = async ({ headers }) => {
    if (headers['user-agent'] === 'many') await gate.pass();
    return { text: 'Hello.' };
  };
  const statuses: string[] = [];
  const sockets = await Promise.all(
    Array.from({ length: 140 }, async () => {
      const socket = await opened();
      socket.on('data', (chunk) => statuses.push(String(chunk).slice(9, 12)));
      socket.write(requestAs(many, [length, 'user-agent: many']));
      return socket;
    }),
  );
  await gate.arrived(128);
  await expectServed();
  await expect.poll(() => statuses.length, { interval: 5 }).toBe(12);
  expect(statuses).toEqual(Array(12).fill('503'));
  for (const socket of sockets) socket.destroy();
  gate.open();
});

it("does not hold more of one attempt's bodies than it may have", async () => {
  const large = access('large.1');
  await gateway.client.open(large);
  const gate = new Gate();
  service.script = async ({ raw }) => {
    if (raw.length > 1000) await gate.pass();
    return { text: 'Hello.' };
  };
  const content = 'x'.repeat(20 << 20);
  const body = { model: MODEL, max_tokens: 10, messages: [{ role: 'user', content }] };
  const asked = [1, 2, 3].map(() => gateway.ask({ token: large.token, body }));
  // Awaited below; a failure meanwhile must not count as unhandled.
  for (const reply of asked) reply.catch(() => {});
  await gate.arrived(3);
  const refused = await gateway.begin({ token: large.token, body });
  // What it says beside is lost where the connection is cut off below the rest of the body.
  refused.on('error', () => {}).resume();
  expect([refused.statusCode, refused.headers['x-orchestrate-reason']]).toEqual([503, 'too-many']);
  await expectServed();
  gate.open();
  for (const reply of asked) expect((await reply).status).toBe(200);
  expect((await gateway.ask({ token: large.token, body })).status).toBe(200);
});

it('closes a connection whose headers never end, and one that never begins', async () => {
  const slow = await opened();
  slow.write('POST /v1/messages HTTP/1.1\r\nhost: a\r\n');
  const silent = await opened();
  await Promise.all([closed(slow), closed(silent)]);
  await expectServed();
});

it.each([
  ['CONNECT', 'CONNECT example.org:443 HTTP/1.1'],
  ['an absolute form', 'GET http://example.org/ HTTP/1.1'],
])('asks who wants to use the forward proxy: %s', async (_, line) => {
  const answer = await gateway.raw(`${line}\r\nhost: example.org\r\nconnection: close\r\n\r\n`);
  expect(answer).toMatch(/^HTTP\/1.1 407 /);
  expect(answer).toMatch(/proxy-authenticate: Basic/i);
  const basic = Buffer.from(`any:${hostile.token}`).toString('base64');
  const known = await gateway.raw(
    `${line}\r\nhost: example.org\r\nproxy-authorization: Basic ${basic}\r\nconnection: close\r\n\r\n`,
  );
  expect(known).toMatch(/^HTTP\/1.1 403 /);
  expect(known).toMatch(/x-orchestrate-reason: host-not-allowed/);
});

it('keeps the events that matter when an agent makes audit lines without end', async () => {
  const marked = access('marked.1');
  await gateway.client.open(marked);
  await gateway.ask({ token: marked.token, body: JSON.parse(QUESTION) });
  const flood = Array.from({ length: 5000 }, () => request(['content-length: 0'], '', 'POST /v1/nothing HTTP/1.1'));
  await gateway.raw(...flood, request([length, 'connection: close'], QUESTION));
  const late = gateway.newClient();
  const abort = new AbortController();
  let found = false;
  for await (const event of late.events(0, abort.signal)) {
    found ||= event.type === 'usage' && event.attempt === marked.attempt;
    if (found) abort.abort();
  }
  expect(found).toBe(true);
  await late[Symbol.asyncDispose]();
});

it('never tells the key: not to agents, not in events, not in what the program leaves in the process list', async () => {
  const everything = JSON.stringify([gateway.events, await gateway.client.totals()]);
  expect(everything).not.toContain(KEY);
  const pid = gateway.child.pid ?? 0;
  for (const file of ['cmdline', 'environ']) {
    expect(await readFile(`/proc/${pid}/${file}`, 'utf8')).not.toContain(KEY);
  }
});
