import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { killedRun, stateNow, until } from '../support/killed-run.ts';
import { Scratch } from '../support/scratch.ts';

interface Event {
  type: string;
  task?: string;
  at: string;
}

/** The tasks that events of this type were about, in order. */
function eventsOf(stdout: string, type: string): (string | undefined)[] {
  const events = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Event);
  return events.filter((event) => event.type === type).map((event) => event.task);
}

let scratch: Scratch;

beforeAll(async () => {
  scratch = await Scratch.create();
});
afterAll(() => scratch[Symbol.asyncDispose]());

describe('the order of work', () => {
  it('starts by priority, then by age, and never runs more agents than allowed', async () => {
    const batch = [
      { title: 'low one', priority: 'low' },
      { title: 'normal one' },
      { title: 'high one', priority: 'high' },
      { title: 'low two', priority: 'low' },
      { title: 'normal two' },
      { title: 'high two', priority: 'high' },
    ];
    await scratch.submitBatch(...batch.map((task) => ({ description: task.title, ...task })));
    const stdout = await scratch.must(['run', '--json', '--max-agents', '3', '--engine-command', 'sleep 2']);
    const events = stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Event);

    const started = events.filter((event) => event.type === 'task.started').map((event) => event.task);
    expect(started).toEqual(['high-one', 'high-two', 'normal-one', 'normal-two', 'low-one', 'low-two']);
    let active = 0;
    let most = 0;
    for (const event of events) {
      if (event.type === 'task.started') active += 1;
      if (event.type === 'task.ended') active -= 1;
      most = Math.max(most, active);
    }
    expect(most).toBe(3);
  });

  it('claims tasks one by one in the promised order', async () => {
    const priorities = { a: 'low', b: 'normal', c: 'high', d: 'high' };
    const tasks = Object.entries(priorities).map(([name, priority]) => ({ title: `order ${name}`, priority }));
    await scratch.submitBatch(...tasks.map((task) => ({ description: task.title, ...task })));
    const stdout = await scratch.must(['run', '--json', '--max-agents', '1', '--engine-command', 'true']);
    expect(eventsOf(stdout, 'task.started')).toEqual(['order-c', 'order-d', 'order-b', 'order-a']);
  });

  it('starts a task from the merge of what it depends on, and blocks it with the reason where that conflicts', async () => {
    const write = (file: string, text: string): string => `printf '${text}\\n' >> ${file}`;
    await scratch.submitBatch(
      { key: 'left', title: 'left', description: write('left.txt', 'left') },
      { key: 'right', title: 'right', description: write('right.txt', 'right') },
      { title: 'both', description: 'cat left.txt right.txt > both.txt', dependsOn: ['left', 'right'] },
      { key: 'one', title: 'one', description: write('same.txt', 'one') },
      { key: 'two', title: 'two', description: write('same.txt', 'two') },
      { title: 'merged', description: 'true', dependsOn: ['one', 'two'] },
    );
    const command = 'sed 1,2d "$ORCHESTRATE_PROMPT_FILE" | sh';
    const answer = await scratch.orchestrate(['run', '--engine-command', command]);
    expect(answer.exitCode).toBe(1);

    expect(await scratch.must(['patch', 'show', 'both'])).toContain('+left\n+right');
    const { tasks } = await scratch.json<{ tasks: { id: string; status: string; reason: string | null }[] }>([
      'status',
    ]);
    const merged = tasks.find((task) => task.id === 'merged');
    expect(merged?.status).toBe('blocked');
    expect(merged?.reason).toContain('same.txt');
  });

  it('hands a result on through a task that changed nothing', async () => {
    await scratch.submitBatch(
      { key: 'makes', title: 'makes', description: 'echo a > handed.txt' },
      { key: 'looks', title: 'looks', description: 'true', dependsOn: ['makes'] },
      { title: 'copies', description: 'cat handed.txt > copied.txt', dependsOn: ['looks'] },
    );
    await scratch.orchestrate(['run', '--engine-command', 'sed 1,2d "$ORCHESTRATE_PROMPT_FILE" | sh']);
    expect(await scratch.must(['patch', 'show', 'copies'])).toContain('+a');
  });
});

interface Task {
  readonly status: string;
  readonly reason: string | null;
}

/** A task of a batch; the demo engine's agent runs the script. */
function line(title: string, script: string, more: Readonly<Record<string, unknown>> = {}) {
  return { title, description: `\`\`\`sh\n${script}\n\`\`\`\n`, ...more };
}

describe('the longest chain of work', () => {
  it('is started first among tasks of equal priority', async () => {
    await using repository = await Scratch.create();
    const tail = line('tail', 'true', { dependsOn: ['head'], size: 'large' });
    await repository.submitBatch(line('short', 'true'), line('head', 'true', { key: 'head', size: 'small' }), tail);
    const planned = await repository.json<{ tasks: { id: string }[] }>(['run', '--dry-run', '--engine', 'demo']);
    const stdout = await repository.must(['run', '--json', '--max-agents', '1', '--engine', 'demo']);
    expect(eventsOf(stdout, 'task.started')).toEqual(['head', 'tail', 'short']);
    expect(planned.tasks.map(({ id }) => id)).toEqual(['head', 'tail', 'short']);
  });
});

describe('tasks that are likely to touch the same files', () => {
  const forever = 'sleep 600';
  const held = { status: 'queued', reason: 'waits for holder: both touch src/auth.ts' };
  let repository: Scratch;

  beforeEach(async () => {
    repository = await Scratch.create();
    await repository.submitBatch(
      line('holder', forever, { files: ['src/auth.ts'] }),
      line('second', forever, { files: ['src/**'] }),
      line('other', 'true', { files: ['docs/'] }),
    );
  });
  afterEach(() => repository[Symbol.asyncDispose]());

  const task = (id: string) => repository.json<Task>(['task', id]);
  const comesTo = (id: string, status: string) => until(async () => stateNow(repository, id) === status);

  it('run one after the other, the reason being shown meanwhile, while others go past', async () => {
    const run = repository.orchestrate(['run', '--json', '--max-agents', '2', '--engine', 'demo']);
    await comesTo('other', 'succeeded');
    expect(await task('second')).toMatchObject(held);
    expect(await repository.must(['status'])).toMatch(/^second +queued .* waits for holder: both touch src\/auth.ts$/m);
    await repository.must(['kill', 'holder']);
    await comesTo('second', 'running');
    expect(await task('second')).toMatchObject({ reason: null });
    await repository.must(['kill', 'second']);
    const { stdout } = await run;
    expect(eventsOf(stdout, 'task.started')).toEqual(['holder', 'other', 'second']);
  });

  it('run at once where that is asked', async () => {
    const run = repository.orchestrate(['run', '--allow-overlap', '--max-agents', '2', '--engine', 'demo']);
    await Promise.all([comesTo('holder', 'running'), comesTo('second', 'running')]);
    for (const id of ['holder', 'second']) await repository.must(['kill', id]);
    await run;
  });

  it('wait on when the coordinator is killed and the next one takes the work over', async () => {
    await killedRun(repository, ['--max-agents', '1', '--engine', 'demo']);
    const run = repository.orchestrate(['run', '--max-agents', '2', '--engine', 'demo']);
    await comesTo('other', 'succeeded');
    expect(await task('holder')).toMatchObject({ status: 'running' });
    expect(await task('second')).toMatchObject(held);
    await repository.must(['kill', 'holder']);
    await comesTo('second', 'running');
    await repository.must(['kill', 'second']);
    await run;
    expect(await task('second')).toMatchObject({ status: 'cancelled' });
  });
});

describe('a chain of tasks', () => {
  it('starts each from the results of all before it, until the base has them', async () => {
    await using repository = await Scratch.create();
    const chain = ['first', 'second', 'third'];
    const before = (at: number) => chain.slice(Math.max(at - 1, 0), at);
    await repository.submitBatch(
      ...chain.map((title, at) => ({ key: title, title, description: 'x', dependsOn: before(at) })),
    );
    const command = 'f="seen-by-$ORCHESTRATE_TASK_ID"; touch "$f"; ls seen-by-* > "$f"';
    await repository.must(['run', '--engine-command', command]);
    const seen = (task: string) => repository.git('show', `refs/orchestrate/${task}/1/result:seen-by-${task}`);
    expect(await seen('third')).toBe('seen-by-first\nseen-by-second\nseen-by-third');

    await repository.must(['patch', 'apply', 'third', '--with-dependencies', '--unreviewed']);
    await repository.write({ 'seen-by-first': 'changed since\n' });
    await repository.git('commit', '--quiet', '--all', '--message', 'change what was merged');
    await repository.must(['submit', 'x', '--title', 'fourth', '--depends-on', 'third']);
    await repository.must(['run', '--engine-command', command]);
    expect(await repository.git('show', 'refs/orchestrate/fourth/1/result:seen-by-first')).toBe('changed since');
  });
});

describe('how a task ends', () => {
  it('a failing command fails its task, leaves its work as a salvaged patch and blocks what depends on it', async () => {
    await scratch.must(['submit', 'fails', '--title', 'fails']);
    await scratch.must(['submit', 'waits', '--title', 'waits', '--depends-on', 'fails']);
    const answer = await scratch.orchestrate(['run', '--engine-command', 'echo half > half.txt; exit 3']);
    expect(answer.exitCode).toBe(1);
    const task = await scratch.json<{
      status: string;
      reason: string;
      patch: { status: string };
      attempts: { outcome: string; exitCode: number }[];
    }>(['task', 'fails']);
    expect(task).toMatchObject({ status: 'failed', patch: { status: 'salvaged' } });
    expect(task.attempts).toMatchObject([{ outcome: 'failed', exitCode: 3 }]);
    const waits = await scratch.json<{ status: string; reason: string }>(['task', 'waits']);
    expect(waits.status).toBe('blocked');
    expect(waits.reason).toContain('fails');
  });

  it('says so when the agent changed nothing', async () => {
    await scratch.must(['submit', 'idle', '--title', 'does nothing']);
    await scratch.orchestrate(['run', '--engine-command', 'true']);
    const task = await scratch.json<{ status: string; attempts: { outcome: string }[]; patch: unknown }>([
      'task',
      'does-nothing',
    ]);
    expect(task).toMatchObject({ status: 'succeeded', patch: null, attempts: [{ outcome: 'no-changes' }] });
    expect(await scratch.must(['task', 'does-nothing'])).toContain('changed nothing');
  });

  it('ends a stubborn agent soon after its time-out and keeps its work', async () => {
    await scratch.must(['submit', 'hangs', '--title', 'hangs']);
    const began = performance.now();
    const command = "echo kept > kept.txt; trap '' TERM; while :; do sleep 1; done";
    const answer = await scratch.orchestrate(['run', '--timeout', '3s', '--engine-command', command]);
    expect(answer.exitCode).toBe(1);
    const task = await scratch.json<{
      attempts: { outcome: string; startedAt: string; endedAt: string }[];
      patch: { status: string };
    }>(['task', 'hangs']);
    expect(task).toMatchObject({ attempts: [{ outcome: 'timeout' }], patch: { status: 'salvaged' } });
    // The promise: within 15 s of the time-out.
    expect(performance.now() - began).toBeLessThan(60_000);
    const [attempt] = task.attempts;
    expect(Date.parse(attempt?.endedAt ?? '') - Date.parse(attempt?.startedAt ?? '')).toBeLessThan(3_000 + 15_000);
  });

  it('notes when memory ran out', async () => {
    await scratch.must(['submit', 'hog', '--title', 'hog']);
    const command = 'node -e "const a=[];for(;;)a.push(Buffer.alloc(1e7,1))"';
    await scratch.orchestrate(['run', '--memory', '256m', '--engine-command', command]);
    const task = await scratch.json<{ attempts: { outcome: string }[] }>(['task', 'hog']);
    expect(task.attempts).toMatchObject([{ outcome: 'oom' }]);
  });
});
