import { appendFile, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../support/killed-run.ts';
import { finishTask, PlayedRun, stateOf, writeTranscript } from '../support/queue.ts';
import { followedRun } from '../support/run-events.ts';
import { Scratch } from '../support/scratch.ts';

const CLI = path.resolve(import.meta.dirname, '../../dist/cli/main.js');

let scratch: Scratch;

beforeEach(async () => {
  scratch = await Scratch.create({ 'a.txt': 'one\ntwo\nthree\n' });
});
afterEach(() => scratch[Symbol.asyncDispose]());

interface Killed {
  readonly tasks: readonly { readonly id: string; readonly result: string; readonly patch: unknown }[];
}

async function statesOf(kind: 'tasks' | 'patches'): Promise<Record<string, string>> {
  const args = kind === 'tasks' ? ['status'] : ['patch', 'list'];
  const all = await scratch.json<Record<string, { id: string; status: string }[]>>(args);
  return Object.fromEntries((all[kind] ?? []).map((each) => [each.id, each.status]));
}

const salvage = { outcome: 'killed', taskState: 'cancelled' } as const;

describe('kill', () => {
  it('cancels what waits at once, and tells what depends on it', async () => {
    await scratch.must(['submit', 'First']);
    await scratch.must(['submit', 'Second', '--depends-on', 'first']);
    expect(await scratch.must(['kill', 'first'])).toBe('first is cancelled');
    expect(await statesOf('tasks')).toEqual({ first: 'cancelled', second: 'blocked' });
    expect(await scratch.must(['status'])).toMatch(/^second .*first was cancelled$/m);
    expect(await scratch.must(['kill', 'first'])).toMatch(/^first is over already: cancelled/);
  });

  it('does nothing at all where one task is not known', async () => {
    await scratch.must(['submit', 'First']);
    const refused = { exitCode: 2, stderr: expect.stringContaining('There is no task nothing') };
    expect(await scratch.orchestrate(['kill', 'first', 'nothing'])).toMatchObject(refused);
    expect(await statesOf('tasks')).toEqual({ first: 'queued' });
  });

  it('wants tasks or --all, and with --all finds nothing where nothing is', async () => {
    expect((await scratch.orchestrate(['kill'])).exitCode).toBe(2);
    expect((await scratch.orchestrate(['kill', 'x', '--all'])).exitCode).toBe(2);
    expect(await scratch.must(['kill', '--all'])).toBe('Nothing waits and nothing runs.');
    expect(await scratch.json(['kill', '--all'])).toEqual({ tasks: [] });
  });

  it('has the live run stop a running task, and says what became of its work', async () => {
    await scratch.must(['submit', 'First']);
    await using played = await PlayedRun.begin(scratch);
    const attempt = await played.start();
    const killing = scratch.must(['kill', 'first']);
    expect(await played.asked()).toEqual([{ kind: 'kill', task: 'first' }]);
    await played.end(attempt, salvage, { 'half.txt': 'half\n' });
    expect(await killing).toBe(
      'first was stopped; its work is kept as the salvaged patch first.1 (1 file +1 -0): orchestrate patch show first.1',
    );
    expect(await statesOf('tasks')).toEqual({ first: 'cancelled' });
  });

  it('--all ends what runs and what waits', async () => {
    for (const title of ['First', 'Second', 'Third']) await scratch.must(['submit', title]);
    await using played = await PlayedRun.begin(scratch);
    const attempts = [await played.start(), await played.start()];
    const killing = scratch.json<Killed>(['kill', '--all']);
    const asked = [...(await played.asked())];
    while (asked.length < 2) asked.push(...(await played.asked()));
    expect(asked.map((request) => request.task).sort()).toEqual(['first', 'second']);
    for (const attempt of attempts) await played.end(attempt, salvage);
    expect(await killing).toEqual({
      tasks: [
        {
          ...{ id: 'first', result: 'stopped', status: 'cancelled' },
          ...{ attempt: 'first.1', outcome: 'killed' },
          patch: null,
          reason: null,
        },
        expect.objectContaining({ id: 'second', result: 'stopped' }),
        expect.objectContaining({ id: 'third', result: 'cancelled', attempt: null, reason: 'cancelled by the user' }),
      ],
    });
  });

  it('keeps a task out of the queue that the end of the whole run put back', async () => {
    await scratch.must(['submit', 'First']);
    await using played = await PlayedRun.begin(scratch);
    const attempt = await played.start();
    const killing = scratch.must(['kill', 'first']);
    await played.asked();
    await played.end(attempt, { outcome: 'killed', taskState: 'queued' });
    expect(await killing).toBe('first was stopped; it had changed nothing');
    expect(await statesOf('tasks')).toEqual({ first: 'cancelled' });
  });

  it('asks again for the attempt that follows a lost one', async () => {
    await scratch.must(['submit', 'First']);
    await using played = await PlayedRun.begin(scratch);
    const lost = await played.start();
    const where = { cwd: scratch.repository, env: scratch.env, extendEnv: false };
    const killing = execa(process.execPath, [CLI, 'kill', 'first'], where);
    await played.asked();
    // It does not look while the task waits in between.
    killing.kill('SIGSTOP');
    await played.end(lost, { outcome: 'lost', taskState: 'queued' });
    const again = await played.start();
    killing.kill('SIGCONT');
    expect(await played.asked()).toEqual([{ kind: 'kill', task: 'first' }]);
    await played.end(again, salvage);
    expect((await killing).stdout).toContain('first was stopped');
  });

  it('says who takes up a task whose coordinator died', async () => {
    await scratch.must(['submit', 'First']);
    await using played = await PlayedRun.begin(scratch);
    await played.start();
    played.die();
    const answer = await scratch.orchestrate(['kill', 'first']);
    expect(answer).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining('The next `orchestrate run` takes it up'),
    });
    expect(played.state.takeRequests()).toEqual([]);
  });

  it('tells that a task was over before it could be stopped', async () => {
    await scratch.must(['submit', 'First']);
    await using played = await PlayedRun.begin(scratch);
    const attempt = await played.start();
    const killing = scratch.must(['kill', 'first']);
    await played.asked();
    await played.end(attempt, { outcome: 'succeeded', taskState: 'succeeded' }, { 'a.txt': 'done\n' });
    expect(await killing).toBe('first is over already: succeeded');
  });
});

describe('host remove', () => {
  it('lets a run without a host left end with its agents, and what is queued wait for the next one', async () => {
    await scratch.must(['host', 'add', 'here', 'context:default', '--slots', '1', '--no-check']);
    for (const title of ['First', 'Second']) await scratch.must(['submit', title]);
    const run = followedRun(scratch, 'sleep 600', {}, ['--host', 'here', '--image', 'orchestrate-base:latest']);
    await run.event('task.started');
    await scratch.must(['host', 'remove', 'here']);
    await until(async () => /^second .*hosts were removed from the settings$/m.test(await scratch.must(['status'])));
    const shell = await scratch.orchestrate(['shell', 'first']);
    expect([shell.exitCode, shell.stderr]).toEqual([3, expect.stringContaining('first.1 runs on here, which is not')]);
    await scratch.must(['kill', 'first']);
    expect(await run.ended).toBe(3);
    expect(run.events.at(-1)).toMatchObject({ reason: 'all hosts of this run were removed from the settings' });
    expect(await scratch.must(['status'])).toMatch(/^second +queued .*waits for `orchestrate run`$/m);
    expect((await scratch.orchestrate(['cleanup', '--all'])).stderr).toContain('what is left on here stays');
  });
});

describe('stop', () => {
  it('says so where no run is at work', async () => {
    expect(await scratch.must(['stop'])).toBe('No run is at work here.');
    await scratch.must(['submit', 'First']);
    expect(await scratch.json(['stop', '--now'])).toEqual({ run: null, result: 'none' });
    const state = stateOf(scratch);
    expect(state.takeRequests()).toEqual([]);
    state.close();
  });

  it('asks the live run to let its agents finish', async () => {
    await scratch.must(['submit', 'First']);
    await using played = await PlayedRun.begin(scratch);
    await played.start();
    expect(await scratch.must(['stop'])).toContain('nothing more is started, 1 agent at work may finish');
    expect(played.state.takeRequests()).toEqual([{ kind: 'stop', task: null }]);
    expect(await scratch.json(['stop'])).toMatchObject({ run: { id: 'RUN-PLAYED' }, result: 'stopping' });
  });

  it('--now waits until the run has ended', async () => {
    await scratch.must(['submit', 'First']);
    await using played = await PlayedRun.begin(scratch);
    const attempt = await played.start();
    const stopping = scratch.must(['stop', '--now']);
    expect(await played.asked()).toEqual([{ kind: 'stop-now', task: null }]);
    await played.end(attempt, { outcome: 'killed', taskState: 'queued' }, { 'half.txt': 'half\n' });
    played.state.endRun(played.run.id);
    expect(await stopping).toMatch(/^Stopped run RUN-PLAYED .*1 agent stopped, their work is kept/);
    expect(await statesOf('tasks')).toEqual({ first: 'queued' });
  });

  it('--now says which agents the run had to leave', async () => {
    await scratch.must(['submit', 'First']);
    await using played = await PlayedRun.begin(scratch);
    await played.start();
    const stopping = scratch.must(['stop', '--now']);
    await played.asked();
    played.state.endRun(played.run.id);
    expect(await stopping).toContain('1 agent could not be reached: the next `orchestrate run` ends');
  });
});

describe('retry', () => {
  it('queues a new attempt, and what depends on it waits again', async () => {
    await finishTask(scratch, { title: 'First', outcome: 'failed', reason: 'exit 1', files: { x: 'half\n' } });
    await scratch.must(['submit', 'Second', '--depends-on', 'first']);
    expect(await scratch.must(['task', 'first'])).toContain('orchestrate retry first --from-salvage');
    expect(await scratch.must(['retry', 'first'])).toBe('first is queued for attempt 2\nNext: orchestrate run');
    expect(await scratch.must(['status'])).toMatch(/^second +blocked .*waits for first$/m);
    const refused = { exitCode: 2, stderr: expect.stringContaining('first is queued, so it is not over yet') };
    expect(await scratch.orchestrate(['retry', 'first'])).toMatchObject(refused);
  });

  it('--from-salvage goes on with the newest salvaged patch, and wants one', async () => {
    await finishTask(scratch, { title: 'First', outcome: 'timeout', files: { x: 'half\n' } });
    const done = await finishTask(scratch, { title: 'Done', files: { y: 'y\n' } });
    const json = await scratch.json(['retry', 'first', '--from-salvage']);
    expect(json).toMatchObject({ tasks: [{ id: 'first', status: 'queued' }], from: 'first.1' });
    const state = stateOf(scratch);
    expect(state.task('first' as never).startFrom).toBe('first.1');
    state.close();
    const refused = { exitCode: 2, stderr: expect.stringContaining('no salvaged patch') };
    expect(await scratch.orchestrate(['retry', done.task, '--from-salvage'])).toMatchObject(refused);
    expect(await statesOf('tasks')).toMatchObject({ done: 'succeeded' });
  });

  it('--from-salvage chooses what a task starts from that its interrupted run put back into the queue', async () => {
    await finishTask(scratch, { title: 'First', outcome: 'killed', files: { x: 'half\n' } });
    await scratch.must(['retry', 'first']);
    const json = await scratch.json(['retry', 'first', '--from-salvage']);
    expect(json).toMatchObject({ tasks: [{ id: 'first', status: 'queued' }], from: 'first.1' });
    const state = stateOf(scratch);
    expect(state.task('first' as never)).toMatchObject({ startFrom: 'first.1', attempts: 1 });
    state.close();
  });

  it('keeps cleanup away from the work that is gone on with', async () => {
    await finishTask(scratch, { title: 'First', outcome: 'timeout', files: { x: 'half\n' } });
    await scratch.must(['retry', 'first', '--from-salvage']);
    await scratch.must(['cleanup', '--patches']);
    expect(await scratch.git('for-each-ref', '--format=%(refname)', 'refs/orchestrate')).toContain('first/1/result');
    expect(await statesOf('patches')).toEqual({ 'first.1': 'salvaged' });
  });

  it('is refused while the task runs', async () => {
    await scratch.must(['submit', 'First']);
    await using played = await PlayedRun.begin(scratch);
    await played.start();
    const answer = await scratch.orchestrate(['retry', 'first']);
    expect(answer).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('orchestrate kill first') });
  });
});

describe('agents', () => {
  it('names who works on what, with the last line that shows anything', async () => {
    expect(await scratch.json(['agents'])).toEqual({ run: null, agents: [] });
    await scratch.must(['submit', 'First', '--agent', 'test-engineer']);
    await using played = await PlayedRun.begin(scratch);
    const attempt = await played.start();
    const lines = ['x'.repeat(20_000), 'reading \x1b[31mred\x1b[0m\u202e\x07', '', '   '];
    await writeTranscript(scratch, attempt, lines.join('\n'));
    expect(await scratch.json(['agents'])).toMatchObject({
      run: { id: 'RUN-PLAYED' },
      agents: [
        {
          ...{ agent: 'test-engineer', task: 'first', title: 'First', attempt: 'first.1', status: 'running', phase: 1 },
          ...{ host: 'local', startedAt: expect.stringMatching(/Z$/), lastLine: 'reading red' },
        },
      ],
    });
    const text = await scratch.must(['agents']);
    expect(text).toMatch(/^1 agent at work in run RUN-PLAYED/);
    expect(text).toMatch(/^test-engineer +first +1 +running +1 +local +\d+s +reading red$/m);
  });

  it('tells agents of a run that was cut off from ones at work', async () => {
    expect(await scratch.must(['agents'])).toBe('No agent is at work.');
    await scratch.must(['submit', 'First']);
    await using played = await PlayedRun.begin(scratch);
    await played.start();
    played.die();
    expect(await scratch.must(['agents'])).toMatch(/^No run is at work; one that was cut off left 1 agent/);
    expect(await scratch.json(['agents'])).toMatchObject({ run: null, agents: [{ attempt: 'first.1' }] });
  });
});

describe('patch checkout', () => {
  it('lays the patched tree out as plain files, and says how to throw it away', async () => {
    const flags = [{ code: 'executable', path: 'x.sh', detail: 'is executable now' }];
    const files = { 'x.sh': 'echo x\n', '.gitattributes': '* text eol=crlf\n' };
    await finishTask(scratch, { title: 'Add x', files, flags });
    const markers = await scratch.setMarkerHooks();
    const text = await scratch.must(['patch', 'checkout', 'add-x', "../it's here/try"]);
    const folder = path.join(scratch.folder, "it's here/try");
    expect((await readdir(folder)).sort()).toEqual(['.gitattributes', 'a.txt', 'x.sh']);
    expect(await readFile(path.join(folder, 'x.sh'), 'utf8')).toBe('echo x\n');
    expect(text).toContain('executable  x.sh  is executable now');
    const remove = /^Throw it away with: (.*)$/m.exec(text)?.[1] ?? '';
    await execa('sh', ['-c', remove]);
    expect(await readdir(path.dirname(folder))).toEqual([]);
    expect(await readdir(markers)).toEqual([]);
    expect(await scratch.git('status', '--porcelain')).toBe('');
  });

  it('refuses a folder with something in it', async () => {
    await finishTask(scratch, { title: 'Add x', files: { x: 'x\n' } });
    const answer = await scratch.orchestrate(['patch', 'checkout', 'add-x', '.']);
    expect(answer).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('is not empty') });
    const json = await scratch.json(['patch', 'checkout', 'add-x', '../new']);
    expect(json).toMatchObject({ patch: 'add-x.1', folder: path.join(scratch.folder, 'new') });
  });
});

describe('logs', () => {
  it('of a task that never ran are refused, with -f as well', async () => {
    await scratch.must(['submit', 'Later']);
    const refused = { exitCode: 2, stderr: expect.stringContaining('later has not started') };
    expect(await scratch.orchestrate(['logs', '-f', 'later'])).toMatchObject(refused);
  });

  it('-f follow a transcript that is begun anew', async () => {
    await scratch.must(['submit', 'Live']);
    await using played = await PlayedRun.begin(scratch);
    const attempt = await played.start();
    const file = path.join(scratch.repository, '.git/orchestrate/transcripts', `${attempt}.log`);
    await mkdir(path.dirname(file), { recursive: true });
    await appendFile(file, 'first\n');
    const following = execa(process.execPath, [CLI, 'logs', '-f', 'live'], {
      cwd: scratch.repository,
      env: scratch.env,
      extendEnv: false,
    });
    let text = '';
    following.stdout.on('data', (chunk) => {
      text += String(chunk);
    });
    await expect.poll(() => text, { timeout: 20_000 }).toBe('first\n');
    await appendFile(file, 'second\n');
    await rename(file, `${file}.1`);
    await appendFile(file, 'third\n');
    await expect.poll(() => text, { timeout: 20_000 }).toBe('first\nsecond\nthird\n');
    await appendFile(file, 'last\n');
    await played.end(attempt, { outcome: 'no-changes', taskState: 'succeeded' });
    expect((await following).stdout).toBe('first\nsecond\nthird\nlast');
    expect(await scratch.must(['logs', 'live'])).toBe('first\nsecond\nthird\nlast');
  });

  it('join the parts in their order, and say which are gone', async () => {
    await scratch.must(['submit', 'Long']);
    await using played = await PlayedRun.begin(scratch);
    const attempt = await played.start();
    await writeTranscript(scratch, attempt, 'newest\n');
    const file = path.join(scratch.repository, '.git/orchestrate/transcripts', `${attempt}.log`);
    for (const part of [9, 10, 11]) await writeFile(`${file}.${part}`, `part ${part}\n`);
    await played.end(attempt, { outcome: 'no-changes', taskState: 'succeeded' });
    const gone = '\n… 8 earlier parts of the transcript were not kept …\n';
    expect(await scratch.must(['logs', 'long'])).toBe(`${gone}part 9\npart 10\npart 11\nnewest`);
  });

  it('-f says that nobody works on the attempt', async () => {
    await scratch.must(['submit', 'Live']);
    await using played = await PlayedRun.begin(scratch);
    const attempt = await played.start();
    played.die();
    const following = execa(process.execPath, [CLI, 'logs', '-f', 'live'], {
      cwd: scratch.repository,
      env: scratch.env,
      extendEnv: false,
    });
    let said = '';
    following.stderr.on('data', (chunk) => {
      said += String(chunk);
    });
    await expect.poll(() => said, { timeout: 20_000 }).toContain('No run is at work');
    await played.end(attempt, { outcome: 'lost', taskState: 'failed' });
    expect((await following).exitCode).toBe(0);
  });
});
