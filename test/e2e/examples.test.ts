// The example scripts, as a person starts them: what they promise is true afterwards, and nothing is left in Docker.

import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import Docker from 'dockerode';
import { execa } from 'execa';
import { describe, expect, it, vi } from 'vitest';
import { openStateForReading } from '../../src/state/state.ts';
import { planningModel } from '../support/model-plans.ts';
import { answersSoFar, type Script, saidTo } from '../support/model-server/script.ts';
import { ModelServer } from '../support/model-server/server.ts';
import { CLI, Scratch } from '../support/scratch.ts';

const EXAMPLES = path.resolve(import.meta.dirname, '../../examples');
const KEY = 'sk-test-examples-1';

// They wait more than they compute, and share nothing but images.
vi.setConfig({ maxConcurrency: 2 });

/** A person at a machine of their own: `orchestrate` on the PATH, a place for samples, and no key. */
class Desk implements AsyncDisposable {
  private constructor(
    readonly scratch: Scratch,
    readonly temporary: string,
  ) {}

  static async create(): Promise<Desk> {
    const scratch = await Scratch.create();
    const temporary = path.join(scratch.folder, 'a path with spaces');
    await mkdir(temporary);
    await mkdir(path.join(scratch.folder, 'bin'));
    await symlink(CLI, path.join(scratch.folder, 'bin/orchestrate'));
    return new Desk(scratch, temporary);
  }

  /** Runs a script without a terminal, from a folder that is no repository. */
  async start(name: string, { args = [], cwd = this.temporary, env = {} }: How = {}): Promise<Ran> {
    const { exitCode, stdout, all } = await execa(path.join(EXAMPLES, `${name}.sh`), args, {
      ...{ cwd, extendEnv: false, reject: false, stdin: 'ignore', all: true },
      env: {
        ...this.scratch.env,
        PATH: `${path.join(this.scratch.folder, 'bin')}:${this.scratch.env.PATH}`,
        TMPDIR: this.temporary,
        ...env,
      },
    });
    return { exitCode: exitCode ?? -1, stdout, all };
  }

  /** What is there after a script that has to succeed. */
  async finish(
    name: string,
    how: How = {},
  ): Promise<Ran & { readonly sample: string; readonly tasks: readonly Task[] }> {
    const ran = await this.start(name, how);
    expect(ran, ran.all).toMatchObject({ exitCode: 0 });
    const [folder = ''] = await readdir(this.temporary);
    const sample = path.join(this.temporary, folder, 'shop');
    expect(await leftInDocker(sample)).toEqual([]);
    const { tasks } = await this.scratch.json<{ tasks: readonly Task[] }>(['status', '--repo', sample]);
    expect(tasks.filter(({ status, patch }) => status !== 'succeeded' || patch === null)).toEqual([]);
    return { ...ran, sample, tasks };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.scratch[Symbol.asyncDispose]();
  }
}

interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly all: string;
}

interface How {
  readonly args?: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

interface Task {
  readonly id: string;
  readonly agent: string;
  readonly priority: string;
  readonly status: string;
  readonly phase: number;
  readonly patch: { readonly status: string } | null;
}

/** Containers and volumes of a repository's own; throws where nothing was ever queued. */
async function leftInDocker(repository: string): Promise<readonly string[]> {
  const state = openStateForReading(path.join(repository, '.git/orchestrate'));
  if (state === null) throw new Error(`${repository} has no state`);
  const filters = { label: [`orchestrate=${state.installation}`] };
  state.close();
  const docker = new Docker();
  const containers = await docker.listContainers({ all: true, filters });
  const { Volumes: volumes } = await docker.listVolumes({ filters });
  return [...containers.map(({ Id }) => Id), ...(volumes ?? []).map(({ Name }) => Name)];
}

function tasksByPhase(tasks: readonly Task[]): readonly number[] {
  const phases = Math.max(...tasks.map(({ phase }) => phase));
  return Array.from({ length: phases }, (_, at) => tasks.filter(({ phase }) => phase === at + 1).length);
}

describe.concurrent('with the demo engine', () => {
  it.each([
    ['web_app', 5],
    ['etl_pipeline', 4],
    ['ml_system', 4],
    ['microservices', 5],
    ['overnight', 4],
  ])('%s ends with all of its %d phases done, each task with a patch to review', async (name, phases) => {
    await using desk = await Desk.create();
    const { tasks, stdout } = await desk.finish(name);
    const byPhase = tasksByPhase(tasks);
    expect(byPhase).toHaveLength(phases);
    expect(stdout).toContain(`phase ${phases}: ${byPhase.at(-1)} of ${byPhase.at(-1)} done`);
    expect(new Set(tasks.map(({ patch }) => patch?.status))).toEqual(new Set(['pending']));
    expect(new Set(tasks.map(({ agent }) => agent)).size).toBeGreaterThan(2);
    expect(stdout).toMatch(/== next\n {2}cd .*shop\n {2}orchestrate /);
  });

  it('quick_feature gives one urgent task to the specialist that it names', async () => {
    await using desk = await Desk.create();
    const { tasks } = await desk.finish('quick_feature');
    expect(tasks).toMatchObject([
      { agent: 'backend-systems-engineer', priority: 'high', patch: { status: 'pending' } },
    ]);
  });

  it('hotfix ends with the fix as a commit of the sample', async () => {
    await using desk = await Desk.create();
    const { tasks, sample } = await desk.finish('hotfix');
    expect(tasks).toMatchObject([{ id: 'payment-leak-fix', priority: 'high', patch: { status: 'merged' } }]);
    const { stdout } = await execa('git', ['log', '--name-only', '--format=%s'], { cwd: sample });
    expect(stdout).toContain('demo/payment-leak-fix.md');
  });

  it('hotfix --here leaves it to the person what goes into their branch', async () => {
    await using desk = await Desk.create();
    const head = await desk.scratch.git('rev-parse', 'HEAD');
    const { exitCode, stdout } = await desk.start('hotfix', { args: ['--here'], cwd: desk.scratch.repository });
    expect(exitCode).toBe(0);
    expect(stdout).toContain('orchestrate merge');
    expect(await desk.scratch.git('rev-parse', 'HEAD')).toBe(head);
    expect(await desk.scratch.git('status', '--porcelain')).toBe('');
    expect(await readdir(desk.temporary)).toEqual([]);
  });
});

describe.concurrent('with a key', () => {
  /** Plans the goal that it knows; as an agent leaves a file and ends. */
  const thinking: Script = (request) => {
    if (saidTo(request).includes('<goal>\n')) return planningModel(request);
    if (answersSoFar(request) > 0) return { tools: [{ name: 'finish', input: { summary: 'done' } }] };
    return { tools: [{ name: 'bash', input: { command: 'echo made > "$ORCHESTRATE_TASK_ID.txt"' } }] };
  };

  it('etl_pipeline lets the model plan and work', async () => {
    await using desk = await Desk.create();
    await using server = await ModelServer.start({ script: thinking, key: KEY });
    const env = { ENGINE: 'api', ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: server.url };
    const { tasks } = await desk.finish('etl_pipeline', { env });
    const ids = ['do-data-model', 'do-quality', 'do-schedule', 'do-transform', 'do-triggers'];
    expect(tasks.map(({ id }) => id).sort()).toEqual(ids);
    expect(tasksByPhase(tasks)).toEqual([2, 2, 1]);
  });

  it('quick_feature finds the key in the file of the user', async () => {
    await using desk = await Desk.create();
    await using server = await ModelServer.start({ script: thinking, key: KEY });
    const folder = path.join(desk.scratch.env.XDG_CONFIG_HOME ?? '', 'orchestrate');
    await mkdir(folder, { recursive: true });
    const lines = `ANTHROPIC_API_KEY=${KEY}\nANTHROPIC_BASE_URL=${server.url}\n`;
    await writeFile(path.join(folder, '.env'), lines, { mode: 0o600 });
    const { stdout } = await desk.finish('quick_feature');
    expect(stdout).toContain('engine: by key');
    expect(server.modelRequests).toHaveLength(2);
  });
});

describe.concurrent('an example', () => {
  it('refuses what it does not know, and makes nothing', async () => {
    await using desk = await Desk.create();
    expect(await desk.start('web_app', { args: ['--hree'] })).toMatchObject({ exitCode: 2 });
    expect(await readdir(desk.temporary)).toEqual([]);
  });

  it('says so where there is no orchestrate', async () => {
    await using desk = await Desk.create();
    const { exitCode, all } = await desk.start('web_app', { env: { PATH: '/usr/bin:/bin' } });
    expect(exitCode).toBe(3);
    expect(all).toContain('orchestrate is not on the PATH');
  });
});
