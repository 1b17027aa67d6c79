// Checks and policies through the built command line: in a run, beside one, and without one.
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { containersOf, until } from '../support/killed-run.ts';
import { finishTask } from '../support/queue.ts';
import { Scratch } from '../support/scratch.ts';

const CLI = path.resolve(import.meta.dirname, '../../dist/cli/main.js');
const CHECKS = 'label=orchestrate.kind=check';

interface Patches {
  readonly patches: readonly {
    readonly id: string;
    readonly status: string;
    readonly checks: readonly { readonly command: string; readonly exitCode: number; readonly flaky: boolean }[];
  }[];
}

let scratch: Scratch;

beforeEach(async () => {
  scratch = await Scratch.create();
});
afterEach(() => scratch[Symbol.asyncDispose]());

async function statesOf(): Promise<Record<string, string>> {
  const { patches } = await scratch.json<Patches>(['patch', 'list']);
  return Object.fromEntries(patches.map(({ id, status }) => [id, status]));
}

function started(...args: string[]) {
  const options = {
    cwd: scratch.repository,
    env: scratch.env,
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  } as const;
  return execa(process.execPath, [CLI, ...args], options);
}

describe('run --check', () => {
  it('checks each patch as it arrives; what passed and is not flagged is approved where the user wants it', async () => {
    await scratch.submitScript('Good', 'echo good > good.txt');
    await scratch.submitScript('Bad', 'echo bad > bad.txt');
    // A name that a terminal would not show as it is.
    await scratch.submitScript('Sly', 'touch "$(printf \'sly\\033.txt\')"');
    const check = 'test ! -e bad.txt || { echo bad is here; exit 7; }';
    const answer = await scratch.orchestrate([
      'run',
      '--engine',
      'demo',
      '--check',
      check,
      '--auto-approve',
      'passing',
      '--json',
    ]);
    // A check that failed is no success.
    expect(answer.exitCode).toBe(1);
    const events = answer.stdout.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events.filter(({ type }) => type === 'check.ended')).toHaveLength(3);
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'check.ended', task: 'bad', attempt: 'bad.1', command: check, exitCode: 7 }),
    );
    expect(events.at(-1)).toMatchObject({ type: 'run.ended', succeeded: 3, redPatches: 1 });
    expect(await statesOf()).toEqual({ 'good.1': 'approved', 'bad.1': 'pending', 'sly.1': 'pending' });
    expect(await scratch.must(['patch', 'list'])).toMatch(/^sly\.1 +pending .*passed .*flags: /m);
    expect(await scratch.must(['patch', 'list'])).toMatch(/^bad\.1 .* failed .*output: orchestrate task bad$/m);
    const task = await scratch.must(['task', 'bad']);
    expect(task).toContain('      | bad is here\n      | orchestrate: the check ended with exit code 7');
    expect(task).toMatch(/failed \(7\).*output in \/.*\/orchestrate\/checks\/bad\.1-\d+-\w+\.log/);
    expect(await scratch.must(['status'])).toMatch(/^bad +succeeded .*pending, checks failed$/m);
    expect(await containersOf(scratch)).toEqual([]);
  });

  it('approves nothing where there is no check, and says so at the start', async () => {
    await scratch.submitScript('Good', 'echo good > good.txt');
    const answer = await scratch.orchestrate(['run', '--engine', 'demo', '--auto-approve', 'passing']);
    expect(answer.exitCode).toBe(0);
    expect(answer.stderr).toContain('--auto-approve passing approves nothing');
    expect(await statesOf()).toEqual({ 'good.1': 'pending' });
  });

  it('ends its checks with Ctrl-C, and a later run does what was cut off', async () => {
    await scratch.submitScript('Good', 'echo good > good.txt');
    const run = started('run', '--engine', 'demo', '--check', 'test -e good.txt && sleep 600');
    await until(async () => (await containersOf(scratch, CHECKS, 'status=running')).length === 1);
    run.kill('SIGKILL');
    await run;
    const [left] = await containersOf(scratch, CHECKS);
    // Nothing is queued, but a check was left to do; what the killed one has left goes.
    const again = started('run', '--engine', 'demo', '--check', 'test -e good.txt && sleep 600');
    await until(async () => {
      const running = await containersOf(scratch, CHECKS, 'status=running');
      return running.length === 1 && running[0] !== left;
    });
    again.kill('SIGINT');
    expect((await again).exitCode).toBe(130);
    expect(await containersOf(scratch)).toEqual([]);
    expect((await scratch.json<Patches>(['patch', 'list'])).patches[0]?.checks).toEqual([]);
  });
});

describe('run --dry-run', () => {
  it('names checks and policies', async () => {
    const flags = ['--check', 'npm test', '--auto-approve', 'passing', '--max-pending-reviews', '3'];
    const run = ['run', '--dry-run', '--engine', 'demo'];
    const text = await scratch.must([...run, ...flags]);
    expect(text).toContain('check on each patch: npm test');
    expect(text).toContain('what passes its checks and has no sensitive flag is approved by itself');
    expect(text).toContain('nothing is started while 3 patches wait');
    expect(await scratch.must(run)).toMatch(/no check on patches[^\n]*\nevery patch waits for a person/);
    expect(await scratch.json([...run, ...flags])).toMatchObject({
      ...{ checks: ['npm test'], autoApprove: 'passing', autoMerge: null, maxPendingReviews: 3 },
    });
  });
});

describe('run --max-pending-reviews', () => {
  it('waits for people, says what to type, and goes on once another process has decided', async () => {
    for (const title of ['One', 'Two']) await scratch.submitScript(title, 'echo x > "$ORCHESTRATE_TASK_ID.txt"');
    const run = started('run', '--engine', 'demo', '--max-pending-reviews', '1', '--max-agents', '1');
    await until(async () => (await scratch.must(['status'])).includes('held: 1 patch is pending'));
    await until(async () => (await scratch.must(['task', 'one'])).includes('pending'));
    // Beside the run: as its guest, which leaves nothing either.
    expect(await scratch.must(['patch', 'check', 'one', '--check', 'test -e one.txt'])).toContain('passed after');
    await scratch.must(['patch', 'approve', 'one']);
    const { exitCode, stdout } = await run;
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/nothing goes on meanwhile, 1 patch is pending.*: orchestrate review.*two {2}succeeded/s);
    expect(await statesOf()).toEqual({ 'one.1': 'approved', 'two.1': 'pending' });
    expect(await containersOf(scratch)).toEqual([]);
  });

  it('is ended by stop although nobody decides', async () => {
    await scratch.submitScript('One', 'echo x > one.txt');
    await finishTask(scratch, { title: 'Earlier', files: { 'earlier.txt': 'x' } });
    const run = started('run', '--engine', 'demo', '--max-pending-reviews', '1');
    await until(async () => (await scratch.must(['status'])).includes('held: 1 patch'));
    await scratch.must(['stop']);
    expect((await run).exitCode).toBe(0);
    const status = await scratch.must(['status']);
    expect(status).toMatch(/^one +queued .*waits for `orchestrate run`$/m);
  });
});

describe('patch check', () => {
  it('runs what is configured or given, with the set-up, tells where the output is, and fails with a red one', async () => {
    await scratch.write({ 'orchestrate.yaml': "checks: ['grep -q fine result.txt']\n" });
    await finishTask(scratch, { title: 'Fine', files: { 'result.txt': 'fine\n' } });
    await finishTask(scratch, { title: 'Broken', files: { 'result.txt': 'broken\n' } });
    const both = await scratch.orchestrate(['patch', 'check', 'fine', 'broken', '--trust', '--json']);
    expect(both.exitCode).toBe(1);
    const command = 'grep -q fine result.txt';
    expect(JSON.parse(both.stdout)).toMatchObject({
      patches: [
        { id: 'fine.1', checks: [{ command, exitCode: 0, flaky: false }] },
        { id: 'broken.1', checks: [{ command, exitCode: 1, flaky: false }] },
      ],
    });
    const setUp = ['--setup', 'echo ready > /usr/local/ready', '--check', 'cat /usr/local/ready'];
    expect(await scratch.must(['patch', 'check', 'fine', '--trust', ...setUp])).toContain('passed after');
    const { patches } = await scratch.json<Patches>(['patch', 'list']);
    expect(patches[0]?.checks.map((check) => check.command)).toEqual([command, 'cat /usr/local/ready']);
    const output = path.join(scratch.repository, '.git/orchestrate/checks');
    expect(await readdir(output)).toHaveLength(3);
    expect(await scratch.must(['cleanup', '--all'])).toContain('check log checks/fine.1-');
    expect(await readdir(output)).toEqual([]);
    expect(await containersOf(scratch)).toEqual([]);
  });

  it('keeps the repository for itself, and what a killed one has left goes with the next', async () => {
    await finishTask(scratch, { title: 'Fine', files: { 'result.txt': 'fine\n' } });
    await scratch.must(['submit', 'Another']);
    const check = started('patch', 'check', 'fine', '--check', 'sleep 600');
    await until(async () => (await containersOf(scratch, CHECKS, 'status=running')).length === 1);
    const run = await scratch.orchestrate(['run', '--engine', 'demo', '--json']);
    expect(JSON.parse(run.stderr)).toMatchObject({
      error: {
        code: 'ALREADY_RUNNING',
        message: `orchestrate patch check works on this repository (process ${check.pid})`,
      },
    });
    const left = await containersOf(scratch, CHECKS);
    await scratch.must(['cleanup']);
    expect(await containersOf(scratch, CHECKS)).toEqual(left);
    check.kill('SIGKILL');
    await check;
    expect(await containersOf(scratch, CHECKS)).toEqual(left);
    await scratch.must(['patch', 'check', 'fine', '--check', 'true']);
    expect(await containersOf(scratch)).toEqual([]);
  });

  it('wants a check', async () => {
    await finishTask(scratch, { title: 'Fine', files: { 'result.txt': 'fine\n' } });
    expect(await scratch.orchestrate(['patch', 'check', 'fine'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("--check 'npm test'"),
    });
  });
});
