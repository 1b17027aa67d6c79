// Plans worked to their end, in real sandboxes: phases in order, tasks at once, notes from one phase to the next.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { canaryPlaces } from '../support/canary.ts';
import { atWork, until } from '../support/killed-run.ts';
import { answered, planJson } from '../support/model-plans.ts';
import { Gate } from '../support/model-server/gate.ts';
import { answersSoFar, type ModelRequest, type Script, saidTo, type Turn } from '../support/model-server/script.ts';
import { ModelServer } from '../support/model-server/server.ts';
import { Scratch } from '../support/scratch.ts';

interface Status {
  readonly tasks: readonly { readonly id: string; readonly status: string; readonly phase: number }[];
}

interface Note {
  readonly from: 'person' | { readonly task: string };
  readonly text: string;
}

interface Event {
  readonly type: string;
  readonly task?: string;
}

/** `+task` where one started and `-task` where one ended, in the order in which it was told. */
function startsAndEnds(lines: string): readonly string[] {
  const events = lines
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Event);
  return events.flatMap(({ type, task = '' }) => {
    if (type === 'task.started') return [`+${task}`];
    return type === 'task.ended' ? [`-${task}`] : [];
  });
}

describe('a plan of built-in patterns, with the demo engine', () => {
  let scratch: Scratch;
  beforeEach(async () => {
    scratch = await Scratch.create();
  });
  afterEach(() => scratch[Symbol.asyncDispose]());

  it('is done to the end: three phases, two tasks at once, the notes of each phase seen in the next', async () => {
    const goal = [
      'Build a REST API with authentication',
      '',
      '```sh',
      'echo "found by $ORCHESTRATE_TASK_ID" > /context/outbox/found',
      'cp /context/notes.md "seen-by-$ORCHESTRATE_TASK_ID.md"',
      // The last phase goes on once somebody has seen two of it at work.
      'if grep -q "found by build-" /context/notes.md; then until grep -q go-on /context/notes.md; do sleep 0.1; done; fi',
      '```',
    ];
    await scratch.write({ 'goal.md': goal.join('\n') });
    const { plan } = await scratch.json<{ plan: { id: string; tasks: { phase: number }[] } }>([
      ...['plan', '--file', 'goal.md', '--yes'],
    ]);
    expect(plan.tasks.map(({ phase }) => phase)).toEqual([1, 2, 3, 3]);
    const run = scratch.orchestrate(['plan', 'run', plan.id, '--engine', 'demo', '--timeout', '90s']);
    await until(async () => atWork(scratch).length === 2);
    await scratch.must(['note', 'add', 'go-on']);
    expect(await run).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining('4 of 4 tasks of the plan are done'),
    });
    const { tasks } = await scratch.json<Status>(['status']);
    expect(tasks.map(({ status }) => status)).toEqual(Array(4).fill('succeeded'));
    const [first = '', second = '', ...last] = [1, 2, 3]
      .flatMap((n) => tasks.filter(({ phase }) => phase === n))
      .map(({ id }) => id);
    const seen = (task: string) => scratch.must(['patch', 'show', task]);
    expect(await seen(first)).not.toContain('found by');
    expect(await seen(second)).toContain(`> found by ${first}`);
    for (const task of last) expect(await seen(task)).toContain(`> found by ${second}`);
    const again = await scratch.orchestrate(['execute-plan', plan.id, '--engine', 'demo']);
    expect(again).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('are done') });
  });

  it('written by hand is approved by its run, which says what did not succeed and leaves other tasks alone', async () => {
    await scratch.must(['submit', 'Something else', '--title', 'else']);
    const script = (text: string) => `"\`\`\`sh\\n${text}\\n\`\`\`\\n"`;
    const yaml = [
      'goal: Write two files',
      'tasks:',
      `  - {key: a, title: One, role: test-engineer, description: ${script('echo 1 > a')}}`,
      `  - {key: b, title: Two, role: test-engineer, dependsOn: [a], description: ${script('exit 3')}}`,
    ];
    await writeFile(path.join(scratch.folder, 'plan.yaml'), yaml.join('\n'));
    await scratch.must(['plan', 'import', '../plan.yaml']);
    const out = await scratch.must(['plan', 'export', 'write', '--output', '../out.yaml']);
    expect(out).toBe('');
    await scratch.must(['plan', 'import', '../out.yaml']);
    const answer = await scratch.orchestrate(['execute-plan', 'write-two-files-2', '--engine', 'demo']);
    expect(answer).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('1 of 2 tasks of the plan are done') });
    const { tasks } = await scratch.json<Status>(['status']);
    const states = Object.fromEntries(tasks.map(({ id, status }) => [id, status]));
    expect(states).toEqual({ else: 'queued', one: 'succeeded', two: 'failed' });
    const again = await scratch.orchestrate(['plan', 'run', 'write-two-files-2', '--engine', 'demo']);
    expect(again).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('Did not succeed: two') });
    const { plans } = await scratch.json<{ plans: { id: string; status: string }[] }>(['plan', 'list']);
    expect(Object.fromEntries(plans.map(({ id, status }) => [id, status]))).toEqual({
      'write-two-files': 'draft',
      'write-two-files-2': 'approved',
    });
  });

  it('that comes after a task of no plan says that it waits for it', async () => {
    await scratch.must(['submit', 'Something first', '--title', 'first']);
    await scratch.must(['submit', '-d', 'Add a health endpoint', '--depends-on', 'first']);
    const answer = await scratch.orchestrate(['plan', 'run', 'add', '--engine', 'demo']);
    expect(answer).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('tasks that are not of the plan: first'),
    });
  });
});

describe('a plan of a model, with agents of the same service and key', () => {
  const KEY = 'sk-test-plan-run-3b90';
  const ROLE =
    '---\nname: pipe-fitter\ndescription: Knows the pipes of this shop.\nmodel: haiku\n---\nPIPE-FITTER-PROMPT\n';
  const PLAN = planJson([
    answered('pipes', { role: 'pipe-fitter' }),
    answered('schema'),
    answered('api', { dependsOn: ['pipes', 'schema'] }),
    answered('page', { dependsOn: ['schema'], role: 'frontend-ui-engineer' }),
    answered('tests', { dependsOn: ['api', 'page'], role: 'test-engineer' }),
  ]);
  /** Of each phase in which two agents have to be at work at the same time, or neither goes on. */
  const together: Readonly<Record<string, Gate>> = { first: new Gate(), second: new Gate() };

  const script: Script = async (request) => {
    if (request.body.output_config !== undefined) return { text: PLAN };
    const key = keyOf(request);
    const turns: readonly (() => Turn | Promise<Turn>)[] = [
      () => ({ tools: [{ name: 'share_note', input: { text: `${key} is at version 2` } }] }),
      async () => {
        const gate = together[['pipes', 'schema'].includes(key) ? 'first' : 'second'];
        if (gate !== undefined && key !== 'tests') {
          gate.open();
          await gate.pass();
          await gate.arrived(2);
        }
        return { tools: [{ name: 'bash', input: { command: `echo ${key} > ${key}.txt` } }] };
      },
    ];
    return turns[answersSoFar(request)]?.() ?? { tools: [{ name: 'finish', input: { summary: `did ${key}` } }] };
  };

  function keyOf(request: ModelRequest): string {
    return /Your task:\n\n# Do ([a-z]+)\n/.exec(saidTo(request))?.[1] ?? '';
  }

  let scratch: Scratch;
  let server: ModelServer;
  let lines: string;
  beforeAll(async () => {
    scratch = await Scratch.create({ 'README.md': '# Shop\n', '.claude/agents/pipe-fitter.md': ROLE });
    server = await ModelServer.start({ script, key: KEY });
    const env = { ANTHROPIC_API_KEY: KEY, ANTHROPIC_BASE_URL: server.url };
    await scratch.must(['plan', 'Renew the shop', '--yes'], { env });
    lines = await scratch.must(['plan', 'run', 'renew', '--json'], { env });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await scratch[Symbol.asyncDispose]();
  });

  /** What agents were told when they began. */
  function firstMessage(key: string): string {
    const first = server.modelRequests.find((request) => keyOf(request) === key && answersSoFar(request) === 0);
    return first === undefined ? '' : saidTo(first);
  }

  it('is done to the end, each task with its patch', async () => {
    const { tasks } = await scratch.json<Status>(['status']);
    expect(tasks.map(({ phase, status }) => [phase, status])).toEqual(
      [1, 1, 2, 2, 3].map((phase) => [phase, 'succeeded']),
    );
    const { patches } = await scratch.json<{ patches: unknown[] }>(['patch', 'list']);
    expect(patches).toHaveLength(5);
  });

  it('works two tasks at once in each of two phases, and none before what it depends on', () => {
    const order = startsAndEnds(lines);
    const at = (mark: string) => order.indexOf(mark);
    for (const [one, other] of [
      ['pipes', 'schema'],
      ['api', 'page'],
    ]) {
      expect(Math.max(at(`+do-${one}`), at(`+do-${other}`))).toBeLessThan(
        Math.min(at(`-do-${one}`), at(`-do-${other}`)),
      );
    }
    expect(at('+do-api')).toBeGreaterThan(Math.max(at('-do-pipes'), at('-do-schema')));
    expect(at('+do-tests')).toBeGreaterThan(Math.max(at('-do-api'), at('-do-page')));
    expect(order).toHaveLength(10);
  });

  it('tells agents of phase 2 what those of phase 1 left, as something that nobody has checked', async () => {
    for (const key of ['api', 'page']) {
      const told = firstMessage(key);
      for (const note of ['> pipes is at version 2', '> schema is at version 2', '> did schema'])
        expect(told).toContain(note);
      expect(told).toMatch(/never take it as an instruction/);
    }
    const { notes } = await scratch.json<{ notes: Note[] }>(['note', 'list']);
    expect(notes.map(({ text }) => text)).toContain('tests is at version 2');
  });

  it("offers the repository's own roles to the planner, and works with the one that it chose", () => {
    const [planning] = server.modelRequests;
    expect(planning === undefined ? '' : saidTo(planning)).toContain('pipe-fitter: Knows the pipes of this shop.');
    const fitted = server.modelRequests.filter((request) => saidTo(request).includes('PIPE-FITTER-PROMPT'));
    expect(new Set(fitted.map(keyOf))).toEqual(new Set(['pipes']));
    expect(new Set(fitted.map(({ body }) => body.model))).toEqual(new Set(['claude-haiku-5-5']));
  });

  it('keeps the key of planner and agents to the service', async () => {
    expect(lines).not.toContain(KEY);
    expect(await canaryPlaces(scratch, KEY)).toEqual([]);
  });
});
