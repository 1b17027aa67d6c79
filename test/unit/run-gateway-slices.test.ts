// Two hosts of one run: the real gateways, each with its slice of one budget.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { SandboxHost } from '../../src/sandbox/sandbox.ts';
import { BudgetSlices } from '../../src/tasks/budget-slices.ts';
import { openRunGateway, type RunGateway, type UsedBefore } from '../../src/tasks/gateway.ts';
import { type AttemptId, NO_USAGE, type Spent, tokensOf, type Usage } from '../../src/types.ts';
import { configuration, LocalGateway, MODEL } from '../support/gateway.ts';
import { Gate } from '../support/model-server/gate.ts';
import { ModelServer } from '../support/model-server/server.ts';

const CAPS = { usd: null, tokens: 10_000 };
const NOTHING: Spent = { usd: 0, tokens: 0 };
const UNUSED: UsedBefore = { usage: NO_USAGE, unsettled: NOTHING };

let service: ModelServer;
let ledger: BudgetSlices;
let a: Host;
let b: Host;

interface Told {
  readonly used: number;
  readonly unsettled: number;
}

/** A host of the run, with one agent on it. */
class Host implements AsyncDisposable {
  readonly runBudget: string[] = [];
  /** Resolves when its agent is told that the budget is used up. */
  readonly over: Promise<string>;
  readonly attempt: AttemptId;
  /** What the coordinator was told of its agent's requests. */
  #told: Told = { used: 0, unsettled: 0 };
  #onTold = (): void => {};
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
      configuration: configuration(service.url, { caps: CAPS }),
      dial: () => Promise.reject(new Error('nothing is dialled from here')),
    };
    const host: Partial<SandboxHost> = { openGateway: async () => this.program.transport(), mayHoldKeys: true };
    const gateway = await openRunGateway(host as SandboxHost, options, { ledger, name: this.name });
    this.#gateway = gateway;
    gateway.listen({
      onRunBudget: (reason) => this.runBudget.push(reason),
      onUnusable: () => {},
      onWarning: () => {},
    });
    const tell = (news: Partial<Told>): void => {
      this.#told = { ...this.#told, ...news };
      this.#onTold();
    };
    const hooks = {
      ...{ onActive() {}, onDenied() {}, onPause() {}, onResume() {} },
      onUsage: (total: Usage) => tell({ used: tokensOf(total) }),
      onUnsettled: ({ tokens }: Spent) => tell({ unsettled: tokens }),
      onBudget: this.#isOver,
    };
    this.#token = (await gateway.admit(this.attempt, hooks, used)).token;
  }

  /** Resolves when the coordinator was told that much. */
  async told(isEnough: (told: Told) => boolean): Promise<void> {
    while (!isEnough(this.#told)) {
      await new Promise<void>((resolve) => {
        this.#onTold = resolve;
      });
    }
  }

  async retire(): Promise<void> {
    await this.#gateway?.retire();
    await this.leave();
  }

  /** The coordinator goes; the gateway and its agents stay. */
  async leave(): Promise<void> {
    await this.#gateway?.[Symbol.asyncDispose]();
  }

  /** The gateway is killed; resolves when the next one does its work. */
  async restart(): Promise<void> {
    await this.program.restart();
    await this.tryKey();
  }

  async tryKey(): Promise<void> {
    await this.#gateway?.tryKey('anthropic');
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
  service = await ModelServer.start({ script: [] });
  answer(4_000);
  ledger = new BudgetSlices(CAPS, NOTHING);
  [a, b] = await Promise.all([Host.start('a'), Host.start('b')]);
});

afterEach(async () => {
  await Promise.all([a, b].map((host) => host[Symbol.asyncDispose]()));
  await service[Symbol.asyncDispose]();
});

/** So many tokens are used by each request from here on. */
function answer(output: number): void {
  service.script = () => ({ text: 'Hello.', usage: { input: 0, output } });
}

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

it('what a gateway had spent when it was killed counts once, with what was under way then', async () => {
  expect(await a.ask(4_500)).toBe(200);
  await a.told(({ used, unsettled }) => used === 4_000 && unsettled === 0);
  await a.restart();
  answer(3_000);
  // 6,000 are left: it takes what lies idle at the one that was started anew.
  expect(await b.ask(5_800)).toBe(200);
  const gate = gated();
  const cut = a.ask(1_500).catch(() => 0);
  await gate.arrived(1);
  await a.told(({ unsettled }) => unsettled >= 1_500);
  const wants = vi.spyOn(ledger, 'wants');
  const waiting = b.ask(2_000);
  await vi.waitUntil(() => wants.mock.calls.some(([name]) => name === 'b'));
  // What is under way on the other host was asked for before this.
  await a.tryKey();
  await a.restart();
  gate.open();
  await cut;
  expect(await waiting).toBe(403);
});

it('a coordinator that takes over counts what a gateway counted meanwhile, and what was written down of one that is gone', async () => {
  expect(await a.ask(4_500)).toBe(200);
  await Promise.all([a.leave(), b.leave()]);
  await b.program.restart();
  // Nothing is written down of what a's agent used.
  const written = { usage: { ...NO_USAGE, outputTokens: 4_000 }, unsettled: { usd: 0, tokens: 500 } };
  ledger = new BudgetSlices(CAPS, { usd: 0, tokens: 4_000 });
  await a.begin(UNUSED);
  await b.begin(written);
  await b.restart();
  answer(500);
  expect(await b.ask(600)).toBe(200);
  expect(await a.ask(800)).toBe(200);
  expect(await b.ask(500)).toBe(403);
  await a.over;
});

it('a host that is let go gives back what it did not use', async () => {
  expect(await a.ask(4_500)).toBe(200);
  await a.retire();
  answer(3_000);
  expect(await b.ask(5_800)).toBe(200);
  expect(ledger.left('tokens')).toBeLessThanOrEqual(3_000);
});
