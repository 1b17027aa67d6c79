import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestImages } from '../support/images.ts';
import { containersOf, killedRun, letGo, runningAgents, UNTIL_LET_GO, until } from '../support/killed-run.ts';
import { followedRun } from '../support/run-events.ts';
import { Scratch } from '../support/scratch.ts';

interface Task {
  status: string;
  reason: string | null;
  patch: { id: string; status: string } | null;
  attempts: { id: string; outcome: string | null; exitCode: number | null }[];
}

let scratch: Scratch;

beforeEach(async () => {
  scratch = await Scratch.create();
});
afterEach(() => scratch[Symbol.asyncDispose]());

describe('a coordinator that is killed', () => {
  it('the next run goes on with the agent that still works, and does nothing twice', async () => {
    await scratch.must(['submit', 'x', '--title', 'long']);
    const command = 'echo begun; while ! test -e /tmp/go; do sleep 0.2; done; echo x >> x.txt';
    const name = await killedRun(scratch, ['--engine-command', command]);
    const next = followedRun(scratch, 'false', {});
    await next.said('taken over from a run that was cut off');
    await execa('docker', ['exec', name, '/usr/bin/touch', '/tmp/go']);
    expect(await next.ended).toBe(0);
    const task = await scratch.json<Task>(['task', 'long']);
    expect(task).toMatchObject({ status: 'succeeded', attempts: [{ outcome: 'succeeded', exitCode: 0 }] });
    expect(await scratch.must(['patch', 'show', 'long'])).toContain('+x');
    expect(await scratch.must(['logs', 'long'])).toContain('begun');
    expect(await containersOf(scratch)).toEqual([]);
  });

  it('the next run takes in what an agent left that ended meanwhile', async () => {
    await scratch.must(['submit', 'x', '--title', 'short']);
    const name = await killedRun(scratch, ['--engine-command', 'sleep 3; echo y > y.txt; exit 7']);
    await execa('docker', ['wait', name]);
    const answer = await scratch.orchestrate(['run', '--engine-command', 'false']);
    expect(answer.exitCode).toBe(1);
    const task = await scratch.json<Task>(['task', 'short']);
    expect(task).toMatchObject({
      status: 'failed',
      patch: { status: 'salvaged' },
      attempts: [{ outcome: 'failed', exitCode: 7 }],
    });
  });

  it('a task whose container somebody removed is done again', async () => {
    await scratch.must(['submit', 'x', '--title', 'gone']);
    const name = await killedRun(scratch, ['--engine-command', 'sleep 300']);
    await execa('docker', ['rm', '-f', name]);
    await scratch.must(['run', '--engine-command', 'echo again > again.txt']);
    const task = await scratch.json<Task>(['task', 'gone']);
    expect(task).toMatchObject({ status: 'succeeded', attempts: [{ outcome: 'lost' }, { outcome: 'succeeded' }] });
    expect(await containersOf(scratch)).toEqual([]);
  });
});

describe('an agent that is taken over', () => {
  it('keeps its own time-out, however long the new run would give it', async () => {
    await scratch.must(['submit', 'x', '--title', 'slow']);
    await killedRun(scratch, ['--engine-command', 'sleep 300', '--timeout', '5s']);
    await scratch.orchestrate(['run', '--engine', 'demo', '--timeout', '30m']);
    expect(await scratch.json<Task>(['task', 'slow'])).toMatchObject({
      ...{ status: 'failed', reason: 'ended after its time-out of 5 s' },
      attempts: [{ outcome: 'timeout' }],
    });
  });

  it('keeps its own time-out, however short the new run would make it', async () => {
    await scratch.must(['submit', 'x', '--title', 'patient']);
    await killedRun(scratch, ['--engine-command', 'sleep 8; echo x > x.txt', '--timeout', '30m']);
    await scratch.must(['run', '--engine', 'demo', '--timeout', '1s']);
    expect(await scratch.json<Task>(['task', 'patient'])).toMatchObject({ attempts: [{ outcome: 'succeeded' }] });
  });

  it.each([
    ['the workspace', '/workspace', false],
    ['the root of another image', '/var/tmp', true],
  ])('keeps its own limit of what it may write to %s', async (_, folder, inAnotherImage) => {
    await using images = new TestImages();
    const flags = inAnotherImage ? ['--image', await images.get('bare')] : [];
    await scratch.must(['submit', 'x', '--title', 'writer']);
    const command = `head -c 40000000 /dev/urandom > ${folder}/big.bin; sleep 300`;
    await killedRun(scratch, ['--engine-command', command, '--disk', '32m', ...flags]);
    await scratch.orchestrate(['run', '--engine', 'demo', '--timeout', '60s', '--disk', '4g']);
    expect(await scratch.json<Task>(['task', 'writer'])).toMatchObject({
      ...{ status: 'failed', reason: expect.stringMatching(/disk/) },
      attempts: [{ outcome: 'failed' }],
    });
  });
});

describe('from another terminal', () => {
  it('kill ends a running task, keeps its work and leaves the others alone', async () => {
    await scratch.must(['submit', 'x', '--title', 'victim']);
    await scratch.must(['submit', 'x', '--title', 'other']);
    const run = scratch.orchestrate([
      'run',
      '--engine-command',
      `echo kept > $ORCHESTRATE_TASK_ID.txt; ${UNTIL_LET_GO}`,
    ]);
    await until(async () => (await runningAgents(scratch)).length === 2);
    await scratch.must(['kill', 'victim']);
    await until(async () => (await runningAgents(scratch)).length === 1);
    await letGo(scratch);
    await run;
    expect(await scratch.json<Task>(['task', 'victim'])).toMatchObject({
      status: 'cancelled',
      patch: { status: 'salvaged' },
      attempts: [{ outcome: 'killed' }],
    });
    expect((await scratch.json<Task>(['task', 'other'])).status).toBe('succeeded');
  });

  it('stop lets agents finish and starts nothing more', async () => {
    await scratch.must(['submit', 'x', '--title', 'first']);
    await scratch.must(['submit', 'x', '--title', 'second']);
    const run = scratch.orchestrate([
      'run',
      '--max-agents',
      '1',
      '--engine-command',
      `${UNTIL_LET_GO}; echo x > x.txt`,
    ]);
    await until(async () => (await runningAgents(scratch)).length === 1);
    await scratch.must(['stop']);
    await letGo(scratch);
    await run;
    expect((await scratch.json<Task>(['task', 'first'])).status).toBe('succeeded');
    expect((await scratch.json<Task>(['task', 'second'])).status).toBe('queued');
  });

  it('a task queued while a run works is taken up by it', async () => {
    await scratch.must(['submit', 'x', '--title', 'first']);
    const run = scratch.orchestrate(['run', '--engine-command', `${UNTIL_LET_GO}; echo x > $ORCHESTRATE_TASK_ID.txt`]);
    await until(async () => (await runningAgents(scratch)).length === 1);
    await scratch.must(['submit', 'x', '--title', 'late']);
    await until(async () => (await runningAgents(scratch)).length === 2);
    await letGo(scratch);
    await run;
    expect((await scratch.json<Task>(['task', 'late'])).status).toBe('succeeded');
  });
});

describe('another try', () => {
  it('retry --from-salvage goes on with what the failed attempt left, and the patch holds both', async () => {
    await scratch.must(['submit', 'x', '--title', 'half']);
    await scratch.orchestrate(['run', '--engine-command', 'echo one > one.txt; exit 1']);
    await scratch.must(['retry', 'half', '--from-salvage']);
    await scratch.must(['run', '--engine-command', 'test -e one.txt && echo two > two.txt']);
    const diff = await scratch.must(['patch', 'show', 'half']);
    expect(diff).toContain('one.txt');
    expect(diff).toContain('two.txt');
    await scratch.must(['patch', 'approve', 'half']);
    await scratch.must(['patch', 'apply', 'half']);
    expect((await scratch.git('ls-files')).split('\n').sort()).toEqual(['README.md', 'one.txt', 'two.txt']);
  });
});

describe('the short way', () => {
  it('run "<description>" works that task alone and shows its patch', async () => {
    await scratch.must(['submit', 'x', '--title', 'waits']);
    const answer = await scratch.orchestrate(['run', 'Write hello', '--engine-command', 'echo hello > hello.txt']);
    expect(answer.exitCode).toBe(0);
    expect(answer.stdout).toContain('hello.txt');
    expect(answer.stderr).toContain('orchestrate patch apply write-hello.1');
    expect((await scratch.json<Task>(['task', 'waits'])).status).toBe('queued');
  });

  it('queues nothing when no engine was chosen', async () => {
    const answer = await scratch.orchestrate(['run', 'Write hello']);
    expect(answer.exitCode).toBe(3);
    expect((await scratch.json<{ tasks: unknown[] }>(['status'])).tasks).toEqual([]);
  });
});
