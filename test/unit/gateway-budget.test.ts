// Caps hold while requests run side by side: what is over one is never more than one request's most.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Account, Budget, OverBudget, type Reservation } from '../../src/gateway/budget.ts';
import type { Cost } from '../../src/gateway/price.ts';
import { access, closed, configuration, LocalGateway, MODEL } from '../support/gateway.ts';
import { Gate } from '../support/model-server/gate.ts';
import { ModelServer } from '../support/model-server/server.ts';

const NEVER = new AbortController().signal;
const tokens = (count: number): Cost => ({ usd: null, tokens: count });
const usd = (amount: number): Cost => ({ usd: amount, tokens: 1 });

function budgetOf(run: number | null, attempt: number | null) {
  const budget = new Budget();
  budget.run.caps = { usd: null, tokens: run };
  const account = new Account('attempt');
  account.caps = { usd: null, tokens: attempt };
  return { budget, account };
}

/** Whether a promise is settled by now, without waiting for it. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = (): void => {
    settled = true;
  };
  promise.then(note, note);
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

describe('a budget', () => {
  it('without caps lets everything in', async () => {
    const { budget, account } = budgetOf(null, null);
    const one = await budget.reserve(account, { worst: tokens(1e12), least: null }, NEVER);
    expect(one.progress(tokens(1e12))).toBeNull();
    expect(budget.capsDollars(account)).toBe(false);
  });

  it.each(['attempt', 'run'] as const)('refuses what goes over the cap of the %s', async (scope) => {
    const { budget, account } = scope === 'run' ? budgetOf(100, null) : budgetOf(null, 100);
    const refused = budget.reserve(account, { worst: tokens(101), least: null }, NEVER);
    await expect(refused).rejects.toMatchObject({ scope, unit: 'tokens' });
    await expect(budget.reserve(account, { worst: tokens(100), least: null }, NEVER)).resolves.toBeDefined();
  });

  it('counts what was really used, not what was set aside', async () => {
    const { budget, account } = budgetOf(100, null);
    (await budget.reserve(account, { worst: tokens(100), least: null }, NEVER)).settle(tokens(10));
    (await budget.reserve(account, { worst: tokens(90), least: null }, NEVER)).settle(tokens(90));
    await expect(budget.reserve(account, { worst: tokens(1), least: null }, NEVER)).rejects.toThrow(OverBudget);
  });

  it('makes a request wait for others that may come to less', async () => {
    const { budget, account } = budgetOf(100, null);
    const first = await budget.reserve(account, { worst: tokens(80), least: null }, NEVER);
    const second = budget.reserve(account, { worst: tokens(50), least: tokens(5) }, NEVER);
    expect(await isSettled(second)).toBe(false);
    first.settle(tokens(20));
    expect(await isSettled(second)).toBe(true);
  });

  it('lets one that can be cut use what is left, alone', async () => {
    const { budget, account } = budgetOf(100, null);
    (await budget.reserve(account, { worst: tokens(70), least: null }, NEVER)).settle(tokens(70));
    const wanted = { worst: tokens(1000), least: tokens(10) };
    const first = await budget.reserve(account, wanted, NEVER);
    expect(first.progress(tokens(30))).toBeNull();
    expect(first.progress(tokens(31))).toMatchObject({ scope: 'run', unit: 'tokens' });
    const second = budget.reserve(new Account('attempt'), wanted, NEVER);
    expect(await isSettled(second)).toBe(false);
    first.settle(tokens(31));
    await expect(second).rejects.toThrow(OverBudget);
  });

  it('does not let one in that cannot even pay for its question', async () => {
    const { budget, account } = budgetOf(100, null);
    await expect(budget.reserve(account, { worst: tokens(1000), least: tokens(101) }, NEVER)).rejects.toThrow(
      OverBudget,
    );
  });

  it('forgets a request that was given up while it waited', async () => {
    const { budget, account } = budgetOf(100, null);
    const first = await budget.reserve(account, { worst: tokens(80), least: null }, NEVER);
    const abort = new AbortController();
    const second = budget.reserve(account, { worst: tokens(50), least: null }, abort.signal);
    abort.abort(new Error('gone'));
    await expect(second).rejects.toThrow('gone');
    first.settle(tokens(0));
    await expect(budget.reserve(account, { worst: tokens(100), least: null }, NEVER)).resolves.toBeDefined();
  });

  it('lets those who wait in when the cap is raised', async () => {
    const { budget, account } = budgetOf(100, null);
    await budget.reserve(account, { worst: tokens(80), least: null }, NEVER);
    const second = budget.reserve(account, { worst: tokens(50), least: null }, NEVER);
    budget.run.caps = { usd: null, tokens: 200 };
    budget.reconsider();
    expect(await isSettled(second)).toBe(true);
  });

  it('is not confused by sums of fractions', async () => {
    const budget = new Budget();
    budget.run.caps = { usd: 0.3, tokens: null };
    const account = new Account('attempt');
    for (let i = 0; i < 3; i += 1) {
      (await budget.reserve(account, { worst: usd(0.1), least: null }, NEVER)).settle(usd(0.1));
    }
    await expect(budget.reserve(account, { worst: usd(0.0001), least: null }, NEVER)).rejects.toThrow(OverBudget);
  });

  it('is never over by more than one request, whatever runs side by side', async () => {
    const worst = 100;
    const step = fc.record({ agent: fc.nat(7), used: fc.nat(worst), finish: fc.boolean(), least: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 700 }), fc.array(step, { maxLength: 60 }), async (cap, steps) => {
        const budget = new Budget();
        budget.run.caps = { usd: null, tokens: cap };
        const accounts = Array.from({ length: 8 }, () => new Account('attempt'));
        for (const account of accounts) account.caps = { usd: null, tokens: 150 };
        const open: { reservation: Reservation; used: number }[] = [];
        for (const { agent, used, finish, least } of steps) {
          const account = accounts[agent];
          if (account === undefined) continue;
          const abort = new AbortController();
          const wanted = { worst: tokens(worst), least: least ? tokens(10) : null };
          const asked = budget.reserve(account, wanted, abort.signal);
          if (await isSettled(asked)) {
            const reservation = await asked.catch(() => null);
            if (reservation !== null) open.push({ reservation, used });
          } else {
            abort.abort();
            await asked.catch(() => {});
          }
          if (finish) open.shift()?.reservation.settle(tokens(used));
        }
        for (const { reservation } of open) reservation.settle(tokens(worst));
        expect(budget.run.spent.tokens).toBeLessThan(cap + worst);
        for (const { spent } of accounts) expect(spent.tokens).toBeLessThan(150 + worst);
        expect(budget.run.reserved.tokens).toBe(0);
      }),
      { numRuns: 50 },
    );
  });
});

describe('the gateway', () => {
  let gateway: LocalGateway;
  let service: ModelServer;

  beforeAll(async () => {
    service = await ModelServer.start({ script: [] });
    gateway = await LocalGateway.start();
  });

  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await service[Symbol.asyncDispose]();
  });

  const question = (maxTokens: number) => ({
    model: MODEL,
    max_tokens: maxTokens,
    stream: true,
    messages: [{ role: 'user', content: 'Hi' }],
  });
  let runs = 0;

  async function open(count: number, caps: { usd: number | null; tokens: number | null }) {
    runs += 1;
    const agents = Array.from({ length: count }, (_, i) => access(`run${runs}.${i}`, { caps }));
    for (const agent of agents) await gateway.client.open(agent);
    return agents;
  }

  it('keeps a run of eight agents within its cap and one request more', async () => {
    const output = 1000;
    const cap = 20_000;
    service.script = () => ({ text: 'x'.repeat(40), usage: { input: 40, output } });
    const agents = await open(8, { usd: null, tokens: null });
    await gateway.client.configure(configuration(service.url, { caps: { usd: null, tokens: cap } }));
    const reasons = await Promise.all(
      agents.map(async ({ token }) => {
        for (;;) {
          const { status, headers } = await gateway.ask({ token, body: question(output) });
          if (status !== 200) return [status, headers['x-orchestrate-reason'], headers['x-should-retry']];
        }
      }),
    );
    expect(reasons).toEqual(agents.map(() => [403, 'over-budget', 'false']));
    const totals = (await gateway.client.totals()).filter(({ attempt }) => attempt.startsWith(`run${runs}.`));
    const spent = totals.reduce((sum, { usage }) => sum + usage.inputTokens + usage.outputTokens, 0);
    expect(spent).toBeGreaterThan(cap - 1040);
    expect(spent).toBeLessThan(cap + 1040);
    expect(await gateway.event('over-budget')).toMatchObject({ scope: 'run', unit: 'tokens' });
    await gateway.client.configure(configuration(service.url));
  });

  it('cuts a stream that uses more than is left, and says why', async () => {
    const [agent] = await open(1, { usd: 0.02, tokens: null });
    const gate = new Gate();
    service.script = () => ({
      text: Array.from({ length: 50 }, () => 'x'.repeat(400)),
      usage: { input: 100, output: 5000 },
      gate,
    });
    const response = await gateway.begin({ token: agent?.token ?? '', body: question(64_000) });
    // Far more than the budget allows, far less than all.
    gate.release(30);
    let text = '';
    for await (const chunk of response) text += String(chunk);
    expect(text).toMatch(/event: error\ndata: .*over-budget.*\n\n$/);
    expect(text).not.toContain('message_stop');
    const totals = await gateway.client.revoke(agent?.attempt ?? '');
    expect(totals.usage.usd).toBeGreaterThan(0.02);
    expect(totals.usage.usd).toBeLessThan(0.031);
    const event = await gateway.event('over-budget', ({ attempt }) => attempt === agent?.attempt);
    expect(event).toMatchObject({ scope: 'attempt', unit: 'usd' });
    expect(await service.requests.at(-1)?.ended).toBe('left');
  });

  it('refuses a model of unknown price where dollars are capped', async () => {
    const [capped, free] = [
      ...(await open(1, { usd: 1, tokens: null })),
      ...(await open(1, { usd: null, tokens: 9_000 })),
    ];
    service.script = () => ({ text: 'Hi', usage: { input: 10, output: 5 } });
    const body = { ...question(10), model: 'model-unheard-of' };
    const refused = await gateway.ask({ token: capped?.token ?? '', body });
    expect([refused.status, refused.headers['x-orchestrate-reason']]).toEqual([403, 'unknown-price']);
    expect((await gateway.ask({ token: free?.token ?? '', body })).status).toBe(200);
    expect((await gateway.client.revoke(free?.attempt ?? '')).usage).toMatchObject({ usd: null, inputTokens: 10 });
  });

  it('counts what the run spent elsewhere, and its own only once', async () => {
    await using fresh = await LocalGateway.start();
    const agent = access('task.1');
    await fresh.client.open(agent);
    service.script = () => ({ text: 'Hi', usage: { input: 100, output: 900 } });
    const caps = { usd: null, tokens: 10_000 };
    const ask = async () =>
      (await fresh.ask({ token: agent.token, body: question(1000) })).headers['x-orchestrate-reason'];
    await fresh.client.configure(configuration(service.url, { caps, spent: { usd: 0, tokens: 6_000 } }));
    expect(await ask()).toBeUndefined();
    // A coordinator that took over has heard of that request.
    await fresh.client.configure(configuration(service.url, { caps, spent: { usd: 0, tokens: 7_000 } }));
    expect(await ask()).toBeUndefined();
    await fresh.client.configure(configuration(service.url, { caps, spent: { usd: 0, tokens: 9_900 } }));
    expect(await ask()).toBe('over-budget');
  });

  it('counts a request that the agent gives up at once', async () => {
    const [agent] = await open(1, { usd: null, tokens: null });
    const gate = new Gate();
    service.script = async () => {
      await gate.pass();
      return { text: 'Hi' };
    };
    const abort = new AbortController();
    const body = { ...question(777), stream: false };
    const asked = gateway.begin({ token: agent?.token ?? '', body, signal: abort.signal });
    asked.catch(() => {});
    await gate.arrived(1);
    abort.abort();
    const { usage } = await gateway.event('usage', ({ attempt }) => attempt === agent?.attempt);
    gate.open();
    expect(usage.inputTokens).toBeGreaterThan(0);
    expect(usage.outputTokens).toBe(777);
  });

  it('lets a finished answer through even where it took the last of the budget', async () => {
    const [agent] = await open(1, { usd: null, tokens: 2_000 });
    service.script = () => ({ text: 'Hi', usage: { input: 100, output: 1_890 } });
    const reply = await gateway.ask({ token: agent?.token ?? '', body: question(1_900) });
    expect(reply.body).toContain('message_stop');
    const next = await gateway.begin({ token: agent?.token ?? '', body: question(1_900) });
    await closed(next);
    expect(next.statusCode).toBe(403);
  });
});
