// The coordinator's side of the gateway: sessions that break, connections that it makes, agents that think on its side, toolboxes.

import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';
import Anthropic from '@anthropic-ai/sdk';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AttemptAccess, Configuration, GatewayEvent } from '../../src/gateway/protocol.ts';
import { CallFault } from '../../src/session/protocol.ts';
import { type Handler, serve } from '../../src/session/serve.ts';
import { makeCertificate } from '../support/certificates.ts';
import { access, closed, configuration, KEY, LocalGateway, MODEL } from '../support/gateway.ts';
import { Gate } from '../support/model-server/gate.ts';
import { ModelServer } from '../support/model-server/server.ts';

let gateway: LocalGateway;
let service: ModelServer;
let agent: AttemptAccess;

beforeEach(async () => {
  service = await ModelServer.start({
    key: KEY,
    script: () => ({ text: 'Hello.', usage: { input: 100, output: 20 } }),
  });
  gateway = await LocalGateway.start();
  await gateway.client.configure(configuration(service.url));
  agent = access('task.1');
  await gateway.client.open(agent);
});

afterEach(async () => {
  await gateway[Symbol.asyncDispose]();
  await service[Symbol.asyncDispose]();
});

const QUESTION = { model: MODEL, max_tokens: 1000, messages: [{ role: 'user' as const, content: 'Hi' }] };
const ask = () => gateway.ask({ token: agent.token, body: QUESTION });

/** The same services, reached by the coordinator. */
function viaCoordinator(url = service.url): Configuration {
  const direct = configuration(url);
  return { ...direct, upstreams: direct.upstreams.map((upstream) => ({ ...upstream, via: 'coordinator' as const })) };
}

/** Kills the coordinator's end as `kill -9` would. */
async function killBridge(): Promise<void> {
  await gateway.client.totals();
  const bridge = gateway.bridges.at(-1);
  if (bridge === undefined) throw new Error('no session was ever opened');
  bridge.kill('SIGKILL');
  await once(bridge, 'exit');
}

describe('a session that is lost', () => {
  it('does not disturb what agents do', async () => {
    const gate = new Gate();
    service.script = () => ({ text: ['one', 'two'], gate });
    const response = await gateway.begin({ token: agent.token, body: { ...QUESTION, stream: true } });
    await killBridge();
    gate.open();
    let text = '';
    for await (const chunk of response) text += String(chunk);
    expect(text).toContain('message_stop');
    expect((await ask()).status).toBe(200);
  });

  it('is opened again by the next call, and nothing is forgotten', async () => {
    await ask();
    await killBridge();
    expect(await gateway.client.totals()).toMatchObject([{ attempt: agent.attempt, requests: 1 }]);
  });

  it('costs no event and repeats none', async () => {
    for (let i = 0; i < 3; i += 1) {
      await ask();
      await killBridge();
      await ask();
    }
    const sixth = (event: GatewayEvent) => event.type === 'usage' && event.total.inputTokens === 600;
    await gateway.event('usage', sixth);
    await gateway.event('audit', ({ seq }) => seq > (gateway.events.find(sixth)?.seq ?? 0));
    const seqs = gateway.events.map(({ seq }) => seq);
    expect(seqs).toEqual(seqs.map((_, at) => at + 1));
  });

  it('is the older one where another coordinator comes', async () => {
    const [first] = gateway.bridges;
    const other = gateway.newClient();
    const gone = once(first ?? gateway.child, 'exit');
    expect(await other.totals()).toHaveLength(1);
    await gone;
    await other[Symbol.asyncDispose]();
  });

  it('fails calls that wait for something as lost', async () => {
    const call = gateway.client.fetchFor(agent.attempt);
    const gate = new Gate();
    service.script = async () => {
      await gate.pass();
      return { text: 'Hello.' };
    };
    const asked = call('http://gateway/v1/messages', { method: 'POST', body: JSON.stringify(QUESTION) });
    asked.catch(() => {});
    await gate.arrived(1);
    await killBridge();
    await expect(asked).rejects.toMatchObject({ kind: 'environment', code: 'GATEWAY_LOST' });
    gate.open();
  });

  it('is told to a gateway that was started anew, with what was used before', async () => {
    const limited = access('task.2', { caps: { usd: null, tokens: 10_000 } });
    await gateway.client.open(limited);
    service.script = () => ({ text: 'Hello.', usage: { input: 100, output: 8_000 } });
    expect((await gateway.ask({ token: limited.token, body: { ...QUESTION, max_tokens: 9_000 } })).status).toBe(200);
    await gateway.event('usage');
    await gateway.restart();
    await gateway.client.configure(configuration(service.url));
    const again = await gateway.ask({ token: limited.token, body: { ...QUESTION, max_tokens: 9_000 } });
    expect(again.headers['x-orchestrate-reason']).toBe('over-budget');
    service.script = () => ({ text: 'Hello.', usage: { input: 100, output: 20 } });
    expect((await gateway.ask({ token: limited.token, body: QUESTION })).status).toBe(200);
    const sum = { inputTokens: 200, outputTokens: 8_020 };
    expect((await gateway.event('usage', ({ usage }) => usage.outputTokens === 20)).total).toMatchObject(sum);
    const totals = await gateway.client.totals();
    expect(totals.find(({ attempt }) => attempt === limited.attempt)).toMatchObject({ requests: 2, usage: sum });
    expect(await gateway.client.revoke(limited.attempt)).toMatchObject({ requests: 2, usage: sum });
  });
});

it('tells everybody to come again until it is configured', async () => {
  await using fresh = await LocalGateway.start();
  const one = access('task.9');
  await fresh.client.open(one);
  for (const { token } of [one, agent]) {
    const reply = await fresh.ask({ token, body: QUESTION });
    expect([reply.status, reply.headers['x-orchestrate-reason']]).toEqual([503, 'not-configured']);
    expect(reply.headers['x-should-retry']).toBe('true');
  }
});

it('says which call was wrong, never with what', async () => {
  const [anthropic] = configuration(service.url).upstreams;
  if (anthropic === undefined) throw new Error('no upstream');
  const wrong = { ...configuration(service.url), upstreams: [{ ...anthropic, baseUrl: KEY }] };
  const error = await gateway.client.configure(wrong).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ kind: 'failure', code: 'GATEWAY_BAD_CALL' });
  expect(String(error)).not.toContain(KEY);
  await expect(gateway.client.open({ ...agent, token: '' })).rejects.toMatchObject({ code: 'GATEWAY_BAD_CALL' });
  await expect(gateway.client.revoke('task.77')).rejects.toMatchObject({ code: 'ATTEMPT_UNKNOWN' });
});

it.each(['direct', 'coordinator'] as const)(
  "asks a service over TLS, with an authority of the user's own (%s)",
  async (via) => {
    const { key, cert } = await makeCertificate('IP:127.0.0.1');
    const keys: unknown[] = [];
    const secure = https.createServer({ key, cert }, (request, response) => {
      keys.push(request.headers['x-api-key']);
      response.writeHead(400, { 'content-type': 'application/json' }).end('{}');
    });
    secure.listen(0, '127.0.0.1');
    await once(secure, 'listening');
    const { port } = secure.address() as AddressInfo;
    const settings = configuration(`https://127.0.0.1:${port}`);
    const upstreams = settings.upstreams.map((upstream) => ({ ...upstream, via }));
    await gateway.client.configure({ ...settings, upstreams, extraCa: cert });
    expect((await ask()).status).toBe(400);
    expect(keys).toEqual([KEY]);
    await gateway.client.configure({ ...settings, upstreams });
    const stranger = await ask();
    expect([stranger.status, stranger.headers['x-orchestrate-reason']]).toEqual([502, 'upstream-unreachable']);
    expect(keys).toHaveLength(1);
    secure.close();
    secure.closeAllConnections();
  },
);

describe('connections that the coordinator makes', () => {
  it('carry model requests both ways', async () => {
    await gateway.client.configure(viaCoordinator());
    const text = 'x'.repeat(3_000_000);
    service.script = () => ({ text });
    const content = 'y'.repeat(3_000_000);
    const reply = await gateway.ask({
      token: agent.token,
      body: { ...QUESTION, messages: [{ role: 'user', content }] },
    });
    expect(JSON.parse(reply.body).content[0].text).toBe(text);
    expect(service.requests.at(-1)?.raw.length).toBeGreaterThan(3_000_000);
  });

  it('keep the key on its side: the gateway is told a stand-in, which the service never sees', async () => {
    const told: Buffer[] = [];
    await using other = await LocalGateway.start(undefined, (bytes) => told.push(bytes));
    await other.client.configure(viaCoordinator());
    await other.client.open(agent);
    for (const [at, body] of [
      ['/v1/messages', QUESTION],
      ['/v1/responses', { model: MODEL, input: 'Hi' }],
    ] as const) {
      expect((await other.ask({ token: agent.token, path: at, body })).status).toBe(200);
      expect(JSON.stringify(service.requests.at(-1)?.headers)).toContain(KEY);
      expect(JSON.stringify(service.requests.at(-1)?.headers)).not.toContain('stand-in');
    }
    service.script = () => ({ status: 400, message: `what is ${KEY}?` });
    expect((await other.ask({ token: agent.token, body: QUESTION })).body).toContain(
      `what is ${'*'.repeat(KEY.length)}?`,
    );
    const all = Buffer.concat(told).toString('latin1');
    expect(all).toContain('stand-in');
    expect(all).not.toContain(KEY);
  });

  it('that are refused are an error that may be tried again', async () => {
    await gateway.client.configure(viaCoordinator('http://127.0.0.1:1'));
    const reply = await ask();
    expect([reply.status, reply.headers['x-orchestrate-reason']]).toEqual([502, 'upstream-unreachable']);
  });

  it('break with their coordinator, and come again with the next', async () => {
    await gateway.client.configure(viaCoordinator());
    const gate = new Gate();
    service.script = () => ({ text: ['one', 'two'], gate });
    const response = await gateway.begin({ token: agent.token, body: { ...QUESTION, stream: true } });
    gate.release(2);
    await once(response, 'data');
    const over = closed(response);
    await killBridge();
    await over;
    expect(response.complete).toBe(false);
    gate.open();
    service.script = () => ({ text: 'Hello.' });
    await gateway.client.totals();
    expect((await ask()).status).toBe(200);
  });

  it('are an error that may be tried again while there is none', async () => {
    await gateway.client.configure(viaCoordinator());
    await gateway.client[Symbol.asyncDispose]();
    const [bridge] = gateway.bridges;
    if (bridge !== undefined && bridge.exitCode === null) await once(bridge, 'exit');
    const reply = await ask();
    expect([reply.status, reply.headers['x-orchestrate-reason']]).toEqual([503, 'upstream-unreachable']);
  });
});

describe('an agent that thinks on the coordinator', () => {
  it('asks as itself, through the same meter', async () => {
    const client = new Anthropic({ apiKey: 'unused', fetch: gateway.client.fetchFor(agent.attempt), maxRetries: 0 });
    const message = await client.messages.create(QUESTION);
    expect(message.content).toEqual([{ type: 'text', text: 'Hello.' }]);
    expect(service.requests.at(-1)?.headers['x-api-key']).toBe(KEY);
    expect(await gateway.event('usage')).toMatchObject({ attempt: agent.attempt, usage: { inputTokens: 100 } });
  });

  it('sees a stream as it comes', async () => {
    const gate = new Gate();
    service.script = () => ({ text: ['one', 'two'], gate });
    const client = new Anthropic({ apiKey: 'unused', fetch: gateway.client.fetchFor(agent.attempt), maxRetries: 0 });
    const seen: string[] = [];
    gate.release(3);
    for await (const event of await client.messages.create({ ...QUESTION, stream: true })) {
      seen.push(event.type);
      if (event.type === 'content_block_delta') gate.open();
    }
    expect(seen).toContain('message_stop');
  });

  it('is refused like any other', async () => {
    const fetch = gateway.client.fetchFor(agent.attempt);
    const body = JSON.stringify({ ...QUESTION, mcp_servers: [{ type: 'url', url: 'https://a.example' }] });
    const refused = await fetch('http://gateway/v1/messages', { method: 'POST', body });
    expect([refused.status, refused.headers.get('x-orchestrate-reason')]).toEqual([403, 'feature-not-allowed']);
    expect(await refused.json()).toMatchObject({ error: { type: 'permission_error' } });
    expect((await fetch('http://gateway/v1/files')).status).toBe(404);
    await gateway.client.revoke(agent.attempt);
    expect((await fetch('http://gateway/v1/messages', { method: 'POST', body })).status).toBe(401);
  });

  it('lets go of the service when it gives up', async () => {
    const gate = new Gate();
    service.script = () => ({ text: ['one', 'two'], gate });
    const abort = new AbortController();
    const fetch = gateway.client.fetchFor(agent.attempt);
    const body = JSON.stringify({ ...QUESTION, stream: true });
    const response = await fetch('http://gateway/v1/messages', { method: 'POST', body, signal: abort.signal });
    gate.release(2);
    const reader = response.body?.getReader();
    await reader?.read();
    abort.abort(new Error('enough'));
    await expect(
      (async () => {
        while (!(await reader?.read())?.done);
      })(),
    ).rejects.toThrow('enough');
    expect(await service.requests.at(-1)?.ended).toBe('left');
    gate.open();
  });
});

describe('a toolbox', () => {
  /** Dials in as the toolbox does; null where it is not let in. */
  async function dialIn(token: string, handlers: Readonly<Record<string, Handler>>): Promise<Duplex | null> {
    const request = http.request({
      socketPath: gateway.socket,
      path: '/toolbox',
      headers: { authorization: `Bearer ${token}`, connection: 'Upgrade', upgrade: 'orchestrate-session' },
    });
    request.end();
    const [how, , socket] = await Promise.race([
      once(request, 'upgrade').then((found) => ['upgrade', ...found.slice(0, 2)]),
      once(request, 'response').then((found) => ['response', ...found]),
    ]);
    if (how === 'response') return null;
    void serve(socket, socket, handlers);
    return socket;
  }

  const call = (method: string, params = {}, signal = new AbortController().signal) =>
    gateway.client.toolbox(agent.attempt, { method, params }, signal);
  const token = () => agent.toolboxToken ?? '';

  it('is called through the gateway, and its errors keep their codes', async () => {
    await dialIn(token(), {
      add: async ({ params }) => ({ sum: Number(params.a) + Number(params.b) }),
      fail: async () => {
        throw new CallFault('TOOL_BROKEN', 'the tool is broken', { n: 1 });
      },
    });
    expect(await call('add', { a: 1, b: 2 })).toEqual({ sum: 3 });
    await expect(call('fail')).rejects.toMatchObject({ code: 'TOOL_BROKEN', message: 'the tool is broken' });
  });

  it('is absent before it dialled in and after it left', async () => {
    await expect(call('add')).rejects.toMatchObject({ code: 'TOOLBOX_ABSENT' });
    const socket = await dialIn(token(), { add: async () => ({}) });
    expect(await call('add')).toEqual({});
    socket?.destroy();
    await expect
      .poll(() => call('add').catch((error: { code: string }) => error.code), { interval: 5 })
      .toBe('TOOLBOX_ABSENT');
  });

  it('that goes in the middle of a call is lost, and the next one serves', async () => {
    const called = new Gate();
    await dialIn(token(), { wait: async () => called.pass() });
    const waiting = call('wait');
    waiting.catch(() => {});
    await called.arrived(1);
    await dialIn(token(), { wait: async () => ({ from: 'second' }) });
    await expect(waiting).rejects.toMatchObject({ code: 'TOOLBOX_LOST' });
    expect(await call('wait')).toEqual({ from: 'second' });
  });

  it('is told when the coordinator gives up', async () => {
    const abort = new AbortController();
    const called = new Gate();
    let told = (): void => {};
    const cancelled = new Promise<void>((resolve) => {
      told = resolve;
    });
    await dialIn(token(), {
      wait: async ({ signal }) => {
        signal.addEventListener('abort', told);
        await called.pass();
      },
    });
    const waiting = call('wait', {}, abort.signal);
    waiting.catch(() => {});
    await called.arrived(1);
    abort.abort(new Error('enough'));
    await cancelled;
    await expect(waiting).rejects.toThrow('enough');
  });

  it('needs the token that only it has', async () => {
    expect(await dialIn(agent.token, {})).toBeNull();
    expect(await dialIn('f'.repeat(64), {})).toBeNull();
    expect((await gateway.ask({ token: token(), body: QUESTION })).status).toBe(401);
    await gateway.client.revoke(agent.attempt);
    expect(await dialIn(token(), {})).toBeNull();
  });

  it('is cut off with its attempt', async () => {
    const socket = await dialIn(token(), {});
    const gone = once(socket ?? connect(0), 'close');
    await gateway.client.revoke(agent.attempt);
    await gone;
  });
});
