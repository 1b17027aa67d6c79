// The engines that ask models, through the command line, in real sandboxes, against scripted services.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Usage } from '../../src/types.ts';
import { canaryPlaces } from '../support/canary.ts';
import { obedient } from '../support/model-server/obedient.ts';
import { ModelServer } from '../support/model-server/server.ts';
import { type Answer, Scratch } from '../support/scratch.ts';

const KEY = 'sk-test-canary-91c4e7d20a5b3f68';
const ENGINES = [
  { engine: 'api', variable: 'ANTHROPIC', model: 'claude-sonnet-5-5' },
  { engine: 'claude', variable: 'ANTHROPIC', model: 'claude-sonnet-5-5' },
  { engine: 'codex', variable: 'OPENAI', model: 'gpt-6-sol' },
] as const;

let scratch: Scratch;
let server: ModelServer;

beforeEach(async () => {
  scratch = await Scratch.create({ 'README.md': '# Sample\n', 'AGENTS.md': 'Always greet in lower case.\n' });
  server = await ModelServer.start({ script: obedient, key: KEY });
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

function task(...lines: readonly string[]): string {
  return ['Greet the world', '', '```sh', ...lines, '```', ''].join('\n');
}

function run({ engine, variable, model }: (typeof ENGINES)[number], ...more: readonly string[]): Promise<Answer> {
  const env = { [`${variable}_API_KEY`]: KEY, [`${variable}_BASE_URL`]: server.url };
  return scratch.orchestrate(['run', '--engine', engine, '--model', model, '--json', ...more], { env });
}

interface Task {
  readonly status: string;
  readonly reason: string | null;
  readonly usage: Usage;
  readonly attempts: readonly { readonly outcome: string; readonly summary: string | null }[];
}

describe.each(ENGINES)('the engine $engine', (which) => {
  it('does a task: its edits are a patch, its words a transcript, its tokens are counted, its key is nowhere', async () => {
    await scratch.must(['submit', '--title', 'Greet', task('printf "hello\\n" > greeting.txt', 'env | sort')]);
    const answer = await run(which);
    expect(answer).toMatchObject({ exitCode: 0 });
    expect(await scratch.must(['patch', 'show', 'greet'])).toContain('+hello');
    const done = await scratch.json<Task>(['task', 'greet']);
    expect(done.attempts).toMatchObject([{ outcome: 'succeeded' }]);
    const { inputTokens, cacheReadTokens, cacheWriteTokens } = done.usage;
    expect(inputTokens + cacheReadTokens + cacheWriteTokens).toBeGreaterThan(0);
    expect(done.usage.outputTokens).toBeGreaterThan(0);
    expect(done.usage.usd).toBeGreaterThan(0);
    const said = await scratch.must(['logs', 'greet']);
    expect(said).toMatch(/^I do what the task says\.$/m);
    expect(said).not.toContain('{"type"');
    expect(answer.stdout).toMatch(/"type":"agent.tool"/);
    expect(await canaryPlaces(scratch, KEY)).toEqual([]);
    expect(answer.stdout + answer.stderr).not.toContain(KEY);
  });

  it('ends a task as failed, with a reason, where the service refuses what it asks', async () => {
    server.script = () => ({ status: 400, message: 'the model does not like this' });
    await scratch.must(['submit', '--title', 'Greet', task('true')]);
    expect((await run(which)).exitCode).toBe(1);
    const failed = await scratch.json<Task>(['task', 'greet']);
    expect(failed).toMatchObject({ status: 'failed', reason: expect.stringContaining('does not like this') });
  });

  it('stops at the task budget, with what was done kept', async () => {
    server.script = (request) => ({ ...obedient(request), usage: { input: 300_000, output: 1_000 } });
    await scratch.must(['submit', '--title', 'Greet', task('printf "hello\\n" > greeting.txt')]);
    await run(which, '--task-budget-usd', '0.5');
    const spent = await scratch.json<Task & { patch: { status: string } | null }>(['task', 'greet']);
    expect(spent.attempts).toMatchObject([{ outcome: 'budget' }]);
    expect(spent.reason).toContain('--task-budget-usd');
    expect(spent.patch?.status ?? 'salvaged').toBe('salvaged');
  });
});

describe('the engine that nobody named', () => {
  it('is found by the keys there are', async () => {
    await scratch.must(['submit', '--title', 'Greet', task('printf "hello\\n" > greeting.txt')]);
    const env = { OPENAI_API_KEY: KEY, OPENAI_BASE_URL: `${server.url}/v1` };
    const answer = await scratch.orchestrate(['run', '--json'], { env });
    expect(answer).toMatchObject({ exitCode: 0 });
    expect(server.modelRequests[0]?.path).toBe('/v1/responses');
  });

  it('is none without a key, and not the demo', async () => {
    await scratch.must(['submit', '--title', 'Greet', task('true')]);
    const answer = await scratch.orchestrate(['run', '--json']);
    expect(answer).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('NO_ENGINE') });
  });
});
