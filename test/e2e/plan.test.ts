// `plan` and `submit --decompose` without a terminal: what is printed, what is stored, what is refused.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stateOf } from '../support/queue.ts';
import { Scratch } from '../support/scratch.ts';

const GOAL = 'Add OAuth2 authentication to existing Flask app';
const ID = 'add-oauth2-authentication-to-existing';

interface PlanJson {
  readonly id: string | null;
  readonly goal: string;
  readonly status: string;
  readonly planner: string;
  readonly tasks: readonly { readonly key: string; readonly role: string; readonly phase: number }[];
  readonly problems: readonly { readonly severity: string; readonly code: string; readonly text: string }[];
}

interface TaskJson {
  readonly id: string;
  readonly agent: string;
  readonly priority: string;
  readonly status: string;
  readonly dependsOn: readonly string[];
}

interface Planned {
  readonly plan: PlanJson;
  readonly tasks: readonly TaskJson[];
}

let scratch: Scratch;
beforeEach(async () => {
  scratch = await Scratch.create({ 'README.md': '# Shop\n', 'app/main.py': 'app = None\n' });
});
afterEach(() => scratch[Symbol.asyncDispose]());

function stored() {
  const state = stateOf(scratch);
  try {
    const plans = state
      .plans()
      .map(({ id, approvedAt }) => ({ id, status: approvedAt === null ? 'draft' : 'approved' }));
    return { plans, tasks: state.tasks() };
  } finally {
    state.close();
  }
}

async function imported(yaml: string, ...flags: readonly string[]) {
  await writeFile(path.join(scratch.folder, 'plan.yaml'), yaml);
  return scratch.orchestrate(['plan', 'import', '../plan.yaml', ...flags]);
}

describe('plan', () => {
  it('saves a draft where there is no terminal, says so on stderr, and queues nothing', async () => {
    const answer = await scratch.orchestrate(['plan', GOAL]);
    expect(answer.exitCode).toBe(0);
    expect(answer.stdout).toMatch(new RegExp(`^${ID} \\(draft\\)\n[\\s\\S]*^phase 1\n[\\s\\S]*^phase 2\n`, 'm'));
    expect(answer.stderr).toMatch(/there is no key for a model: the plan comes from built-in patterns/);
    expect(answer.stderr).toContain(`Saved as a draft. Approve and run it: orchestrate plan run ${ID}`);
    expect(stored()).toMatchObject({ plans: [{ id: ID, status: 'draft' }], tasks: [] });
  });

  it('takes its goal from a file, and with --yes queues its tasks in one go', async () => {
    await scratch.write({ 'goal.md': `${GOAL}\n` });
    const { plan, tasks } = await scratch.json<Planned>(['plan', '--file', 'goal.md', '--yes']);
    expect(plan).toMatchObject({ id: ID, goal: GOAL, status: 'approved' });
    expect(tasks.map(({ agent }) => agent)).toEqual(plan.tasks.map(({ role }) => role));
    expect(stored().tasks.map(({ id }) => id)).toEqual(tasks.map(({ id }) => id));
  });

  it('is found by a prefix, listed, shown, and approved afterwards by continue --yes, once', async () => {
    await scratch.must(['plan', GOAL]);
    await scratch.must(['plan', 'Build a REST API with authentication']);
    expect(await scratch.must(['plan', 'list'])).toMatch(/^build-a-rest.* draft [\s\S]*^add-oauth2.* draft /m);
    expect(await scratch.must(['plan-list'])).toContain(ID);
    const shown = await scratch.json<Planned & { discussion: unknown[] }>(['plan', 'show', 'add']);
    expect(shown).toMatchObject({ plan: { id: ID, status: 'draft', queuedAs: [] }, discussion: [] });
    expect(await scratch.must(['plan', 'show', 'add'])).toContain(`Next: orchestrate plan continue ${ID}`);
    const approved = await scratch.json<Planned>(['plan-continue', 'add', '--yes']);
    expect(approved.plan.status).toBe('approved');
    expect(approved.tasks).toHaveLength(4);
    expect(await scratch.orchestrate(['plan', 'continue', 'add', '--yes', '--json'])).toMatchObject({
      exitCode: 2,
      stdout: '',
      stderr: expect.stringContaining('PLAN_APPROVED'),
    });
    expect(stored().tasks).toHaveLength(4);
    await scratch.must(['plan', 'continue', '--yes', 'build']);
    expect(stored().plans.map(({ status }) => status)).toEqual(['approved', 'approved']);
  });
});

describe('a plan as a file', () => {
  it('comes back as it went out, and as a person changed it', async () => {
    await scratch.must(['plan', GOAL]);
    const yaml = await scratch.must(['plan', 'export', ID]);
    await scratch.must(['plan', 'export', ID, '--output', '../out.yaml']);
    expect(await readFile(path.join(scratch.folder, 'out.yaml'), 'utf8')).toBe(`${yaml}\n`);
    const before = await scratch.json<Planned>(['plan', 'show', ID]);
    const same = JSON.parse((await imported(yaml, '--json')).stdout) as Planned;
    expect(same.plan.tasks.map(({ key }) => key)).toEqual(before.plan.tasks.map(({ key }) => key));
    const changed = await imported(
      yaml.replace(/^goal: .*/m, 'goal: Log people in').replace('priority: normal', 'priority: high'),
    );
    expect(changed).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining('orchestrate plan run log-people-in'),
    });
    const { tasks } = await scratch.json<Planned>(['plan', 'continue', 'log', '--yes']);
    expect(tasks.map(({ priority }) => priority)).toEqual(['high', 'normal', 'normal', 'normal']);
  });

  it('is refused with all its problems and their lines, and nothing of it stored', async () => {
    const yaml = [
      'goal: Log in',
      'tasks:',
      '  - key: A B',
      '    title: One',
      '    role: test-engineer',
      '    priority: urgent',
      '  - {key: b, title: "", role: x, dependsOn: a}',
    ];
    const answer = await imported(yaml.join('\n'));
    expect(answer.exitCode).toBe(2);
    for (const at of [':3: tasks.0.key', ':6: tasks.0.priority', ':7: tasks.1.title', ':7: tasks.1.dependsOn']) {
      expect(answer.stderr).toContain(`plan.yaml${at}`);
    }
    expect((await imported('goal: [\n', '--json')).stderr).toContain('BAD_PLAN');
    expect(stored().plans).toEqual([]);
  });

  it('with a circle and a role that is not there is kept as a draft that says so, and cannot be approved', async () => {
    const answer = await imported(
      'goal: Go round\ntasks:\n  - {key: a, title: One thing, role: test-engineer, dependsOn: [b]}\n  - {key: b, title: Other work, role: nobody, dependsOn: [a]}\n',
    );
    expect(answer).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('cannot be approved as it is') });
    expect(answer.stdout).toContain('error: tasks depend on each other in a circle: a → b → a');
    expect(answer.stdout).toContain('error: b is for the role nobody');
    for (const args of [
      ['plan', 'continue', 'go', '--yes'],
      ['plan', 'run', 'go', '--engine', 'demo'],
    ]) {
      expect(await scratch.orchestrate(args)).toMatchObject({
        exitCode: 2,
        stderr: expect.stringContaining('in a circle'),
      });
    }
    expect(stored()).toMatchObject({ plans: [{ id: 'go-round', status: 'draft' }], tasks: [] });
  });
});

describe('submit --decompose', () => {
  it('queues the tasks of a plan after what it depends on, with its priority, and prints both', async () => {
    await scratch.must(['submit', 'First of all', '--title', 'first']);
    const flags = ['--depends-on', 'first', '--priority', 'high'];
    const answer = await scratch.orchestrate(['submit', '-d', GOAL, ...flags, '--json']);
    expect(answer).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('built-in patterns') });
    const { tasks, plan } = JSON.parse(answer.stdout) as Planned;
    expect(plan).toMatchObject({ id: ID, status: 'approved' });
    expect(tasks.map(({ priority }) => priority)).toEqual(['high', 'high', 'high', 'high']);
    const [work, ...after] = tasks;
    expect(work).toMatchObject({ status: 'blocked', dependsOn: ['first'] });
    for (const task of after) expect(task.dependsOn).toEqual([work?.id]);
    expect(stored()).toMatchObject({ plans: [{ id: ID, status: 'approved' }], tasks: { length: 5 } });
  });

  it('stores nothing with --dry-run', async () => {
    const { plan, tasks } = await scratch.json<Planned>(['submit', '-d', GOAL, '--dry-run']);
    expect(plan).toMatchObject({ id: null, status: 'draft', tasks: { length: 4 } });
    expect(tasks).toEqual([]);
    expect(await scratch.must(['submit', '-d', GOAL, '--dry-run'])).toMatch(/^Would queue:/);
    expect(stored()).toEqual({ plans: [], tasks: [] });
  });
});
