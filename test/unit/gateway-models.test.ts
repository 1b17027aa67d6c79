// Model requests through the gateway's real program, against scripted services: who is let in, what is passed on either way.
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AttemptAccess } from '../../src/gateway/protocol.ts';
import { access, closed, configuration, KEY, LocalGateway, MODEL, type Sent } from '../support/gateway.ts';
import { Gate } from '../support/model-server/gate.ts';
import type { Script } from '../support/model-server/script.ts';
import { ModelServer } from '../support/model-server/server.ts';

let gateway: LocalGateway;
let service: ModelServer;
let agent: AttemptAccess;

const HELLO: Script = () => ({ text: 'Hello.', usage: { input: 100, output: 20 } });

beforeAll(async () => {
  service = await ModelServer.start({ key: KEY, script: HELLO });
  gateway = await LocalGateway.start();
});

afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await service[Symbol.asyncDispose]();
});

let attempts = 0;
/** Lets a new attempt in, with the scripted service as it was in the beginning. */
async function newAgent(changes: Partial<AttemptAccess> = {}): Promise<AttemptAccess> {
  attempts += 1;
  const one = access(`task.${attempts}`, changes);
  await gateway.client.open(one);
  return one;
}

beforeAll(async () => {
  await gateway.client.configure(configuration(service.url));
  agent = await newAgent();
});

const QUESTION = { model: MODEL, max_tokens: 1000, messages: [{ role: 'user', content: 'Hi' }] };

function ask(sent: Sent = {}) {
  return gateway.ask({ token: agent.token, body: QUESTION, ...sent });
}

/** Where a service does what the scripted one never does. */
async function withService(listener: RequestListener, use: () => Promise<void>, prefix = ''): Promise<void> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    await gateway.client.configure(configuration(`http://127.0.0.1:${port}${prefix}`));
    await use();
  } finally {
    await gateway.client.configure(configuration(service.url));
    server.closeAllConnections();
    server.close();
  }
}

describe('a request with the token', () => {
  it('reaches the service byte for byte, with the key in its place', async () => {
    const body = Buffer.from(
      `{ "model" : "${MODEL}","max_tokens":1e3,"messages":[{"role":"user","content":"\\u0048i"}]  }`,
    );
    const reply = await ask({ path: '/v1/messages?beta=true', body });
    expect(reply.status).toBe(200);
    expect(JSON.parse(reply.body).content).toEqual([{ type: 'text', text: 'Hello.' }]);
    const received = service.requests.at(-1);
    expect(received?.raw).toEqual(body);
    expect(received?.path).toBe('/v1/messages?beta=true');
    expect(received?.headers['x-api-key']).toBe(KEY);
  });

  it('may carry it as Bearer, and reaches OpenAI as such', async () => {
    const headers = { authorization: `Bearer ${agent.token}` };
    const reply = await gateway.ask({ path: '/v1/responses', headers, body: { model: MODEL, input: 'Hi' } });
    expect(reply.status).toBe(200);
    expect(service.requests.at(-1)?.headers.authorization).toBe(`Bearer ${KEY}`);
    expect(service.requests.at(-1)?.headers['x-api-key']).toBeUndefined();
  });

  it('is rid of every header that the service does not need, and of the token', async () => {
    const dropped = {
      ...{ cookie: 'a=b', 'x-forwarded-for': '10.0.0.1', forwarded: 'for=10.0.0.1', te: 'trailers', trailer: 'x' },
      ...{ 'x-custom': 'y', origin: 'http://a', 'anthropic-organization-id': 'o', 'openai-organization': 'o' },
      ...{ 'proxy-authorization': 'Basic eDp5', 'accept-encoding': 'gzip', host: 'elsewhere.example' },
    };
    const kept = { 'anthropic-version': '2023-06-01', 'anthropic-beta': 'some-beta-1', accept: 'text/event-stream' };
    expect((await ask({ headers: { ...dropped, ...kept } })).status).toBe(200);
    const headers = service.requests.at(-1)?.headers ?? {};
    expect(headers).toMatchObject(kept);
    expect(headers.host).toBe(new URL(service.url).host);
    expect(headers['accept-encoding']).toBe('identity');
    const { host: _host, 'accept-encoding': _encoding, ...names } = dropped;
    for (const name of Object.keys(names)) expect(headers).not.toHaveProperty(name);
    expect(JSON.stringify(headers)).not.toContain(agent.token);
  });

  it('carries the betas that the key needs beside its own', async () => {
    const [anthropic, openai] = configuration(service.url).upstreams;
    if (anthropic === undefined || openai === undefined) throw new Error('no upstreams');
    await gateway.client.configure(
      configuration(service.url, { upstreams: [{ ...anthropic, betas: ['oauth-2025-04-20'] }, openai] }),
    );
    await ask({ headers: { 'anthropic-beta': 'one-1,two-2' } });
    await gateway.client.configure(configuration(service.url));
    expect(service.requests.at(-1)?.headers['anthropic-beta']).toBe('one-1,two-2,oauth-2025-04-20');
  });

  it('gets the stream piece by piece, while the service still speaks', async () => {
    const gate = new Gate();
    service.script = () => ({ text: ['one', 'two', 'three'], gate });
    const response = await gateway.begin({ token: agent.token, body: { ...QUESTION, stream: true } });
    expect(response.headers['content-type']).toMatch(/^text\/event-stream/);
    let seen = '';
    response.on('data', (chunk) => {
      seen += String(chunk);
    });
    const until = async (text: string) => {
      while (!seen.includes(text)) await once(response, 'data');
    };
    gate.release(3);
    await until('"one"');
    expect(seen).not.toContain('"two"');
    gate.release(1);
    await until('"two"');
    expect(seen).not.toContain('"three"');
    gate.open();
    await once(response, 'end');
    expect(seen).toContain('message_stop');
    service.script = HELLO;
  });

  it('goes on while the gateway is configured anew', async () => {
    const gate = new Gate();
    service.script = () => ({ text: ['one', 'two'], gate });
    const response = await gateway.begin({ token: agent.token, body: { ...QUESTION, stream: true } });
    await gateway.client.configure(configuration(service.url));
    gate.open();
    let text = '';
    for await (const chunk of response) text += String(chunk);
    expect(text).toContain('message_stop');
    service.script = HELLO;
  });

  it('is counted with what it used', async () => {
    const one = await newAgent();
    await ask({ token: one.token, body: { ...QUESTION, stream: true } });
    const usage = { inputTokens: 100, outputTokens: 20, cacheReadTokens: 0, cacheWriteTokens: 0 };
    const event = await gateway.event('usage', ({ attempt }) => attempt === one.attempt);
    expect(event).toMatchObject({ api: 'anthropic', model: MODEL, usage, total: usage });
    expect(event.usage.usd).toBeCloseTo((100 * 1 + 20 * 10) / 1e6, 12);
    const [totals] = (await gateway.client.totals()).filter(({ attempt }) => attempt === one.attempt);
    expect(totals).toMatchObject({ requests: 1, usage });
  });

  it('leaves a line of audit', async () => {
    const one = await newAgent();
    const reply = await ask({ token: one.token });
    const line = await gateway.event('audit', ({ attempt }) => attempt === one.attempt);
    expect(line).toMatchObject({ method: 'POST', path: '/v1/messages', status: 200, reason: null });
    expect(line.bytesOut).toBe(JSON.stringify(QUESTION).length);
    expect(line.bytesIn).toBe(reply.body.length);
    expect(line.host).toBe(new URL(service.url).host);
  });
});

describe('who has no right', () => {
  it.each([
    ['nothing', {}],
    ['a token that was never given', { 'x-api-key': 'f'.repeat(64) }],
    ['a key of their own', { 'x-api-key': 'sk-test-looks-real' }],
    ['the real key', { 'x-api-key': KEY }],
    ['an empty Bearer', { authorization: 'Bearer ' }],
  ])('is told so: %s', async (_, headers) => {
    const before = service.requests.length;
    const reply = await gateway.ask({ headers, body: QUESTION });
    expect(reply.status).toBe(401);
    expect(reply.headers['x-orchestrate-reason']).toBe('bad-token');
    expect(JSON.parse(reply.body)).toMatchObject({ type: 'error', error: { type: 'authentication_error' } });
    expect(service.requests.length).toBe(before);
  });

  it('is told apart from one whose attempt is over', async () => {
    const one = await newAgent();
    await ask({ token: one.token });
    await gateway.client.revoke(one.attempt);
    const reply = await ask({ token: one.token });
    expect([reply.status, reply.headers['x-orchestrate-reason']]).toEqual([401, 'revoked-token']);
  });

  it('is cut in the middle of an answer when the attempt is revoked', async () => {
    const one = await newAgent();
    const gate = new Gate();
    service.script = () => ({ text: ['one', 'two'], usage: { input: 100, output: 50 }, gate });
    const response = await gateway.begin({ token: one.token, body: { ...QUESTION, stream: true } });
    gate.release(2);
    await once(response, 'data');
    const over = closed(response);
    await gateway.client.revoke(one.attempt);
    await over;
    expect(response.complete).toBe(false);
    expect(await service.requests.at(-1)?.ended).toBe('left');
    service.script = HELLO;
  });

  it('cannot use an earlier token of an attempt that was opened anew', async () => {
    const one = await newAgent();
    await gateway.client.open({ ...one, token: 'e'.repeat(64) });
    expect((await ask({ token: one.token })).headers['x-orchestrate-reason']).toBe('revoked-token');
    expect((await ask({ token: 'e'.repeat(64) })).status).toBe(200);
  });

  it.each([
    ['GET', '/v1/models', 404],
    ['GET', '/v1/messages', 403],
    ['POST', '/v1/messages/batches', 404],
    ['POST', '/v1/files', 404],
    ['POST', '/v1/complete', 404],
    ['POST', '/v1/chat/completions', 404],
    ['POST', '/v1/messages?beta=true&x=1', 403],
    ['POST', '/v1/messages?beta=true?', 403],
    ['POST', '/v1/../v1/messages', 404],
    ['POST', '//v1/messages', 404],
    ['POST', '/v1/messages/', 404],
    ['POST', '/v1%2fmessages', 404],
    ['DELETE', '/v1/responses', 403],
    ['GET', '/toolbox', 404],
  ])('asks for another path in vain: %s %s', async (method, path, status) => {
    const before = service.requests.length;
    const reply = await ask({ method, path });
    expect([reply.status, reply.headers['x-orchestrate-reason']]).toEqual([status, 'path-not-allowed']);
    expect(service.requests.length).toBe(before);
  });

  it('asks for other models or services in vain', async () => {
    const one = await newAgent({ models: ['model-b'], apis: ['anthropic'] });
    const model = await ask({ token: one.token });
    expect([model.status, model.headers['x-orchestrate-reason']]).toEqual([403, 'model-not-allowed']);
    const api = await ask({ token: one.token, path: '/v1/responses' });
    expect([api.status, api.headers['x-orchestrate-reason']]).toEqual([403, 'api-not-allowed']);
    expect(JSON.parse(api.body)).toMatchObject({ error: { code: 'api-not-allowed' } });
    const denied = (await gateway.client.revoke(one.attempt)).denied.map(({ reason }) => reason);
    expect(denied).toEqual(['model-not-allowed', 'api-not-allowed']);
    expect(await gateway.event('denied', ({ attempt }) => attempt === one.attempt)).toMatchObject({ allowWith: null });
  });
});

it('answers a client that only asks whether anybody is there', async () => {
  expect((await gateway.ask({ method: 'HEAD', path: '/' })).status).toBe(200);
  expect((await gateway.ask({ method: 'GET', path: '/' })).status).toBe(200);
});

it.each([
  ['what is no JSON', '{"model":', 400, 'bad-request'],
  ['a key twice', `{"model":"${MODEL}","model":"model-b","max_tokens":1,"messages":[]}`, 400, 'bad-request'],
  ['no limit for its answer', `{"model":"${MODEL}","messages":[]}`, 400, 'bad-request'],
  [
    'a tool of the service',
    JSON.stringify({ ...QUESTION, tools: [{ type: 'web_search_20250305', name: 'x' }] }),
    403,
    'feature-not-allowed',
  ],
])('refuses %s before the service sees it', async (_, body, status, reason) => {
  const before = service.requests.length;
  const reply = await ask({ body: Buffer.from(body) });
  expect([reply.status, reply.headers['x-orchestrate-reason']]).toEqual([status, reason]);
  expect(reply.headers['x-should-retry']).toBe('false');
  expect(service.requests.length).toBe(before);
});

it('refuses a body that is too large, whether it says so or not', async () => {
  const body = Buffer.alloc((32 << 20) + 1, ' ');
  expect(await ask({ body })).toMatchObject({ status: 413, headers: { 'x-orchestrate-reason': 'too-large' } });
  const one = await ask({ body, headers: { 'transfer-encoding': 'chunked' } });
  expect(one.status).toBe(413);
});

describe("the service's answer", () => {
  it('loses what tells whose key it is', async () => {
    const secret = { 'set-cookie': 'a=b', 'anthropic-organization-id': 'org', 'openai-organization': 'org' };
    service.script = () => ({ text: 'Hello.', headers: { ...secret, 'request-id': 'req_1', server: 'x', via: 'y' } });
    const { headers } = await ask();
    service.script = HELLO;
    for (const name of [...Object.keys(secret), 'server', 'via']) expect(headers).not.toHaveProperty(name);
    expect(headers['request-id']).toBe('req_1');
  });

  it('that redirects is not followed', async () => {
    let asked = 0;
    await withService(
      (_request, response) => {
        asked += 1;
        response.writeHead(307, { location: `${service.url}/v1/messages` }).end();
      },
      async () => {
        const reply = await ask();
        expect([reply.status, reply.headers['x-orchestrate-reason']]).toEqual([502, 'upstream-answer']);
        expect(reply.headers.location).toBeUndefined();
        expect(asked).toBe(1);
      },
    );
  });

  it('that is an error of the request is passed on as it is', async () => {
    service.script = () => ({ status: 400, message: 'messages: too odd' });
    const reply = await ask();
    service.script = HELLO;
    expect(reply.status).toBe(400);
    expect(JSON.parse(reply.body).error.message).toBe('messages: too odd');
  });

  it('that quotes the key is rid of it', async () => {
    service.script = () => ({ status: 400, message: `what is ${KEY}, or ${Buffer.from(KEY).toString('base64')}?` });
    const reply = await ask();
    service.script = HELLO;
    expect(reply.status).toBe(400);
    expect(reply.body).not.toContain(KEY);
    expect(reply.body).not.toContain(Buffer.from(KEY).toString('base64'));
  });

  it.each([401, 403])(
    'that refuses our key (%i) is said aloud, and to the agent as nothing to try again',
    async (status) => {
      service.script = () => ({ status, message: `the key ${KEY} is bad` });
      const reply = await ask();
      service.script = HELLO;
      expect([reply.status, reply.headers['x-orchestrate-reason']]).toEqual([403, 'key-refused']);
      expect(reply.headers['x-should-retry']).toBe('false');
      expect(reply.body).not.toContain(KEY);
      expect((await gateway.event('key-refused', (event) => event.status === status)).message).not.toContain(KEY);
    },
  );

  it('that breaks off breaks off for the agent, and counts what was known', async () => {
    const one = await newAgent();
    const gate = new Gate();
    service.script = () => ({
      text: ['x'.repeat(400), 'y'.repeat(400)],
      usage: { input: 70, output: 900 },
      trouble: { afterEvents: 5, how: 'cut' },
      gate,
    });
    const response = await gateway.begin({ token: one.token, body: { ...QUESTION, stream: true } });
    gate.release(4);
    let seen = '';
    response.on('data', (chunk) => {
      seen += String(chunk);
    });
    while (!seen.includes('yyy')) await once(response, 'data');
    gate.open();
    await closed(response);
    service.script = HELLO;
    expect(response.complete).toBe(false);
    const { usage } = await gateway.event('usage', ({ attempt }) => attempt === one.attempt);
    expect(usage).toMatchObject({ inputTokens: 70, outputTokens: 200 });
  });

  it('that is packed is not passed on, since nobody could count it', async () => {
    await withService(
      (_request, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
      async () => expect((await ask()).headers['x-orchestrate-reason']).toBe('upstream-answer'),
    );
  });

  it('that does not come is an error that may be tried again', async () => {
    await gateway.client.configure(configuration('http://127.0.0.1:1'));
    const reply = await ask();
    await gateway.client.configure(configuration(service.url));
    expect([reply.status, reply.headers['x-orchestrate-reason']]).toEqual([502, 'upstream-unreachable']);
    expect(reply.headers['x-should-retry']).toBe('true');
  });
});

it('asks below the path of a base URL', async () => {
  const paths: (string | undefined)[] = [];
  await withService(
    (request, response) => {
      paths.push(request.url);
      response.writeHead(404).end();
    },
    async () => void (await ask()),
    '/prefix',
  );
  expect(paths).toEqual(['/prefix/v1/messages']);
});

it('counts nothing for a count of tokens', async () => {
  const one = await newAgent();
  await withService(
    (_request, response) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).end('{"input_tokens":7}'),
    async () => {
      const reply = await ask({
        token: one.token,
        path: '/v1/messages/count_tokens',
        body: { model: MODEL, messages: [] },
      });
      expect(reply.body).toBe('{"input_tokens":7}');
    },
  );
  expect(await gateway.client.revoke(one.attempt)).toMatchObject({ requests: 0, usage: { inputTokens: 0 } });
});
