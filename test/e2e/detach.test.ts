// A run that is left to itself, and terminals that come and go.

import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockHolder } from '../../src/tasks/lock.ts';
import { containersOf, runningAgents, until } from '../support/killed-run.ts';
import { finishTask, PlayedRun } from '../support/queue.ts';
import { CLI, Scratch } from '../support/scratch.ts';
import { TestTerminal } from '../support/terminal.ts';

interface Started {
  readonly run: { readonly id: string; readonly pid: number; readonly isolation: string };
  readonly log: string;
}

interface Task {
  readonly status: string;
  readonly patch: { readonly status: string } | null;
  readonly attempts: readonly { readonly outcome: string | null; readonly exitCode: number | null }[];
}

let scratch: Scratch;

beforeEach(async () => {
  scratch = await Scratch.create();
});
afterEach(async () => {
  // A test that failed may have left its run at work.
  await scratch.orchestrate(['stop', '--now']);
  await scratch[Symbol.asyncDispose]();
});

/** The command line on a terminal of its own, below a shell as people have one, or alone. */
function terminal(args: readonly string[], below: 'alone' | Readonly<Record<string, string>> = {}): TestTerminal {
  const command = [process.execPath, CLI, ...args];
  const underShell = ['/bin/sh', '-c', '"$@"; echo "exit code $?"; read -r line', 'sh', ...command];
  const [file = '', ...rest] = below === 'alone' ? command : underShell;
  const env = { ...scratch.env, TERM: 'xterm-256color', ...(below === 'alone' ? {} : below) };
  return new TestTerminal({ file, args: rest, cwd: scratch.repository, env, columns: 140, rows: 30 });
}

const stateDirectory = () => path.join(scratch.repository, '.git/orchestrate');
const isNobodyAtWork = async () => lockHolder(stateDirectory()) === null;
const statusOf = async (task: string) => (await scratch.json<Task>(['task', task])).status;

/** A program of the system that notes when it begins and when it ends; returns a PATH with it, and its notes. */
async function standInForInhibit(): Promise<{ readonly PATH: string; notes(): Promise<string> }> {
  const folder = path.join(scratch.folder, 'bin');
  const notes = path.join(scratch.folder, 'inhibit');
  await mkdir(folder);
  await writeFile(
    path.join(folder, 'systemd-inhibit'),
    `#!/bin/sh\necho begun >> ${notes}\ncat\necho over >> ${notes}\n`,
  );
  await chmod(path.join(folder, 'systemd-inhibit'), 0o755);
  return { PATH: `${folder}:${scratch.env.PATH}`, notes: () => readFile(notes, 'utf8').catch(() => '') };
}

describe('run --detach', () => {
  it('outlives its terminal, can be looked at from another one, and is logged', async () => {
    await scratch.must(['submit', 'x', '--title', 'long']);
    const { PATH, notes } = await standInForInhibit();
    const command = 'echo begun; until test -e /tmp/go; do sleep 0.2; done; echo x > x.txt; exit 3';
    {
      await using shell = terminal(['run', '--detach', '--engine-command', command], { PATH });
      const text = await shell.shows('exit code 0');
      expect(text).toMatch(/ready, agents start/);
      expect(text).toMatch(/Run \w+ is on its own now \(pid \d+\): this terminal may be closed/);
      expect(text).toMatch(/isolation +\S+\n +ends +when its queue is empty.*\n +budget +none\n/);
      // Disposing of it kills the shell, and the terminal with it.
    }
    await until(async () => (await runningAgents(scratch)).length > 0);
    const attached = execa(process.execPath, [CLI, 'attach'], {
      ...{ cwd: scratch.repository, env: scratch.env, extendEnv: false, reject: false },
    });
    let seen = '';
    attached.stdout.on('data', (chunk) => {
      seen += String(chunk);
    });
    await expect.poll(() => seen, { timeout: 20_000 }).toMatch(/long {2}started \(attempt 1/);
    const second = await scratch.orchestrate(['run', '--detach', '--engine-command', 'true']);
    expect(second).toMatchObject({ exitCode: 3, stdout: '', stderr: expect.stringContaining('orchestrate attach') });
    const [agent = ''] = await containersOf(scratch, 'label=orchestrate.kind=agent');
    await execa('docker', ['exec', agent, '/usr/bin/touch', '/tmp/go']);
    expect((await attached).exitCode).toBe(1);
    expect(seen).toMatch(
      /long {2}patch long\.1: 1 file \+1 -0, salvaged[\s\S]*long {2}failed[\s\S]*ended: 0 succeeded, 1 failed/,
    );
    await until(isNobodyAtWork);
    expect(await notes()).toBe('begun\nover\n');
    // Of the one that did not begin there is none.
    const logs = await readdir(path.join(stateDirectory(), 'runs'));
    expect(logs).toHaveLength(1);
    const log = path.join(stateDirectory(), 'runs', logs[0] ?? '');
    expect((await stat(log)).mode & 0o777).toBe(0o600);
    expect(await readFile(log, 'utf8')).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [\s\S]*long {2}failed after/m);
    expect(await containersOf(scratch)).toEqual([]);
  });

  it('killed, is taken over by the next run; who looks at it is told', async () => {
    await scratch.must(['submit', 'x', '--title', 'long']);
    const { PATH, notes } = await standInForInhibit();
    const command = 'until test -e /tmp/go; do sleep 0.2; done; echo x > x.txt';
    const flags = ['run', 'x', '--detach', '--json', '--engine-command', command];
    const { run } = JSON.parse(await scratch.must(flags, { env: { PATH } })) as Started;
    const attaching = execa(process.execPath, [CLI, 'attach'], {
      ...{ cwd: scratch.repository, env: scratch.env, extendEnv: false, reject: false },
    });
    let seen = '';
    attaching.stdout.on('data', (chunk) => {
      seen += String(chunk);
    });
    // It looks at a run that is alive, and at an agent that works.
    await expect.poll(() => seen, { timeout: 20_000 }).toMatch(/x {2}started \(attempt 1/);
    await until(async () => (await runningAgents(scratch)).length > 0);
    process.kill(run.pid, 'SIGKILL');
    expect(await attaching).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('was cut off') });
    await expect.poll(notes, { timeout: 10_000 }).toBe('begun\nover\n');
    expect(await scratch.must(['attach'])).toContain('orchestrate run (it takes up what that one left)');
    const [agent = ''] = await containersOf(scratch, 'label=orchestrate.kind=agent');
    await execa('docker', ['exec', agent, '/usr/bin/touch', '/tmp/go']);
    await scratch.must(['run', '--engine-command', 'true']);
    expect(await scratch.json<Task>(['task', 'x'])).toMatchObject({
      ...{ status: 'succeeded', attempts: [{ outcome: 'succeeded' }] },
    });
    // It was not among what the described task's run was for.
    expect(await statusOf('long')).toBe('succeeded');
  });

  it('that is stopped tells its agents once, and keeps what they did', async () => {
    await scratch.must(['submit', 'x', '--title', 'tidy']);
    const command =
      'trap "echo told >> told.txt" TERM; until test -e told.txt; do sleep 0.1; done; sleep 3; sleep 1; exit 1';
    await scratch.must(['run', '--detach', '--engine-command', command]);
    await until(async () => (await runningAgents(scratch)).length > 0);
    expect(await scratch.must(['stop', '--now'])).toContain('1 agent stopped, their work is kept');
    expect(await scratch.json<Task>(['task', 'tidy'])).toMatchObject({
      status: 'queued',
      patch: { status: 'salvaged' },
    });
    expect(await scratch.must(['patch', 'show', 'tidy'])).toMatch(/^@@ -0,0 \+1 @@\n\+told$/m);
    expect(await scratch.must(['attach'])).toMatch(/^No run is at work here\. The last one:\n.*ended: 0 succeeded/);
    expect(await containersOf(scratch)).toEqual([]);
  });

  it.each([
    ['no engine answers', { DOCKER_HOST: 'unix:///nowhere/docker.sock' }, []],
    ['the base is red', {}, ['--check', 'exit 7']],
  ])('ends as run does where %s, and leaves nothing', async (_, env, flags) => {
    await scratch.must(['submit', 'x', '--title', 'waits']);
    const all = ['run', '--engine-command', 'true', '--for', '1h', ...flags];
    const watched = await scratch.orchestrate(all, { env });
    const detached = await scratch.orchestrate([...all, '--detach'], { env });
    expect(watched.exitCode).toBeGreaterThan(0);
    expect(detached.exitCode).toBe(watched.exitCode);
    const errorOf = (stderr: string) =>
      stderr.slice(stderr.lastIndexOf('\norchestrate: ')).replace(/base-\S+\.log/, 'base.log');
    expect(errorOf(detached.stderr)).toBe(errorOf(watched.stderr));
    expect(detached.stdout).toBe('');
    expect(await isNobodyAtWork()).toBe(true);
    expect(await statusOf('waits')).toBe('queued');
  });

  it('given up before it is ready has no run, no container, and its task waits', async () => {
    await scratch.must(['submit', 'x', '--title', 'waits']);
    await using shell = terminal(['run', '--detach', '--engine-command', 'true', '--setup', 'sleep 300'], 'alone');
    await until(async () => (await containersOf(scratch, 'label=orchestrate.kind=setup')).length > 0);
    shell.press('\x03');
    expect((await shell.ended()).exitCode).toBe(130);
    expect(await isNobodyAtWork()).toBe(true);
    expect(await containersOf(scratch)).toEqual([]);
    expect(await statusOf('waits')).toBe('queued');
  });

  it('says that the queue is empty, and starts nothing', async () => {
    const answer = await scratch.orchestrate(['run', '--detach']);
    expect(answer).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('The queue is empty') });
    expect(await readdir(path.join(stateDirectory(), 'runs')).catch(() => 'none')).toBe('none');
  });
});

describe('a run that is watched', () => {
  it('ends in order when its terminal is closed', async () => {
    await scratch.must(['submit', 'x', '--title', 'long']);
    {
      await using shell = terminal(['run', '--engine-command', 'echo kept > kept.txt; sleep 300']);
      await until(async () => (await runningAgents(scratch)).length > 0);
      await shell.shows('1 at work');
    }
    await until(isNobodyAtWork);
    expect(await scratch.json<Task>(['task', 'long'])).toMatchObject({
      ...{ status: 'queued', patch: { status: 'salvaged' }, attempts: [{ outcome: 'killed' }] },
    });
    expect(await containersOf(scratch)).toEqual([]);
  });

  it('works on when its reader goes', async () => {
    await scratch.must(['submit', 'x', '--title', 'long']);
    const command = `"$0" "$1" run --engine-command 'sleep 2; echo x > x.txt; exit 3'`;
    const pipe = `{ ${command}; echo "run: $?" >&2; } | head -n 1`;
    const shell = await execa('sh', ['-c', pipe, process.execPath, CLI], {
      ...{ cwd: scratch.repository, env: scratch.env, extendEnv: false },
    });
    expect(shell.stderr).toMatch(/run: 1$/);
    expect(await scratch.json<Task>(['task', 'long'])).toMatchObject({ status: 'failed', attempts: [{ exitCode: 3 }] });
  });
});

describe('attach', () => {
  it('says so where no run is at work, and how the last one ended', async () => {
    expect(await scratch.must(['attach'])).toContain('orchestrate run --detach');
    await finishTask(scratch, { title: 'First' });
    expect(await scratch.must(['attach'])).toContain('No run is at work here');
  });

  it('draws a run on a terminal that q leaves as it was', async () => {
    await scratch.must(['submit', 'First']);
    await using played = await PlayedRun.begin(scratch);
    await played.start();
    await using shell = terminal(['attach']);
    await shell.shows('0/1 done, 1 at work');
    shell.press('q');
    const text = await shell.shows('exit code 130');
    expect(text).toMatch(/Run RUN-PLAYED goes on without you\..*stop it: orchestrate stop/);
    shell.press('typed\n');
    await shell.ended();
    // Echoed: the terminal is no longer raw.
    expect(shell.text).toContain('typed');
  });

  it('begins with how it stands, then tells what is new, and ends with the exit code of the run', async () => {
    await scratch.must(['submit', 'First']);
    await using played = await PlayedRun.begin(scratch);
    const { id } = played.run;
    const attempt = await played.start();
    const at = new Date().toISOString();
    const task = { task: 'first' as never, attempt };
    const tell = (event: object) => played.state.appendEvent({ at, ...event } as never, id);
    tell({ type: 'run.started', run: id, tasks: 4, isolation: 'shared-kernel', base: 'b' });
    tell({ type: 'warning', message: 'long ago' });
    tell({ type: 'task.paused', ...task, reason: 'until 07:00', until: null });
    const attached = execa(process.execPath, [CLI, 'attach', '--json'], {
      ...{ cwd: scratch.repository, env: scratch.env, extendEnv: false, reject: false },
    });
    let seen = '';
    attached.stdout.on('data', (chunk) => {
      seen += String(chunk);
    });
    await expect.poll(() => seen, { timeout: 20_000 }).toContain('task.paused');
    tell({ type: 'task.resumed', ...task });
    tell({ type: 'run.ended', run: id, succeeded: 1, failed: 0, blocked: 0, reason: 'deadline', exitCode: 4 });
    expect((await attached).exitCode).toBe(4);
    const types = seen
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { type: string }).type);
    expect(types).toEqual(['run.started', 'task.started', 'task.paused', 'task.resumed', 'run.ended']);
  });
});
