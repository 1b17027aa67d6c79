// What goes wrong around agents that ask models: killed gateways and coordinators, refused keys, budgets, limits.
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Usage } from '../../src/types.ts';
import { leftInDocker } from '../support/endurance.ts';
import { containersOf, stateNow, until } from '../support/killed-run.ts';
import { Gate } from '../support/model-server/gate.ts';
import { answersSoFar, items, type ModelRequest, type Turn } from '../support/model-server/script.ts';
import { ModelServer } from '../support/model-server/server.ts';
import { shellCall } from '../support/model-server/shell-call.ts';
import { CLI, Scratch } from '../support/scratch.ts';

const KEY = 'sk-test-trouble-6c1f0b7a2d9e4853';
const MODEL = 'claude-sonnet-5-5';

let scratch: Scratch;
let server: ModelServer;

beforeEach(async () => {
  scratch = await Scratch.create();
  server = await ModelServer.start({ script: [], key: KEY });
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

interface Event {
  readonly type: string;
  readonly [key: string]: unknown;
}

interface Task {
  readonly status: string;
  readonly reason: string | null;
  readonly usage: Usage;
  readonly attempts: readonly { readonly outcome: string | null }[];
}

function run(...more: readonly string[]) {
  const args = [CLI, 'run', '--engine', 'api', '--model', MODEL, '--json', ...more];
  const env = { ...scratch.env, ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: server.url };
  return execa(process.execPath, args, { cwd: scratch.repository, extendEnv: false, reject: false, env });
}

async function submit(...titles: readonly string[]): Promise<void> {
  for (const title of titles) await scratch.must(['submit', '--title', title, title]);
}

function eventsOf(stdout: string): Event[] {
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Event);
}

async function killGateway(): Promise<void> {
  const [name = ''] = await containersOf(scratch, 'status=running', 'label=orchestrate.kind=gateway');
  await execa('docker', ['kill', name]);
}

async function paused(task: string): Promise<void> {
  await until(async () => stateNow(scratch, task) === 'paused');
}

/** Calls the shell so many times, each call writing its number down, then says that it is done. */
function counting(calls: number, command = (n: number) => `echo ${n} >> calls.txt`) {
  return (request: ModelRequest): Turn => {
    const n = answersSoFar(request) + 1;
    // The claude program asks for a title as well.
    if (n > calls || items(request.body.tools).length === 0) return { text: 'All done.' };
    return { text: `Call ${n}.`, tools: [shellCall(request, command(n))] };
  };
}

/** What the calls wrote down, as the patch has it. */
async function written(task: string): Promise<number[]> {
  return ((await scratch.must(['patch', 'show', task])).match(/^\+\d+$/gm) ?? []).map(Number);
}

function upTo(most: number): number[] {
  return Array.from({ length: most }, (_, at) => at + 1);
}

describe('a coordinator and a gateway that are killed together', () => {
  it('leave the run that goes on for theirs no more than what is left of the budget', async () => {
    const budget = 0.5;
    const gate = new Gate();
    // Each answer costs $0.10; so may the one that nobody saw the end of.
    const usage = { input: 0, output: 10_000 };
    const calling = counting(20);
    server.script = (request) => ({ ...calling(request), usage, ...(answersSoFar(request) === 1 ? { gate } : {}) });
    await submit('Count');
    const flags = ['--budget-usd', String(budget)];
    const first = run(...flags);
    await gate.arrived(1);
    first.kill('SIGKILL');
    await killGateway();
    await first;
    gate.open();
    const { exitCode, stdout } = await run(...flags);
    expect(exitCode).toBe(4);
    const said = eventsOf(stdout).flatMap(({ message }) => (typeof message === 'string' ? [message] : []));
    expect(said.join('\n')).toMatch(/goes on for run \w+, which was cut off: \$0\.10 of \$0\.50 is spent/);
    const asked = server.modelRequests.length;
    expect(asked).toBeGreaterThanOrEqual(2);
    expect((asked * usage.output * 10) / 1e6).toBeLessThanOrEqual(budget);
    expect((await scratch.json<Task>(['task', 'count'])).status).toBe('failed');
    expect(await leftInDocker(scratch)).toEqual(['volume store']);
  });
});

describe('a gateway that is killed', () => {
  it('costs neither a call, nor the count of what was used, nor the task', async () => {
    const gate = new Gate();
    const calling = counting(3, (n) => `echo ${n} >> calls.txt${n === 2 ? '; sleep 3' : ''}`);
    const usage = { input: 1_000, output: 50 };
    server.script = (request) => ({ ...calling(request), usage, ...(request.turn === 1 ? { gate } : {}) });
    await submit('Count');
    const running = run();
    const said = new Promise<void>((resolve) => {
      running.stdout.on('data', (data) => String(data).includes('sleep 3') && resolve());
    });
    await gate.arrived(1);
    // Once in the middle of an answer …
    gate.release(3);
    await gate.arrived(4);
    await killGateway();
    gate.open();
    // … and once in the middle of a call.
    await said;
    await killGateway();
    const { exitCode, stderr } = await running;
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    expect(await written('count')).toEqual([1, 2, 3]);
    const { usage: used, attempts } = await scratch.json<Task>(['task', 'count']);
    expect(attempts).toMatchObject([{ outcome: 'succeeded' }]);
    expect(used.inputTokens).toBeGreaterThanOrEqual(4 * usage.input);
    expect(await leftInDocker(scratch)).toEqual(['volume store']);
  });

  it('does not hold agents for ever that it had told to wait', async () => {
    server.script = (request) =>
      request.turn === 1 ? { status: 429, headers: { 'retry-after': '5' } } : counting(1)(request);
    await submit('Count');
    const running = run();
    await paused('count');
    await killGateway();
    expect((await running).exitCode).toBe(0);
    expect(await written('count')).toEqual([1]);
  });
});

describe('a coordinator that is killed', () => {
  it('has its agent go on: no call that was made is made again', async () => {
    server.script = counting(30);
    await submit('Count');
    const first = run();
    await server.received((request) => 'turn' in request && server.modelRequests.length >= 14);
    first.kill('SIGKILL');
    await first;
    const before = await containersOf(scratch, 'label=orchestrate.kind=agent');
    expect(before).toHaveLength(1);
    const again = await run();
    expect(again.exitCode).toBe(0);
    expect(eventsOf(again.stdout).map(({ type }) => type)).not.toContain('task.started');
    expect(await written('count')).toEqual(upTo(30));
    expect((await scratch.json<Task>(['task', 'count'])).attempts).toMatchObject([{ outcome: 'succeeded' }]);
    expect(await leftInDocker(scratch)).toEqual(['volume store']);
  });

  it('finds the claude program waiting for it', async () => {
    const gate = new Gate();
    const calling = counting(3);
    server.script = (request) => ({ ...calling(request), ...(answersSoFar(request) === 1 ? { gate } : {}) });
    await submit('Count');
    const first = run('--engine', 'claude');
    await gate.arrived(1);
    first.kill('SIGKILL');
    await first;
    gate.open();
    const again = await run('--engine', 'claude');
    expect(again.exitCode).toBe(0);
    expect(await written('count')).toEqual([1, 2, 3]);
    expect((await scratch.json<Task>(['task', 'count'])).attempts).toMatchObject([{ outcome: 'succeeded' }]);
    expect(await leftInDocker(scratch)).toEqual(['volume store']);
  });
});

describe('an agent that waits', () => {
  it('goes on with the next coordinator when its own is killed', async () => {
    server.script = (request) =>
      request.turn === 1 ? { status: 429, headers: { 'retry-after': '6' } } : counting(1)(request);
    await submit('Count');
    const first = run('--engine', 'claude');
    await paused('count');
    first.kill('SIGKILL');
    await first;
    const { exitCode, stderr } = await run('--engine', 'claude');
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    expect((await scratch.json<Task>(['task', 'count'])).attempts).toMatchObject([{ outcome: 'succeeded' }]);
  });
});

describe('several agents at once', () => {
  it('all stop when the service refuses the key, once, and their tasks wait', async () => {
    const calling = counting(30);
    server.script = (request) => (request.turn > 4 ? { status: 401, message: 'invalid x-api-key' } : calling(request));
    await submit('One', 'Two', 'Three');
    const { exitCode, stderr } = await run('--max-agents', '2');
    expect(exitCode).toBe(3);
    expect(stderr.match(/KEY_REFUSED/g)).toHaveLength(1);
    const { tasks } = await scratch.json<{ tasks: readonly Task[] }>(['status']);
    expect(tasks.map(({ status }) => status)).toEqual(['queued', 'queued', 'queued']);
    expect(await leftInDocker(scratch)).toEqual(['volume store']);
  });

  it('together stay within the budget of the run and the task', async () => {
    const calling = counting(1_000);
    // 0.05 dollars each.
    server.script = (request) => ({
      ...calling(request),
      usage: { input: 5_000, output: 4_000, cacheRead: 0, cacheWrite: 0 },
    });
    await submit('One', 'Two', 'Three');
    const { exitCode } = await run('--budget-usd', '0.6', '--task-budget-usd', '0.35');
    expect(exitCode).toBe(4);
    const { tasks } = await scratch.json<{ tasks: readonly Task[] }>(['status']);
    const spent = tasks.map(({ usage }) => usage.usd ?? Number.NaN);
    expect(Math.max(...spent)).toBeLessThanOrEqual(0.35 + 0.05);
    const inAll = spent.reduce((sum, one) => sum + one, 0);
    expect(inAll).toBeGreaterThan(0.4);
    expect(inAll).toBeLessThanOrEqual(0.6 + 0.05);
    expect(server.modelRequests.length * 0.05).toBeCloseTo(inAll, 2);
  });

  it('all wait when the service wants it, in time of nobody, and go on by themselves', async () => {
    server.script = (request) =>
      request.turn === 1 ? { status: 429, headers: { 'retry-after': '12' } } : counting(1)(request);
    await submit('One', 'Two', 'Three');
    const running = run('--timeout', '11s');
    let waiting: readonly Task[] = [];
    await until(async () => {
      const { tasks } = await scratch.json<{ tasks: readonly Task[] }>(['status']);
      waiting = tasks.filter(({ status }) => status === 'paused');
      return waiting.length === 3;
    });
    for (const { reason } of waiting) expect(reason).toMatch(/until (\d{4}-\d\d-\d\d )?\d\d:\d\d$/);
    const { exitCode, stdout } = await running;
    expect(exitCode).toBe(0);
    expect(eventsOf(stdout).filter(({ type }) => type === 'task.resumed')).toHaveLength(3);
  });
});

it('a budget in dollars with a model whose price nobody knows is refused before anything starts', async () => {
  await submit('One');
  const { exitCode, stderr } = await run('--model', 'unknown-model', '--budget-usd', '1');
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('UNKNOWN_PRICE') });
  expect(server.requests).toEqual([]);
});
