// Agents that ask a model: through the gateway, with a token in place of the key, metered and capped.
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import Docker from 'dockerode';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canaryPlaces } from '../support/canary.ts';
import { Gate } from '../support/model-server/gate.ts';
import type { Script } from '../support/model-server/script.ts';
import { ModelServer } from '../support/model-server/server.ts';
import { type Answer, Scratch } from '../support/scratch.ts';

const KEY = 'sk-test-canary-5f0d7c1e94b2a386';
const docker = new Docker();

let scratch: Scratch;
let server: ModelServer;

beforeEach(async () => {
  scratch = await Scratch.create();
});
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

/** An agent that asks the model once and keeps the answer; `more` is run after it. */
function asking(more = ''): string {
  const body = JSON.stringify({
    model: 'claude-sonnet-4-5',
    max_tokens: 64,
    messages: [{ role: 'user', content: 'hello' }],
  });
  const headers = `-H "x-api-key: $ANTHROPIC_API_KEY" -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json'`;
  return `curl -sS -m 60 ${headers} -d '${body}' "$ANTHROPIC_BASE_URL/v1/messages" > answer.json; cat answer.json; ${more}`;
}

async function begin(script: Script, command = asking()): Promise<void> {
  server = await ModelServer.start({ script, key: KEY });
  const folder = path.join(scratch.env.XDG_CONFIG_HOME ?? '', 'orchestrate');
  await mkdir(folder, { recursive: true });
  const engine = { command, env: ['ANTHROPIC_API_KEY', 'ANTHROPIC_BASE_URL'] };
  await writeFile(path.join(folder, 'config.yaml'), JSON.stringify({ engines: { asking: engine } }));
}

function run(...more: readonly string[]): Promise<Answer> {
  const env = { ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: server.url };
  return scratch.orchestrate(['run', '--engine', 'asking', '--json', ...more], { env });
}

interface Event {
  readonly type: string;
  readonly [key: string]: unknown;
}

function eventsOf(answer: Answer): Event[] {
  return answer.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Event);
}

interface Task {
  readonly status: string;
  readonly reason: string | null;
  readonly usage: { readonly inputTokens: number; readonly outputTokens: number; readonly usd: number | null };
  readonly attempts: readonly { readonly outcome: string; readonly egressDenied: readonly string[] }[];
  readonly patch: { readonly status: string } | null;
}

describe('an agent that asks the model', () => {
  it('is answered, counted, and never has the key anywhere', async () => {
    const gate = new Gate();
    await begin([{ text: 'from the model', gate, usage: { input: 100, output: 20 } }]);
    await scratch.must(['submit', 'Ask']);
    const running = run();
    await gate.arrived(1);
    expect(await canaryPlaces(scratch, KEY)).toEqual([]);
    gate.open();
    expect((await running).exitCode).toBe(0);

    expect(server.modelRequests[0]?.headers['x-api-key']).toBe(KEY);
    expect(await scratch.must(['patch', 'show', 'ask'])).toContain('from the model');
    const task = await scratch.json<Task>(['task', 'ask']);
    expect(task.usage).toMatchObject({ inputTokens: 100, outputTokens: 20 });
    expect(task.usage.usd).toBeCloseTo((100 * 3 + 20 * 15) / 1e6, 9);
    expect(await canaryPlaces(scratch, KEY)).toEqual([]);
    const left = await docker.listContainers({
      all: true,
      filters: { label: [`orchestrate=${await scratch.installation()}`] },
    });
    expect(left).toEqual([]);
  });

  it('gets nowhere else', async () => {
    const urls = ['/v1/files', '/v1/messages/../files', '/v1/messages?x=1', '/v1/responses', '/', '//evil/v1/messages'];
    const tries = urls.map(
      (url) =>
        `curl -s -o /dev/null -w '%{http_code} ${url}\\n' --path-as-is -H "x-api-key: $ANTHROPIC_API_KEY" -d '{}' "$ANTHROPIC_BASE_URL${url}" >> codes.txt`,
    );
    const others = [
      `curl -s -o /dev/null -w '%{http_code} own key\\n' -H 'x-api-key: sk-ant-attacker' -d '{}' "$ANTHROPIC_BASE_URL/v1/messages" >> codes.txt`,
      `curl -s -o /dev/null -w '%{http_code} proxy\\n' -x "http://a:$ANTHROPIC_API_KEY@127.0.0.1:47821" http://example.org/ >> codes.txt`,
      `curl -s -o /dev/null -w '%{http_connect} connect\\n' -x "http://a:$ANTHROPIC_API_KEY@127.0.0.1:47821" https://example.org/ >> codes.txt; true`,
    ];
    await begin([], [...tries, ...others].join('\n'));
    await scratch.must(['submit', 'Probe']);
    expect((await run()).exitCode).toBe(0);
    const codes = (await scratch.must(['patch', 'show', 'probe'])).match(/^\+\d{3} .*$/gm) ?? [];
    expect(codes).toHaveLength(urls.length + others.length);
    expect(codes.filter((line) => !/^\+4\d\d /.test(line))).toEqual([]);
    expect(server.requests.filter(({ method }) => method !== 'GET')).toEqual([]);
    const task = await scratch.json<Task>(['task', 'probe']);
    expect(task.attempts[0]?.egressDenied.join()).toContain('example.org');
    expect(await scratch.must(['task', 'probe'])).toContain('--allow example.org');
  });

  it('waits, held still, while the service wants it, and goes on by itself', async () => {
    await begin([{ status: 429, headers: { 'retry-after': '4' } }, { text: 'at last' }]);
    await scratch.must(['submit', 'Wait']);
    const answer = await run('--timeout', '60s');
    expect(answer.exitCode).toBe(0);
    const types = eventsOf(answer).map(({ type }) => type);
    expect(types).toContain('task.paused');
    expect(types.indexOf('task.resumed')).toBeGreaterThan(types.indexOf('task.paused'));
    expect(await scratch.must(['patch', 'show', 'wait'])).toContain('at last');
  });

  it('is ended by its budget, with its work kept', async () => {
    await begin([{ text: 'dear', usage: { input: 900, output: 60 } }], asking(`${asking()} sleep 60`));
    await scratch.must(['submit', 'Spend']);
    const answer = await run('--budget-tokens', '1000');
    expect(answer.exitCode).toBe(4);
    const task = await scratch.json<Task>(['task', 'spend']);
    expect(task).toMatchObject({ status: 'failed', reason: expect.stringContaining('--budget-tokens') });
    expect(task.attempts[0]?.outcome).toBe('budget');
    expect(task.patch?.status).toBe('salvaged');
  });
});

describe('before any agent starts', () => {
  async function refused(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<string> {
    await scratch.must(['submit', 'Ask']);
    const answer = await scratch.orchestrate(['run', '--engine', 'asking', '--json', ...args], { env });
    const { code } = (JSON.parse(answer.stderr.trim().split('\n').at(-1) ?? '') as { error: { code: string } }).error;
    const [attempt] = (await scratch.json<Task>(['task', 'ask'])).attempts;
    expect(attempt).toBeUndefined();
    return `${answer.exitCode} ${code}`;
  }

  it('a key that the service refuses ends the run', async () => {
    await begin([]);
    const env = { ANTHROPIC_API_KEY: 'sk-test-0123456789', ANTHROPIC_BASE_URL: server.url };
    expect(await refused(env)).toBe('3 KEY_REFUSED');
  });

  it('so does a service that cannot be reached', async () => {
    await begin([]);
    const { url } = server;
    await server[Symbol.asyncDispose]();
    expect(await refused({ ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: url })).toBe('3 UPSTREAM_UNREACHABLE');
  });

  it('so do a missing key and one that is none', async () => {
    await begin([]);
    expect(await refused({})).toBe('3 NO_KEY');
    const answer = await scratch.orchestrate(['run', '--engine', 'asking', '--json'], {
      env: { ANTHROPIC_API_KEY: 'not a key', ANTHROPIC_BASE_URL: server.url },
    });
    expect(answer).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('BAD_KEY') });
    expect(answer.stderr).not.toContain('not a key');
  });
});
