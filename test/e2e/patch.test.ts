import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { finishTask } from '../support/queue.ts';
import { Scratch } from '../support/scratch.ts';

const CLI = path.resolve(import.meta.dirname, '../../dist/cli/main.js');
const BINARY = Buffer.from(Array.from({ length: 512 }, (_, index) => index % 256));

let scratch: Scratch;

beforeEach(async () => {
  scratch = await Scratch.create({ 'a.txt': 'one\ntwo\nthree\n', 'b.txt': 'b\n', 'gone.txt': 'to be removed\n' });
});
afterEach(() => scratch[Symbol.asyncDispose]());

const addX = {
  title: 'Add x',
  description: 'All about x',
  files: { 'x.txt': 'x\n', 'bin.dat': BINARY, 'gone.txt': null },
};

async function statesOf(): Promise<Record<string, string>> {
  const { patches } = await scratch.json<{ patches: { id: string; status: string }[] }>(['patch', 'list']);
  return Object.fromEntries(patches.map((patch) => [patch.id, patch.status]));
}

describe('patch list and show', () => {
  it('list has the promised JSON, and filters by state', async () => {
    expect(await scratch.json(['patch', 'list'])).toEqual({ patches: [] });
    const { result } = await finishTask(scratch, addX);
    await finishTask(scratch, { title: 'Broken', outcome: 'failed', files: { y: '' } });
    const { patches } = await scratch.json<{ patches: unknown[] }>(['patch', 'list', '--status', 'pending']);
    expect(patches).toEqual([
      expect.objectContaining({
        ...{ id: 'add-x.1', task: 'add-x', status: 'pending', files: 3, insertions: 1, deletions: 0 },
        ...{ flags: [], checks: [], conflictsWith: [] },
        base: await scratch.git('rev-parse', 'HEAD^{tree}'),
        tree: await scratch.git('rev-parse', `${result}^{tree}`),
      }),
    ]);
    expect(await statesOf()).toEqual({ 'add-x.1': 'pending', 'broken.1': 'salvaged' });
    expect(await scratch.must(['patch', 'list'])).toMatch(/^broken\.1 +salvaged +1 file \+1 -0 +none/m);
  });

  it('show into a pipe or a file is exactly what git apply takes', async () => {
    const { result } = await finishTask(scratch, addX);
    const shown = await execa(process.execPath, [CLI, 'patch', 'show', 'add-x'], {
      cwd: scratch.repository,
      env: scratch.env,
      encoding: 'buffer',
      stripFinalNewline: false,
    });
    await scratch.must(['patch', 'show', 'add-x.1', '--output', '../out.patch']);
    expect(await readFile(path.join(scratch.folder, 'out.patch'))).toEqual(Buffer.from(shown.stdout));
    await scratch.git('apply', '--check', '../out.patch');
    await scratch.git('apply', '--index', '../out.patch');
    expect(await scratch.git('write-tree')).toBe(await scratch.git('rev-parse', `${result}^{tree}`));
    expect(await scratch.must(['patch', 'show', 'add-x', '--stat'])).toMatch(/x\.txt +\| +1 \+/);
  });

  it('show on a terminal spells out what misleads, and leaves encoded bytes out', async () => {
    await finishTask(scratch, { ...addX, files: { ...addX.files, 'evil.txt': 'if (admin\u202e)\x1b[8mhidden\n' } });
    const line = `'${process.execPath}' '${CLI}' --no-color patch show add-x`;
    const { stdout } = await execa('script', ['-qec', line, '/dev/null'], {
      cwd: scratch.repository,
      env: { ...scratch.env, TERM: 'xterm' },
      extendEnv: false,
    });
    expect(stdout).toContain('+if (admin\\u{202e})\\x1b[8mhidden');
    expect(stdout).toContain('(binary content');
    expect(stdout).not.toContain('GIT binary patch');
    expect(stdout).not.toMatch(/[^\r\n\P{Cc}]/u);
  });
});

describe('patch approve and reject', () => {
  it('move patches, all or none, and may be said again', async () => {
    await finishTask(scratch, addX);
    await finishTask(scratch, { title: 'Add y', files: { 'y.txt': '' } });
    const failed = await scratch.orchestrate(['patch', 'approve', 'add-x', 'nothing']);
    expect(failed.exitCode).toBe(2);
    expect(await statesOf()).toEqual({ 'add-x.1': 'pending', 'add-y.1': 'pending' });
    expect(await scratch.must(['patch', 'approve', 'add-x', 'add-y.1'])).toContain('orchestrate merge');
    expect(await scratch.must(['patch', 'approve', 'add-x'])).toContain('is approved already');
    await scratch.must(['patch', 'reject', 'add-y', '--reason', 'not now']);
    expect(await statesOf()).toEqual({ 'add-x.1': 'approved', 'add-y.1': 'rejected' });
    expect(await scratch.must(['patch', 'list'])).toMatch(/^add-y\.1 .*not now$/m);
    expect(await scratch.json(['patch', 'approve', 'add-y'])).toMatchObject({
      patches: [{ id: 'add-y.1', status: 'approved' }],
    });
  });
});

describe('patch apply', () => {
  it('makes one commit with the title, trailers and the user as author, and says how to undo it', async () => {
    const { result } = await finishTask(scratch, { ...addX, summary: 'Made x.' });
    await scratch.must(['patch', 'approve', 'add-x']);
    const before = await scratch.git('rev-parse', 'HEAD');
    await scratch.write({ 'b.txt': 'changed by the user\n', 'untracked.txt': 'mine\n' });
    const text = await scratch.must(['patch', 'apply', 'add-x']);
    expect(await scratch.git('log', '--format=%an <%ae>|%cn|%P|%B', '-1')).toBe(
      `Test User <user@example.invalid>|Test User|${before}|Add x\n\nMade x.\n\nOrchestrate-Task: add-x\nOrchestrate-Attempt: add-x.1\nOrchestrate-Role: test-engineer\nOrchestrate-Engine: command\n`,
    );
    expect(await scratch.git('rev-parse', 'HEAD^{tree}')).toBe(await scratch.git('rev-parse', `${result}^{tree}`));
    expect(await scratch.git('status', '--porcelain')).toBe(' M b.txt\n?? untracked.txt');
    expect(await statesOf()).toEqual({ 'add-x.1': 'merged' });
    const undo = /^Undo: git (.*)$/m.exec(text)?.[1] ?? '';
    await scratch.git(...undo.split(' '));
    expect(await scratch.git('rev-parse', 'HEAD')).toBe(before);
    expect(await scratch.git('status', '--porcelain')).toBe(' M b.txt\n?? untracked.txt');
  });

  it('says so and does nothing when it is merged already', async () => {
    await finishTask(scratch, addX);
    await scratch.must(['patch', 'apply', 'add-x', '--unreviewed']);
    const before = await scratch.git('rev-parse', 'HEAD');
    expect(await scratch.must(['patch', 'apply', 'add-x'])).toBe('add-x.1 is merged already');
    expect(await scratch.json(['patch', 'apply', 'add-x'])).toMatchObject({ merged: [], alreadyMerged: ['add-x.1'] });
    expect(await scratch.git('rev-parse', 'HEAD')).toBe(before);
  });

  it('applies again what the user took back with the line that it printed', async () => {
    await finishTask(scratch, addX);
    const first = await scratch.must(['patch', 'apply', 'add-x', '--unreviewed']);
    const before = await scratch.git('rev-parse', 'HEAD');
    const undo = /^Undo: git (.*)$/m.exec(first)?.[1] ?? '';
    await scratch.git(...undo.split(' '));
    // Something else came meanwhile, so that the commit cannot be the same.
    await scratch.git('commit', '--quiet', '--allow-empty', '--message', 'meanwhile');
    const text = await scratch.must(['patch', 'apply', 'add-x']);
    expect(text).toContain(
      `add-x.1 was merged as ${before.slice(0, 12)} before, which main does not have: applied again`,
    );
    const now = await scratch.git('rev-parse', 'HEAD');
    expect(await scratch.git('show', 'HEAD:x.txt')).toBe('x');
    const { patches } = await scratch.json<{ patches: unknown[] }>(['patch', 'list']);
    expect(patches).toEqual([expect.objectContaining({ status: 'merged', mergedAs: now, mergedInto: 'main' })]);
    expect(await scratch.must(['patch', 'apply', 'add-x'])).toBe('add-x.1 is merged already');
  });

  it('knows a merged patch again whose commit the user rewrote', async () => {
    await finishTask(scratch, addX);
    await scratch.must(['patch', 'apply', 'add-x', '--unreviewed']);
    await scratch.git('commit', '--quiet', '--amend', '--message', 'in my own words');
    expect(await scratch.must(['patch', 'apply', 'add-x'])).toBe('add-x.1 is merged already');
  });

  it('applies to a branch what another branch has', async () => {
    const { result } = await finishTask(scratch, addX);
    await finishTask(scratch, { title: 'Use x', dependsOn: ['add-x'], base: result, files: { 'use.txt': 'x\n' } });
    await scratch.must(['patch', 'apply', 'add-x', '--unreviewed', '--branch', 'try']);
    await scratch.must(['patch', 'approve', 'use-x']);
    const alone = await scratch.orchestrate(['patch', 'apply', 'use-x']);
    expect(alone).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('was merged, but is not there') });
    expect(await scratch.json(['patch', 'apply', 'use-x', '--branch', 'try'])).toMatchObject({ merged: ['use-x.1'] });
    const both = await scratch.json(['patch', 'apply', 'use-x', '--with-dependencies']);
    expect(both).toMatchObject({ target: 'main', merged: ['add-x.1', 'use-x.1'] });
    expect(await scratch.git('ls-tree', '--name-only', 'HEAD', 'x.txt', 'use.txt')).toBe('use.txt\nx.txt');
  });

  it('refuses what stands on a rejected patch, with the reason', async () => {
    const { result } = await finishTask(scratch, addX);
    await finishTask(scratch, { title: 'Use x', dependsOn: ['add-x'], base: result, files: { 'use.txt': 'x\n' } });
    await scratch.must(['patch', 'approve', 'use-x']);
    const said = await scratch.must(['patch', 'reject', 'add-x']);
    expect(said).toBe('add-x.1 rejected\nuse-x.1 is stale now: builds on add-x.1, which was rejected');
    for (const args of [
      ['apply', 'use-x'],
      ['apply', 'use-x', '--unreviewed', '--with-dependencies'],
      ['approve', 'use-x'],
    ]) {
      const refused = await scratch.orchestrate(['patch', ...args]);
      expect(refused, args.join(' ')).toMatchObject({
        exitCode: 2,
        stderr: expect.stringMatching(
          /use-x\.1 is stale \(builds on add-x\.1, which was rejected\)[\s\S]*orchestrate retry use-x/,
        ),
      });
    }
    expect(await scratch.json(['patch', 'approve', 'add-x'])).toMatchObject({
      alsoChanged: [{ id: 'use-x.1', status: 'pending' }],
    });
  });

  it('lets a patch and what stands on it be rejected together', async () => {
    const { result } = await finishTask(scratch, addX);
    await finishTask(scratch, { title: 'Use x', dependsOn: ['add-x'], base: result, files: { 'use.txt': 'x\n' } });
    expect(await scratch.must(['patch', 'reject', 'add-x', 'use-x'])).toBe('add-x.1 rejected\nuse-x.1 rejected');
    expect(await statesOf()).toEqual({ 'add-x.1': 'rejected', 'use-x.1': 'rejected' });
  });

  it('wants approval, or --unreviewed; what was rejected stays out', async () => {
    await finishTask(scratch, addX);
    expect(await scratch.orchestrate(['patch', 'apply', 'add-x'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('pending, not approved'),
    });
    await scratch.must(['patch', 'reject', 'add-x']);
    expect((await scratch.orchestrate(['patch', 'apply', 'add-x', '--unreviewed'])).exitCode).toBe(2);
    expect(await scratch.git('rev-list', '--count', 'HEAD')).toBe('1');
  });

  it('puts what a patch stands on first, or wants it merged', async () => {
    const first = await finishTask(scratch, { title: 'First', files: { 'a.txt': 'one\ntwo\nthree\nfour\n' } });
    await finishTask(scratch, {
      title: 'Second',
      dependsOn: ['first'],
      base: first.result,
      files: { 'a.txt': 'one\ntwo\nthree\nfour\nfive\n' },
    });
    await scratch.must(['patch', 'approve', 'first', 'second']);
    const alone = await scratch.orchestrate(['patch', 'apply', 'second', '--json']);
    expect(alone.exitCode).toBe(2);
    expect(JSON.parse(alone.stderr)).toMatchObject({
      error: { code: 'DEPENDENCY_NOT_MERGED', hint: expect.stringContaining('--with-dependencies') },
    });
    const done = await scratch.json<{ merged: string[]; from: string; to: string; target: string }>([
      'patch',
      'apply',
      'second',
      '--with-dependencies',
    ]);
    expect(done).toMatchObject({
      target: 'main',
      merged: ['first.1', 'second.1'],
      to: await scratch.git('rev-parse', 'HEAD'),
    });
    expect(await scratch.git('log', '--format=%s')).toBe('Second\nFirst\nstart');
  });

  it('takes several in any order, and tells what was done when one is in the way', async () => {
    const first = await finishTask(scratch, { title: 'First', files: { 'a.txt': '1\ntwo\nthree\n' } });
    await finishTask(scratch, {
      title: 'Second',
      dependsOn: ['first'],
      base: first.result,
      files: { 'a.txt': '1\n2\nthree\n' },
    });
    await finishTask(scratch, { title: 'Clash', files: { 'a.txt': 'ONE\ntwo\nthree\n' } });
    const answer = await scratch.orchestrate(['patch', 'apply', 'clash', 'second', 'first', '--unreviewed']);
    expect(answer.exitCode).toBe(1);
    expect(answer.stdout).toMatch(/first\.1 merged into main[\s\S]*Undo: git reset --keep/);
    expect(answer.stderr).toMatch(/clash\.1: .*conflict.*a\.txt/i);
    expect((await statesOf())['clash.1']).toBe('pending');
  });

  it('refuses a locally changed file by name and changes nothing', async () => {
    await finishTask(scratch, { title: 'Edit a', files: { 'a.txt': 'one\ntwo\nthree\nfour\n' } });
    await scratch.write({ 'a.txt': 'mine\n' });
    const before = await scratch.git('rev-parse', 'HEAD');
    const answer = await scratch.orchestrate(['patch', 'apply', 'edit-a', '--unreviewed']);
    expect(answer).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('a.txt') });
    expect(await scratch.git('rev-parse', 'HEAD')).toBe(before);
    expect(await readFile(path.join(scratch.repository, 'a.txt'), 'utf8')).toBe('mine\n');
    expect(await statesOf()).toEqual({ 'edit-a.1': 'pending' });
  });

  it('--no-commit changes index and work tree together, and merges nothing', async () => {
    const first = await finishTask(scratch, { title: 'First', files: { 'a.txt': '1\ntwo\nthree\n' } });
    const second = await finishTask(scratch, {
      title: 'Second',
      dependsOn: ['first'],
      base: first.result,
      files: { 'a.txt': '1\n2\nthree\n' },
    });
    await scratch.must(['patch', 'apply', 'second', '--no-commit', '--with-dependencies', '--unreviewed']);
    expect(await scratch.git('write-tree')).toBe(await scratch.git('rev-parse', `${second.result}^{tree}`));
    expect(await scratch.git('diff', '--stat')).toBe('');
    expect(await statesOf()).toEqual({ 'first.1': 'pending', 'second.1': 'pending' });
    expect((await scratch.orchestrate(['patch', 'apply', 'second', '--no-commit', '--branch', 'x'])).exitCode).toBe(2);
  });

  it('--branch makes or moves another branch and leaves this one alone', async () => {
    const { result } = await finishTask(scratch, addX);
    const before = await scratch.git('rev-parse', 'HEAD');
    await scratch.must(['patch', 'apply', 'add-x', '--unreviewed', '--branch', 'try']);
    expect(await scratch.git('rev-parse', 'try^{tree}')).toBe(await scratch.git('rev-parse', `${result}^{tree}`));
    expect(await scratch.git('rev-parse', 'HEAD')).toBe(before);
    expect(await scratch.git('status', '--porcelain')).toBe('');
  });

  it('without an identity: exit 3 with the command to set one, nothing changed', async () => {
    await finishTask(scratch, addX);
    await scratch.git('config', '--unset', 'user.email');
    await scratch.git('config', '--unset', 'user.name');
    const answer = await scratch.orchestrate(['patch', 'apply', 'add-x', '--unreviewed']);
    expect(answer).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('git config --global user.name') });
    expect(await scratch.git('rev-list', '--count', 'HEAD')).toBe('1');
    expect(await statesOf()).toEqual({ 'add-x.1': 'pending' });
  });
});

describe('cleanup', () => {
  const refs = () => scratch.git('for-each-ref', '--format=%(refname)', 'refs/orchestrate');

  it('removes results that are merged or rejected, never an unmerged one unless told', async () => {
    for (const title of ['Merged', 'Rejected', 'Pending'])
      await finishTask(scratch, { title, files: { [title]: '' }, transcript: 'x' });
    await scratch.must(['patch', 'apply', 'merged', '--unreviewed']);
    await scratch.must(['patch', 'reject', 'rejected']);
    const { removed } = await scratch.json<{ removed: { name: string }[] }>(['cleanup', '--dry-run']);
    expect(removed.map((one) => one.name)).toEqual([
      'refs/orchestrate/merged/1/result',
      'refs/orchestrate/rejected/1/result',
    ]);
    expect((await refs()).split('\n')).toHaveLength(3);
    await scratch.must(['cleanup', '--older-than', '1d']);
    expect((await refs()).split('\n')).toHaveLength(3);
    await scratch.must(['cleanup']);
    expect(await refs()).toBe('refs/orchestrate/pending/1/result');
    expect(await scratch.must(['logs', 'merged'])).toBe('x');
    // The caches are shared with everything else on this machine: not in a test.
    const env = { DOCKER_HOST: `unix://${scratch.folder}/none.sock` };
    await scratch.must(['cleanup', '--patches', '--all'], { env });
    expect(await refs()).toBe('');
    expect(await statesOf()).toMatchObject({ 'pending.1': 'rejected' });
    expect(await scratch.orchestrate(['logs', 'merged'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('is gone'),
    });
  });

  it('keeps a result that a waiting task is to start from', async () => {
    await finishTask(scratch, addX);
    await scratch.must(['patch', 'apply', 'add-x', '--unreviewed']);
    await scratch.must(['submit', 'On top', '--depends-on', 'add-x']);
    await scratch.must(['cleanup']);
    expect(await refs()).toBe('refs/orchestrate/add-x/1/result');
  });

  it('without Docker cleans the rest and says so', async () => {
    await finishTask(scratch, addX);
    await scratch.must(['patch', 'reject', 'add-x']);
    const env = { DOCKER_HOST: `unix://${scratch.folder}/none.sock` };
    const answer = await scratch.orchestrate(['cleanup'], { env });
    expect(answer).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining('warning: what is left in Docker was not looked at'),
    });
    expect(await refs()).toBe('');
  });
});
