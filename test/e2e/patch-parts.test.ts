// Deciding about parts of patches through the command line; the state is prepared as a run leaves it, without any Docker.

import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLI } from '../support/scratch.ts';
import { Stack } from '../support/stack.ts';

const BASE = Array.from({ length: 30 }, (_, at) => `line ${at + 1}\n`).join('');
const line = (n: number, text: string, of = BASE) => of.replace(`line ${n}\n`, text);

let stack: Stack;
beforeEach(async () => {
  stack = await Stack.create({ long: BASE });
});
afterEach(() => stack[Symbol.asyncDispose]());

async function orchestrate(args: readonly string[], input?: string | Buffer) {
  const answer = await execa(process.execPath, [CLI, ...args], {
    cwd: stack.work.root,
    env: stack.work.env,
    extendEnv: false,
    reject: false,
    stripFinalNewline: false,
    ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
  });
  return { exitCode: answer.exitCode, stdout: String(answer.stdout), stderr: String(answer.stderr) };
}

async function must(...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await orchestrate(args);
  if (exitCode !== 0) throw new Error(`${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

async function json<T = unknown>(...args: string[]): Promise<T> {
  return JSON.parse(await must(...args, '--json')) as T;
}

/** Three hunks in one file, a new file and one that nobody can read. */
const CHANGED = line(28, 'c\n', line(15, 'b\n', line(2, 'a\n')));
async function pending(): Promise<void> {
  await stack.finish('change', { long: CHANGED, 'new.txt': 'new\n', 'bin.dat': '\0\x01' });
}

describe('patch show --hunks', () => {
  it('numbers what can be approved', async () => {
    await pending();
    const text = await must('patch', 'show', 'change', '--hunks');
    expect(text).toContain('bin.dat  added, binary, as a whole\n');
    expect(text).toContain('long  modified, +3 -3\nlong:1  @@ -1,5 +1,5 @@\n line 1\n-line 2\n+a\n');
    expect(text).toMatch(/^long:3 {2}@@ /m);
    expect(text).toContain('new.txt  added, +1 -0, as a whole\n');
    const { parts } = await json<{ parts: object[] }>('patch', 'show', 'change', '--hunks');
    expect(parts).toMatchObject([
      { path: 'bin.dat', status: 'A', isWhole: true, unread: 'binary', hunks: [] },
      { path: 'long', status: 'M', isWhole: false, hunks: [{ n: 1, header: '@@ -1,5 +1,5 @@' }, { n: 2 }, { n: 3 }] },
      { path: 'new.txt', status: 'A', isWhole: true, hunks: [{ n: 1, text: '+new\n' }] },
    ]);
  });

  it('hides nothing of what an agent wrote', async () => {
    await stack.finish('change', { 'e\u202evil\x1b]0;x\x07': 'a\x1b[2J\u202eb\r\n' });
    const text = await must('patch', 'show', 'change', '--hunks');
    for (const raw of ['\x1b', '\x07', '\r', '\u202e']) expect(text).not.toContain(raw);
    expect(text).toContain('+a\\x1b[2J\\u{202e}b\\x0d');
    // A path can be typed as it is shown.
    const shown = text.split('  ')[0] ?? '';
    expect(await must('patch', 'approve', 'change', '--only', shown)).toMatch(/^change\.1 approved/);
  });
});

describe('patch approve --only and --except', () => {
  it.each([
    [['--only', 'long:1,3', '--only', 'new.txt'], { long: line(28, 'c\n', line(2, 'a\n')), 'new.txt': 'new\n' }],
    [['--only', 'long:2-3', '--only', 'long:1'], { long: CHANGED }],
    [['--except', 'long:2', '--except', 'bin.dat'], { long: line(28, 'c\n', line(2, 'a\n')), 'new.txt': 'new\n' }],
    [['--except', 'long'], { long: BASE, 'new.txt': 'new\n', 'bin.dat': '\0\x01' }],
  ])('takes exactly these: %j', async (flags, files) => {
    await pending();
    const whole = stack.patch('change.1').tree;
    expect(await json('patch', 'approve', 'change', ...flags)).toMatchObject({
      patches: [{ id: 'change.1', status: 'approved', original: whole, decidedBy: 'person' }],
    });
    expect(await stack.files(stack.patch('change.1').tree)).toEqual({ 'a.txt': 'one\ntwo\nthree\n', ...files });
    // What is applied is that.
    await must('patch', 'apply', 'change');
    expect(await stack.files('HEAD')).toEqual({ 'a.txt': 'one\ntwo\nthree\n', ...files });
  });

  it('tells what was left out, and brings it back', async () => {
    await pending();
    expect(await must('patch', 'approve', 'change', '--only', 'long:2')).toBe(
      'change.1 approved as it is now: 1 file +1 -1 (what was left out: orchestrate patch show change.1 --rejected)\n' +
        'Next: orchestrate merge\n',
    );
    const rejected = await must('patch', 'show', 'change', '--rejected');
    expect(rejected).toContain('+++ b/new.txt');
    expect(rejected).toContain('+a\n');
    expect(rejected).not.toContain('+b\n');
    expect(await must('patch', 'show', 'change', '--rejected', '--stat')).toContain('3 files changed');
    expect(await must('patch', 'list')).toMatch(/^change\.1 +approved .*amended$/m);
    expect(await must('task', 'change')).toContain('change.1, approved, 1 file +1 -1, checks none, amended');
    expect(await must('patch', 'amend', 'change', '--original')).toBe('change.1 amended: 3 files +4 -3, pending\n');
    expect((await orchestrate(['patch', 'show', 'change', '--rejected'])).stderr).toContain('nothing was left out');
    expect(await orchestrate(['patch', 'amend', 'change', '--original'])).toMatchObject({ exitCode: 2 });
  });

  it.each([
    [['change', '--only', 'nope'], 'UNKNOWN_PART', 'It changes bin.dat, long (hunks 1-3), new.txt.'],
    [['change', '--only', 'nope:1'], 'UNKNOWN_PART', 'It changes bin.dat, long (hunks 1-3), new.txt.'],
    [['change', '--only', 'long:4'], 'UNKNOWN_PART', 'It has hunks 1-3.'],
    [['change', '--only', 'long:0'], 'UNKNOWN_PART', 'It has hunks 1-3.'],
    [['change', '--only', 'long:1-999999999'], 'UNKNOWN_PART', 'It has hunks 1-3.'],
    [['change', '--only', 'long:3-2'], 'BAD_HUNKS', 'Write long:1,3-5'],
    [['change', '--only', 'long:'], 'BAD_HUNKS', 'Write long:1,3-5'],
    [['change', '--only', 'long:x'], 'BAD_HUNKS', 'Write long:1,3-5'],
    [['change', '--only', 'bin.dat:1'], 'UNKNOWN_PART', 'It can only be taken or left as a whole.'],
    [['change', '--only', ''], 'UNKNOWN_PART', 'It changes'],
    [
      ['change', '--except', 'long', '--except', 'new.txt', '--except', 'bin.dat'],
      'PATCH_EMPTY',
      'patch reject change.1',
    ],
    [['change', '--only', 'long', '--except', 'new.txt'], 'BAD_USAGE', ''],
    [['change', '--only', 'long', '--all-passing'], 'BAD_USAGE', ''],
    [['change', '--all-passing'], 'BAD_USAGE', ''],
    [['change', 'other', '--only', 'long'], 'BAD_USAGE', ''],
    [[], 'BAD_USAGE', 'patch approve <patch>'],
  ])('%j is refused as %s', async (args, code, hint) => {
    await pending();
    await stack.finish('other', { other: 'x' });
    const { exitCode, stderr } = await orchestrate(['patch', 'approve', ...args, '--json']);
    expect(exitCode).toBe(2);
    const { error } = JSON.parse(stderr) as { error: { code: string; hint?: string } };
    expect(error).toMatchObject({ code });
    expect(error.hint ?? '').toContain(hint);
    expect(stack.states()).toEqual({ 'change.1': 'pending', 'other.1': 'pending' });
  });

  it('refuses a file where a folder would stay', async () => {
    await stack.finish('fold', { long: null, 'long/now': 'a folder\n' });
    const refused = await orchestrate(['patch', 'approve', 'fold', '--only', 'long/now']);
    expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('long/now takes the place of long') });
  });

  it('restacks what stands on it, or has it done again', async () => {
    await pending();
    await stack.finish('above', { 'above.txt': 'above\n' }, ['change']);
    await stack.finish('beside', { long: line(15, 'beside\n', CHANGED.replace('b\n', 'line 15\n')) }, ['change']);
    const told = await must('patch', 'approve', 'change', '--except', 'long:2');
    expect(told).toContain('above.1 is pending now: restacked on change.1; look again\n');
    expect(told).toContain('beside.1 is stale now: conflicts in long; to be done again on change.1\n');
    expect(await must('patch', 'list')).toMatch(/^above\.1 +pending .*restacked on change\.1; look again$/m);
    expect(await must('task', 'beside')).toContain('conflicts in long; to be done again on change.1');
    expect((await json<{ tasks: object[] }>('status')).tasks).toContainEqual(
      expect.objectContaining({
        id: 'beside',
        status: 'queued',
        reason: 'conflicts in long; to be done again on change.1',
      }),
    );
  });
});

describe('patch approve --all-passing', () => {
  it('takes what passed on the tree that it is, has nothing to be looked at, and says what it left', async () => {
    for (const title of ['passed', 'failed', 'unchecked', 'flagged', 'amended']) {
      await stack.finish(
        title,
        title === 'flagged' ? { '.github/workflows/x.yml': 'on: push\n' } : { [`src/${title}`]: title },
      );
    }
    for (const title of ['passed', 'failed', 'flagged', 'amended']) {
      const { id, tree } = stack.patch(`${title}.1`);
      stack.state.addChecks(id, [
        { command: 'test', exitCode: title === 'failed' ? 1 : 0, durationMs: 1, tree, isFlaky: false, log: null },
      ]);
    }
    await stack.finish('own', { 'gate.sh': 'exit 0\n' });
    const own = stack.patch('own.1');
    stack.state.addChecks(own.id, [
      { command: 'sh gate.sh', exitCode: 0, durationMs: 1, tree: own.tree, isFlaky: false, log: null },
    ]);
    const amendment = await must('patch', 'show', 'unchecked');
    await orchestrate(['patch', 'amend', 'amended', '--file', '-'], amendment);
    const { patches, left } = await json<{ patches: { id: string }[]; left: { id: string; reason: string }[] }>(
      ...(['patch', 'approve', '--all-passing'] as const),
    );
    expect(patches.map(({ id }) => id)).toEqual(['passed.1']);
    expect(Object.fromEntries(left.map(({ id, reason }) => [id, reason]))).toEqual({
      'failed.1': 'its checks failed',
      'unchecked.1': 'it was not checked',
      'flagged.1': expect.stringMatching(/^to be looked at: /),
      'amended.1': 'it was not checked',
      'own.1': 'it changes gate.sh, which a check runs',
    });
    expect(stack.states()).toMatchObject({ 'passed.1': 'approved', 'flagged.1': 'pending' });
    expect(await must('patch', 'approve', '--all-passing')).toContain('failed.1 was left: its checks failed\n');
  });

  it('with nothing pending is no error', async () => {
    expect(await must('patch', 'approve', '--all-passing')).toBe('No patch is pending.\n');
    expect(await json('patch', 'approve', '--all-passing')).toMatchObject({ patches: [], left: [] });
  });
});

describe('patch amend --file', () => {
  it('puts an edited patch in the place of one', async () => {
    await pending();
    const file = path.join(stack.work.folder, 'change.patch');
    await must('patch', 'show', 'change', '--output', file);
    const edited = (await readFile(file, 'latin1')).replace(/^\+b$/m, '+mine');
    // The ids in it are those of other contents now: without them it says the same.
    await writeFile(
      file,
      edited.replace(/^index [0-9a-f]{40}\.\.[0-9a-f]{40} 100644$/m, 'index 1111111..2222222 100644'),
      'latin1',
    );
    expect(await must('patch', 'amend', 'change', '--file', file)).toBe('change.1 amended: 3 files +4 -3, pending\n');
    expect(await stack.files(stack.patch('change.1').tree)).toMatchObject({
      ...{ long: line(28, 'c\n', line(15, 'mine\n', line(2, 'a\n'))), 'bin.dat': '\0\x01' },
    });
  });

  it.each([
    ['no patch at all', 'hello\n', 'BAD_PATCH'],
    [
      'a path outside',
      'diff --git a/../x b/../x\nnew file mode 100644\nindex 0000000..1111111\n--- /dev/null\n+++ b/../x\n@@ -0,0 +1 @@\n+x\n',
      'BAD_PATCH',
    ],
    [
      'a hook',
      'diff --git a/.git/hooks/x b/.git/hooks/x\nnew file mode 100755\nindex 0000000..1111111\n--- /dev/null\n+++ b/.git/hooks/x\n@@ -0,0 +1 @@\n+x\n',
      'BAD_PATCH',
    ],
    [
      'lines that are not there',
      'diff --git a/long b/long\nindex 1111111..2222222 100644\n--- a/long\n+++ b/long\n@@ -1 +1 @@\n-nope\n+x\n',
      'PATCH_MISFIT',
    ],
    [
      'a file that is there',
      'diff --git a/long b/long\nnew file mode 100644\nindex 0000000..1111111\n--- /dev/null\n+++ b/long\n@@ -0,0 +1 @@\n+x\n',
      'PATCH_MISFIT',
    ],
    ['nothing', '', 'PATCH_EMPTY'],
  ])('refuses %s, and changes nothing', async (_, patch, code) => {
    await pending();
    const before = stack.patch('change.1');
    const { exitCode, stderr } = await orchestrate(['patch', 'amend', 'change', '--file', '-', '--json'], patch);
    expect(exitCode).toBe(2);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code } });
    expect(stack.patch('change.1')).toEqual(before);
    expect(Object.keys(await stack.refs())).toEqual(['change/1/result']);
  });

  it('needs to know what it becomes', async () => {
    await pending();
    expect(await orchestrate(['patch', 'amend', 'change'])).toMatchObject({ exitCode: 2 });
    expect(await orchestrate(['patch', 'amend', 'change', '--file', 'nope', '--original'])).toMatchObject({
      exitCode: 2,
    });
    expect((await orchestrate(['patch', 'amend', 'change', '--file', 'nope'])).stderr).toContain(
      'there is no file nope',
    );
  });
});

it('cleanup removes all that is kept of a patch that was rejected', async () => {
  await pending();
  await must('patch', 'approve', 'change', '--only', 'new.txt');
  await must('patch', 'reject', 'change', '--reason', 'no');
  expect(Object.keys(await stack.refs())).toEqual(['change/1/result', 'change/1/reviewed']);
  await must('cleanup');
  expect(await stack.refs()).toEqual({});
});
