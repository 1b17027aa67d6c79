// What was spent goes on counting when the gateway, the coordinator or both are killed: a request under way counts at its most.
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { GatewayClient } from '../../src/gateway/client.ts';
import type { AttemptTotals, Before } from '../../src/gateway/protocol.ts';
import { NO_USAGE, tokensOf } from '../../src/types.ts';
import { access, configuration, LocalGateway, MODEL } from '../support/gateway.ts';
import { Gate } from '../support/model-server/gate.ts';
import { ModelServer } from '../support/model-server/server.ts';

const CAP = 10_000;
const OUTPUT = 3_000;
const USED = { ...NO_USAGE, inputTokens: 100, outputTokens: OUTPUT };
const NOTHING = { usd: 0, tokens: 0 };

let gateway: LocalGateway;
let service: ModelServer;
const agent = access('task.1');

beforeEach(async () => {
  service = await ModelServer.start({ script: () => ({ text: 'Hello.', usage: { input: 100, output: OUTPUT } }) });
  gateway = await LocalGateway.start();
});

afterEach(async () => {
  await gateway[Symbol.asyncDispose]();
  await service[Symbol.asyncDispose]();
});

const capped = (spent = NOTHING) => configuration(service.url, { caps: { usd: null, tokens: CAP }, spent });

async function ask(maxTokens = OUTPUT): Promise<number> {
  const question = { model: MODEL, max_tokens: maxTokens, messages: [{ role: 'user', content: 'Hi' }] };
  return (await gateway.ask({ token: agent.token, body: question })).status;
}

/** Asks, and is not answered before the gateway is killed; gives what it was told to count for that. */
async function cutInMidAir(maxTokens: number): Promise<number> {
  const gate = new Gate();
  const script = service.script;
  service.script = async () => {
    await gate.pass();
    return { text: 'Never read.' };
  };
  const asked = ask(maxTokens).catch(() => 0);
  await gate.arrived(1);
  const { tokens } = await gateway.event('unsettled', (event) => event.tokens >= maxTokens);
  await gateway.restart();
  gate.open();
  await asked;
  service.script = script;
  return tokens;
}

async function totalsOf(client: GatewayClient): Promise<AttemptTotals | undefined> {
  return (await client.totals()).find(({ attempt }) => attempt === agent.attempt);
}

function before(unsettled = NOTHING): Before {
  return { usage: USED, requests: 1, unsettled };
}

it('a request that is cut with its gateway counts at its most, and no more than that', async () => {
  await gateway.client.configure(capped());
  await gateway.client.open(agent);
  const lost = await cutInMidAir(6_000);
  expect(lost).toBeGreaterThanOrEqual(6_000);
  expect((await totalsOf(gateway.client))?.unsettled.tokens).toBe(lost);
  expect(await ask(CAP - lost + 1)).toBe(403);
  expect(await ask(3_000)).toBe(200);
  expect(await ask(3_000)).toBe(403);
});

it('all that was spent before both were killed counts, for the run and for the attempt', async () => {
  const unsettled = { usd: 0, tokens: 2_000 };
  await gateway.client.configure(capped({ usd: 0, tokens: tokensOf(USED) }));
  await gateway.client.open({ ...agent, before: before(unsettled), caps: { usd: null, tokens: CAP } });
  expect(await totalsOf(gateway.client)).toMatchObject({ usage: USED, requests: 1, unsettled });
  expect(await ask(5_000)).toBe(403);
  expect(await ask(4_500)).toBe(200);
  const usage = { inputTokens: 200, outputTokens: 2 * OUTPUT };
  expect(await totalsOf(gateway.client)).toMatchObject({ requests: 2, usage });
  expect((await gateway.event('usage')).total).toMatchObject(usage);

  // Nothing of it counts twice when the gateway is killed once more.
  await gateway.restart();
  expect(await totalsOf(gateway.client)).toMatchObject({ requests: 2, usage, unsettled });
  expect(await ask(CAP - 2 * tokensOf(USED) - 2_000 - 500)).toBe(200);
});

it('what the gateway itself has counted is not added to what the next coordinator knows', async () => {
  await gateway.client.configure(capped());
  await gateway.client.open(agent);
  await ask();
  await ask();
  const next = gateway.newClient();
  await next.configure(capped({ usd: 0, tokens: tokensOf(USED) }));
  await next.open({ ...agent, before: before({ usd: 0, tokens: 3_000 }) });
  expect(await totalsOf(next)).toMatchObject({ requests: 2, usage: { outputTokens: 2 * OUTPUT }, unsettled: NOTHING });
  expect(await ask(3_500)).toBe(200);
  await next[Symbol.asyncDispose]();
});

it('nobody is told of what is under way where nothing is capped', async () => {
  await gateway.client.configure(configuration(service.url));
  await gateway.client.open(agent);
  await ask();
  await gateway.event('usage');
  expect(gateway.events.filter(({ type }) => type === 'unsettled')).toEqual([]);
});
