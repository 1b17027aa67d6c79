// A service that wants us to wait: requests are held, one goes first, the others follow; nobody is told but the coordinator.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Events } from '../../src/gateway/events.ts';
import { Lane } from '../../src/gateway/lanes.ts';
import type { AttemptAccess } from '../../src/gateway/protocol.ts';
import { statedWait } from '../../src/gateway/waits.ts';
import { access, configuration, LocalGateway, MODEL } from '../support/gateway.ts';
import { Gate } from '../support/model-server/gate.ts';
import type { Answer } from '../support/model-server/script.ts';
import { ModelServer } from '../support/model-server/server.ts';

describe('how long to wait', () => {
  const now = Date.parse('2030-01-01T00:00:00Z');

  it.each<[string, Record<string, string>, number | null]>([
    ['nothing said', {}, null],
    ['seconds', { 'retry-after': '30' }, 30_000],
    ['a date', { 'retry-after': 'Tue, 01 Jan 2030 00:01:00 GMT' }, 60_000],
    ['milliseconds, the finer word', { 'retry-after': '1', 'retry-after-ms': '1500' }, 1_500],
    ['a moment in the past', { 'retry-after': 'Tue, 01 Jan 2019 00:01:00 GMT' }, 0],
    ['nonsense', { 'retry-after': 'soon' }, null],
    ['more than a day', { 'retry-after': '1e9', 'retry-after-ms': '1000000000000' }, 24 * 3_600_000],
    [
      'the limit that is used up',
      {
        'anthropic-ratelimit-requests-reset': '2030-01-01T00:00:02Z',
        'anthropic-ratelimit-requests-remaining': '5',
        'anthropic-ratelimit-input-tokens-reset': '2030-01-01T00:00:40Z',
        'anthropic-ratelimit-input-tokens-remaining': '0',
      },
      40_000,
    ],
    ['seconds since 1970', { 'anthropic-ratelimit-unified-reset': String(now / 1000 + 90) }, 90_000],
    ['spans', { 'x-ratelimit-reset-requests': '6m0s', 'x-ratelimit-remaining-requests': '0' }, 360_000],
    ['small spans', { 'x-ratelimit-reset-tokens': '1h2m3.5s', 'x-ratelimit-reset-requests': '20ms' }, 20],
  ])('is read from %s', (_, headers, wait) => {
    expect(statedWait(headers, now)).toBe(wait);
  });
});

it('a lane gives an overloaded service up after ten tries, and opens', async () => {
  vi.useFakeTimers();
  try {
    const lane = new Lane('anthropic', new Events());
    const never = new AbortController().signal;
    const ticket = { since: Date.now() };
    const waits: number[] = [];
    for (let again = true; again; ) {
      const before = Date.now();
      const entering = lane.enter(ticket, never);
      await vi.advanceTimersToNextTimerAsync();
      waits.push(Date.now() - before);
      again = (await entering).limited(529, null);
    }
    expect(waits).toHaveLength(10);
    // Twice as long each time, but for the jitter, up to a minute.
    for (const [at, wait] of waits.slice(1).entries()) {
      expect(wait).toBeGreaterThanOrEqual(Math.min(60_000, 1_000 * 2 ** at) / 2);
      expect(wait).toBeLessThanOrEqual(Math.min(60_000, 1_000 * 2 ** at) + 1);
    }
    (await lane.enter(ticket, never)).passed();
  } finally {
    vi.useRealTimers();
  }
});

it('a lane does not make a request wait that was held for too long already', async () => {
  const lane = new Lane('anthropic', new Events());
  const turn = await lane.enter({ since: Date.now() - 11 * 60_000 }, new AbortController().signal);
  expect(turn.limited(529, 1)).toBe(false);
  expect(turn.limited(429, 1)).toBe(true);
});

describe('the gateway', () => {
  let gateway: LocalGateway;
  let service: ModelServer;
  let agents: readonly AttemptAccess[];

  beforeEach(async () => {
    service = await ModelServer.start({ script: [] });
    gateway = await LocalGateway.start();
    await gateway.client.configure(configuration(service.url));
    agents = [1, 2, 3, 4].map((n) => access(`task.${n}`));
    for (const agent of agents) await gateway.client.open(agent);
  });

  afterEach(async () => {
    await gateway[Symbol.asyncDispose]();
    await service[Symbol.asyncDispose]();
  });

  const BODY = { model: MODEL, max_tokens: 10, messages: [{ role: 'user', content: 'Hi' }] };
  const limited = (status: number, headers: Record<string, string>): Answer => ({ status, headers });
  const askAs = (n: number, signal?: AbortSignal) =>
    gateway.ask({ token: agents[n]?.token ?? '', body: BODY, ...(signal === undefined ? {} : { signal }) });

  it.each([
    [429, { 'retry-after-ms': '50' }],
    [529, { 'retry-after-ms': '50' }],
    [503, { 'retry-after': '0.05' }],
  ])('answers when the service does, for all that %i was in between', async (status, headers) => {
    service.script = [limited(status, headers), limited(status, headers), { text: 'At last.' }];
    const reply = await askAs(0);
    expect(reply.status).toBe(200);
    expect(reply.body).toContain('At last.');
    const said = await gateway.event('limited');
    expect(said).toMatchObject({ api: 'anthropic', status });
    expect(Date.parse(said.until)).toBeGreaterThan(Date.parse(said.at));
    await gateway.event('resumed');
    expect((await gateway.client.totals())[0]).toMatchObject({ requests: 1 });
  });

  it('tries again by itself where the service does not say when', async () => {
    service.script = [limited(429, {}), { text: 'At last.' }];
    expect((await askAs(0)).status).toBe(200);
  });

  it('passes a plain 503 on, which clients know how to treat', async () => {
    service.script = [limited(503, {})];
    expect((await askAs(0)).status).toBe(503);
  });

  it('lets one request go first, and the others follow when it got through', async () => {
    const gate = new Gate();
    service.script = async ({ api, turn }) => {
      if (api === 'openai') return { text: 'Hello.' };
      if (turn === 1) return limited(429, { 'retry-after-ms': '300' });
      await gate.pass();
      return { text: 'Hello.' };
    };
    const first = askAs(0);
    await gateway.event('limited');
    const others = [askAs(1), askAs(2), askAs(3)];
    await gate.arrived(1);
    // Whatever was sent beside it would be there by now.
    for (const { token } of agents) {
      await gateway.ask({ token, path: '/v1/responses', body: { model: MODEL, input: 'Hi' } });
    }
    expect(service.requests.filter(({ path }) => path === '/v1/messages')).toHaveLength(2);
    gate.open();
    const replies = await Promise.all([first, ...others]);
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const order = gateway.events.map(({ type }) => type).filter((type) => type === 'limited' || type === 'resumed');
    expect(order).toEqual(['limited', 'resumed']);
  });

  it('goes on with the next one where the first to go is given up', async () => {
    const abort = new AbortController();
    const gate = new Gate();
    service.script = async ({ turn }) => {
      if (turn === 1) return limited(429, { 'retry-after-ms': '200' });
      if (turn === 2) await gate.pass();
      return { text: 'Hello.' };
    };
    const first = askAs(0, abort.signal);
    first.catch(() => {});
    await gateway.event('limited');
    const second = askAs(1);
    await gate.arrived(1);
    abort.abort();
    expect((await second).status).toBe(200);
    gate.open();
  });

  it('drops a request whose client left while it was held', async () => {
    const abort = new AbortController();
    service.script = ({ turn }) => (turn === 1 ? limited(429, { 'retry-after-ms': '200' }) : { text: 'Hello.' });
    const first = askAs(0, abort.signal);
    first.catch(() => {});
    await gateway.event('limited');
    abort.abort();
    await gateway.event('resumed');
    expect((await askAs(1)).status).toBe(200);
    expect(service.requests).toHaveLength(2);
  });

  it("does not hold the other service's requests", async () => {
    service.script = ({ api }) => (api === 'anthropic' ? limited(429, { 'retry-after': '3600' }) : { text: 'Hello.' });
    const abort = new AbortController();
    const held = askAs(0, abort.signal);
    held.catch(() => {});
    await gateway.event('limited');
    const reply = await gateway.ask({
      token: agents[0]?.token ?? '',
      path: '/v1/responses',
      body: { model: MODEL, input: 'Hi' },
    });
    expect(reply.status).toBe(200);
    abort.abort();
  });

  it.each([
    ['an account without money', { type: 'insufficient_quota' }],
    ['a limit that no waiting helps against', { headers: { 'x-should-retry': 'false' } }],
  ])('does not wait for %s', async (_, answer) => {
    service.script = [{ status: 429, ...answer }];
    const reply = await askAs(0);
    expect(reply.status).toBeGreaterThanOrEqual(400);
    expect(reply.headers['x-should-retry']).toBe('false');
  });
});
