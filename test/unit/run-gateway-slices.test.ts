// Two hosts of one run: the real gateways, each with its slice of one budget.
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { SandboxHost } from '../../src/sandbox/sandbox.ts';
import { BudgetSlices } from '../../src/tasks/budget-slices.ts';
import { openRunGateway, type RunGateway, type UsedBefore } from '../../src/tasks/gateway.ts';
import { type AttemptId, NO_USAGE, type Spent } from '../../src/types.ts';
import { configuration, LocalGateway, MODEL } from '../support/gateway.ts';
import { Gate } from '../support/model-server/gate.ts';
import { ModelServer } from '../support/model-server/server.ts';

const CAP = 10_000;
const NOTHING: Spent = { usd: 0, tokens: 0 };
const UNUSED: UsedBefore = { usage: NO_USAGE, unsettled: NOTHING };

let service: ModelServer;
let ledger: BudgetSlices;
let a: Host;
let b: Host;

/** A host of the run, with one agent on it. */
class Host implements AsyncDisposable {
  readonly runBudget: string[] = [];
  /** Resolves when its agent is told that the budget is used up. */
  readonly over: Promise<string>;
  readonly attempt: AttemptId;
  #isOver: (reason: string) => void = () => {};
  #gateway: RunGateway | null = null;
  #token = '';

  constructor(
    readonly name: string,
    readonly program: LocalGateway,
  ) {
    this.attempt = `${name}.1` as AttemptId;
    this.over = new Promise((resolve) => {
      this.#isOver = resolve;
    });
  }

  static async start(name: string): Promise<Host> {
    const program = await LocalGateway.start();
    // Coordinators come through run gateways here.
    await program.client[Symbol.asyncDispose]();
    const host = new Host(name, program);
    await host.begin(UNUSED);
    return host;
  }

  /** What a coordinator does, the first one or the next. */
  async begin(used: UsedBefore): Promise<void> {
    const nothing = { models: null, allow: [], setUpAllow: [], caps: { usd: null, tokens: null } };
    const options = {
      ...{ plan: { apis: ['anthropic'] as const, ...nothing }, secret: 'secret' },
      configuration: configuration(service.url, { caps: { usd: null, tokens: CAP } }),
      dial: () => Promise.reject(new Error('nothing is dialled from here')),
    };
    const host = { openGateway: async () => this.program.transport() } as Partial<SandboxHost> as SandboxHost;
    const gateway = await openRunGateway(host, options, { ledger, name: this.name });
    this.#gateway = gateway;
    gateway.listen({
      onRunBudget: (reason) => this.runBudget.push(reason),
      onUnusable: () => {},
      onWarning: () => {},
    });
    const hooks = { onActive() {}, onUsage() {}, onDenied() {}, onPause() {}, onResume() {} };
    const access = await gateway.admit(this.attempt, { ...hooks, onBudget: this.#isOver }, used);
    this.#token = access.token;
  }

  /** The coordinator goes; the gateway and its agents stay. */
  async leave(): Promise<void> {
    await this.#gateway?.[Symbol.asyncDispose]();
  }

  /** Asks for an answer of so many tokens at most. */
  async ask(output: number): Promise<number> {
    const question = { model: MODEL, max_tokens: output, messages: [{ role: 'user', content: 'Hi' }] };
    return (await this.program.ask({ token: this.#token, body: question })).status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave();
    await this.program[Symbol.asyncDispose]();
  }
}

beforeEach(async () => {
  service = await ModelServer.start({ script: () => ({ text: 'Hello.', usage: { input: 0, output: 4_000 } }) });
  ledger = new BudgetSlices({ usd: null, tokens: CAP }, NOTHING);
  [a, b] = await Promise.all([Host.start('a'), Host.start('b')]);
});

afterEach(async () => {
  await Promise.all([a, b].map((host) => host[Symbol.asyncDispose]()));
  await service[Symbol.asyncDispose]();
});

/** The service holds its answers back from here on until the gate opens. */
function gated(): Gate {
  const gate = new Gate();
  const { script } = service;
  service.script = async (request) => {
    await gate.pass();
    return typeof script === 'function' ? script(request) : { text: 'Hello.' };
  };
  return gate;
}

it('a request waits for one under way on the other host, goes on, and the end of the budget is told once', async () => {
  const gate = gated();
  const first = a.ask(7_000);
  await gate.arrived(1);
  const second = b.ask(5_000);
  gate.open();
  expect(await Promise.all([first, second])).toEqual([200, 200]);
  expect(await a.ask(4_000)).toBe(403);
  await Promise.all([a.over, b.over]);
  expect([...a.runBudget, ...b.runBudget]).toEqual(['the budget of the run is used up (--budget-tokens)']);
  expect(await b.ask(4_000)).toBe(403);
});

it('what one gateway had when it was killed counts, and what it did not use is there for all', async () => {
  expect(await a.ask(4_500)).toBe(200);
  await a.program.restart();
  // Its slice is not there for the others before it is asked: 4,000 are spent.
  expect(await b.ask(6_000 + 1)).toBe(403);
});

it('a coordinator that takes over counts what the gateways counted meanwhile, once', async () => {
  expect(await a.ask(4_500)).toBe(200);
  expect(await b.ask(4_500)).toBe(200);
  await Promise.all([a.leave(), b.leave()]);
  // Written down is what a's agent used, of b's nothing.
  const used = { usage: { ...NO_USAGE, outputTokens: 4_000 }, unsettled: NOTHING };
  ledger = new BudgetSlices({ usd: null, tokens: CAP }, { usd: 0, tokens: 4_000 });
  await Promise.all([a.begin(used), b.begin(UNUSED)]);
  expect(ledger.left('tokens')).toBeLessThanOrEqual(2_000);
  service.script = () => ({ text: 'Hello.', usage: { input: 0, output: 1_000 } });
  expect(await a.ask(1_500)).toBe(200);
  expect(await b.ask(2_000)).toBe(403);
  await a.over;
});
