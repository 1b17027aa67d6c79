// The real `claude` and `codex` programs plan, each in a sandbox of its own, against a scripted model.

import { PassThrough } from 'node:stream';
import Docker from 'dockerode';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Context } from '../../cli/context.ts';
import { plannerOf } from '../../cli/planner.ts';
import { createContext } from '../../cli/wire.ts';
import type { Planner } from '../../src/plan/planner.ts';
import { answered, groundOf, planJson } from '../support/model-plans.ts';
import { Gate } from '../support/model-server/gate.ts';
import { answersSoFar, type ModelRequest, type Script, saidTo, type Turn } from '../support/model-server/script.ts';
import { ModelServer } from '../support/model-server/server.ts';
import { shellCall } from '../support/model-server/shell-call.ts';
import { Scratch } from '../support/scratch.ts';

const KEY = 'sk-test-canary-planner-77c1';
const GROUND = groundOf('Add a login');
const TASKS = [answered('api'), answered('page', { dependsOn: ['api'] })];
const CIRCLE = [answered('a', { dependsOn: ['b'] }), answered('b', { dependsOn: ['a'] })];

const docker = new Docker();
const stop = new AbortController().signal;
let scratch: Scratch;
let server: ModelServer;
let context: Context;

beforeEach(async () => {
  scratch = await Scratch.create({ 'README.md': '# Sample\n', 'src/app.ts': 'export {};\n' });
  server = await ModelServer.start({ script: [], key: KEY });
});
afterEach(async () => {
  context.close();
  await server[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

async function planner(engine: 'claude' | 'codex', script: Script, flags = {}): Promise<Planner> {
  server.script = script;
  const keys = { ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: server.url };
  const others = { OPENAI_API_KEY: KEY, OPENAI_BASE_URL: server.url };
  const env = { ...scratch.env, ...(engine === 'claude' ? keys : others) };
  const streams = { in: process.stdin, out: process.stdout, err: new PassThrough() as unknown as NodeJS.WriteStream };
  context = createContext(
    { ...streams, env, cwd: scratch.repository },
    { repo: null, json: false, color: false, verbose: false, quiet: true },
  );
  const { settings } = await context.settings({ engine, ...flags }, { trust: true });
  return plannerOf(context, settings);
}

/** The answer as the program gives it: by a tool where it has one for that, else as its last message. */
function answer(request: ModelRequest, tasks: readonly unknown[]): Turn {
  const tools = JSON.stringify(request.body.tools ?? []);
  if (!tools.includes('StructuredOutput')) return { text: planJson(tasks) };
  return { tools: [{ name: 'StructuredOutput', input: { approach: 'Step by step.', tasks } }] };
}

/** Containers and volumes of the repository. */
async function inDocker(): Promise<string[]> {
  const filters = { label: [`orchestrate=${await scratch.installation()}`] };
  const [containers, { Volumes: volumes }] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listVolumes({ filters }),
  ]);
  return [...containers.flatMap(({ Names }) => Names), ...volumes.map(({ Name }) => Name)];
}

describe('claude', () => {
  it('looks at the repository with nothing to write with, plans, and leaves nothing', async () => {
    const thinking = await planner('claude', (request) => {
      const look = { name: 'Read', input: { file_path: '/workspace/src/app.ts' } };
      return answersSoFar(request) === 0 ? { tools: [look] } : answer(request, TASKS);
    });
    const plan = await thinking.plan(GROUND, stop);
    expect(plan.planner).toBe('claude');
    expect(plan.tasks.map(({ key, dependsOn }) => [key, dependsOn])).toEqual([
      ['api', []],
      ['page', ['api']],
    ]);
    const [first, second] = server.modelRequests;
    expect(saidTo(second ?? expect.fail())).toContain('export {};');
    expect(JSON.stringify(first?.body.tools)).not.toMatch(/"name":"(Bash|Edit|Write|NotebookEdit|WebFetch)"/);
    expect(thinking.used?.usd).toBeGreaterThan(0);
    expect(await inDocker()).toEqual([]);
  });

  it('is refused with a plan that goes in circles, also when it was told', async () => {
    const thinking = await planner('claude', (request) => answer(request, CIRCLE));
    await expect(thinking.plan(GROUND, stop)).rejects.toMatchObject({ code: 'PLAN_REFUSED' });
    expect(saidTo(server.modelRequests.at(-1) ?? expect.fail())).toContain('Your answer cannot be used');
    expect(await inDocker()).toEqual([]);
  });

  it('stops when it is told to, in a place of its own until then', async () => {
    const gate = new Gate();
    const stopping = new AbortController();
    const thinking = await planner('claude', (request) => ({ ...answer(request, TASKS), gate }));
    const planning = thinking.plan(GROUND, stopping.signal);
    planning.catch(() => {});
    await Promise.race([gate.arrived(1), planning]);
    // What a run beside it has is named by the repository alone.
    const installation = await scratch.installation();
    const names = await inDocker();
    expect(names).not.toContain(`/orchestrate-${installation}-gateway`);
    expect(names).toContainEqual(expect.stringMatching(/^\/orchestrate-\w+-gateway-\w+$/));
    stopping.abort(new Error('Ctrl-C'));
    await expect(planning).rejects.toThrow('Ctrl-C');
    expect(await inDocker()).toEqual([]);
    gate.open();
  });

  it('does not spend more than the budget of it all', async () => {
    const thinking = await planner('claude', (request) => answer(request, TASKS), { 'budget-tokens': '10' });
    await expect(thinking.plan(GROUND, stop)).rejects.toMatchObject({ kind: 'limit', code: 'OVER_BUDGET' });
    expect(server.modelRequests).toEqual([]);
  });
});

describe('codex', () => {
  it.each(['overlay', 'copy'])('cannot write the repository (%s), plans, and leaves nothing', async (workspace) => {
    const script: Script = (request) =>
      answersSoFar(request) === 0
        ? { tools: [shellCall(request, 'touch /workspace/made; cat src/app.ts')] }
        : answer(request, TASKS);
    const thinking = await planner('codex', script, { workspace });
    const plan = await thinking.plan(GROUND, stop);
    expect(plan).toMatchObject({ planner: 'codex', tasks: [{ key: 'api' }, { key: 'page' }] });
    const asked = JSON.stringify(server.modelRequests.at(-1)?.body);
    expect(asked).toContain('Read-only file system');
    expect(asked).toContain('export {};');
    expect(await inDocker()).toEqual([]);
  });

  it('is ended when it fills the disk', async () => {
    const fill = 'head -c 200000000 /dev/zero >~/big; sleep 60';
    const script: Script = (request) =>
      answersSoFar(request) === 0 ? { tools: [shellCall(request, fill)] } : answer(request, TASKS);
    const thinking = await planner('codex', script, { disk: '64m' });
    await expect(thinking.plan(GROUND, stop)).rejects.toMatchObject({ message: expect.stringContaining('--disk') });
    expect(server.modelRequests).toHaveLength(1);
    expect(await inDocker()).toEqual([]);
  });
});
