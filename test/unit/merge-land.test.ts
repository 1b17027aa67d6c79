import { lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { whileLanding } from '../../src/merge/landing-lock.ts';
import { type MergeOptions, type MergeReport, mergeApproved, planMerge } from '../../src/merge/merge.ts';
import type { AttemptId, ObjectId, TaskId } from '../../src/types.ts';
import type { ScratchOptions } from '../support/git.ts';
import { FunctionChecker, MergeScene } from '../support/merge-scene.ts';

const made: MergeScene[] = [];
afterEach(async () => {
  for (const scene of made.splice(0)) await scene[Symbol.asyncDispose]();
});

async function scene(files?: Readonly<Record<string, string>>, options?: ScratchOptions): Promise<MergeScene> {
  const created = await MergeScene.create(files, options);
  made.push(created);
  return created;
}

interface Merging extends Partial<Omit<MergeOptions, 'openChecker'>> {
  readonly judge?: FunctionChecker['judge'];
}

function merge(on: MergeScene, { judge, ...options }: Merging = {}): Promise<MergeReport> {
  const checker = new FunctionChecker(on.work, judge ?? (() => true));
  return mergeApproved(on.repo, on.state, {
    ...{ into: null, commands: judge === undefined ? [] : ['npm test'], openChecker: async () => checker },
    ...{ signal: new AbortController().signal, onProgress: () => {}, onWarning: () => {} },
    ...options,
  });
}

/** All that must stay as it was when nothing is done. */
async function snapshot({ work, state }: MergeScene) {
  return {
    refs: await work.git('for-each-ref'),
    index: await work.git('ls-files', '-s'),
    status: await work.git('status', '--porcelain', '-uall'),
    patches: state.patches(),
    open: state.openMerges(),
  };
}

async function refused(on: MergeScene, merging: Merging = {}): Promise<unknown> {
  const before = await snapshot(on);
  const error = await merge(on, merging).then(
    () => {
      throw new Error('it was merged');
    },
    (problem: unknown) => problem,
  );
  expect(await snapshot(on)).toEqual(before);
  return error;
}

describe('mergeApproved', () => {
  it.each(['sha1', 'sha256'] as const)(
    'lands a commit for each task on the current branch, files along (%s)',
    async (objectFormat) => {
      const on = await scene({ 'b.txt': 'b\n', 'c/d': 'd\n' }, { objectFormat });
      const first = await on.add({ title: 'First', files: { 'a.txt': 'one\nTWO\nthree\n', new: 'n' } });
      const second = await on.add({ title: 'Second', files: { 'b.txt': null, c: 'now a file\n', 'c/d': null } });
      const above = await on.add({ title: 'Above', files: { new: 'm' }, dependsOn: ['first'], on: first });
      const from = await on.work.id('HEAD');
      await on.work.arm();
      const report = await merge(on);
      const to = await on.work.id('HEAD');
      expect(report).toMatchObject({
        from,
        to,
        merged: [first, second, above],
        setAside: [],
        conflicts: [],
        leftOut: [],
      });
      expect(report.undo).toBe(`git reset --keep ${from}`);
      expect(
        await on.work.git(
          'log',
          '--format=%s|%an|%(trailers:key=Orchestrate-Attempt,valueonly,separator=)',
          `${from}..`,
        ),
      ).toBe([`Above|Ada|${above}`, `Second|Ada|${second}`, `First|Ada|${first}`].join('\n'));
      expect(await on.work.git('status', '--porcelain')).toBe('');
      expect(await readFile(path.join(on.work.root, 'c'), 'utf8')).toBe('now a file\n');
      expect(await on.work.git('log', '-1', '-g', '--format=%gs', 'main')).toBe(
        `orchestrate: merge ${first}, ${second}, ${above}`,
      );
      for (const id of report.merged) {
        const patch = on.state.patch(id);
        expect(patch).toMatchObject({ state: 'merged', mergedInto: 'main' });
        await on.work.git('merge-base', '--is-ancestor', patch?.mergedAs ?? '', 'HEAD');
      }
      expect(on.state.openMerges()).toEqual([]);
      expect(await readdir(path.join(on.repo.stateDir, 'landing'))).toEqual([]);
      expect(await on.work.markers()).toEqual([]);
      await on.work.git(...report.undo.split(' ').slice(1));
      expect(await on.work.git('status', '--porcelain')).toBe('');
    },
  );

  it('has nothing to do where nothing is approved', async () => {
    const on = await scene();
    await on.add({ title: 'Waits', files: { x: 'x' }, decision: 'none' });
    const report = await merge(on, { judge: () => false });
    expect(report).toMatchObject({ merged: [], checked: 0, undo: '', from: report.to });
  });

  it('counts what the target has already as merged, without a commit', async () => {
    const on = await scene();
    const id = await on.add({ title: 'Known', files: { x: 'x' } });
    await on.work.write('x', 'x');
    const tip = await on.work.commit();
    const report = await merge(on, { judge: () => false });
    expect(report).toMatchObject({ merged: [id], from: tip, to: tip, undo: '', checked: 0 });
    expect(on.state.patch(id)).toMatchObject({ state: 'merged', mergedAs: tip });
  });

  it('leaves out what stands on something that is not approved, and says so', async () => {
    const on = await scene();
    const below = await on.add({ title: 'Below', files: { x: 'x' }, decision: 'none' });
    const above = await on.add({ title: 'Above', files: { y: 'y' }, dependsOn: ['below'], on: below });
    const other = await on.add({ title: 'Other', files: { z: 'z' } });
    const report = await merge(on);
    expect(report).toMatchObject({
      merged: [other],
      leftOut: [{ id: above, reason: `stands on ${below}, which is pending, not approved` }],
    });
    expect(on.states()).toEqual({ [below]: 'pending', [above]: 'approved', [other]: 'merged' });
  });

  it('lands no earlier result of a task on top of a later one, unless that was taken back', async () => {
    const on = await scene();
    const earlier = await on.add({ title: 'Work', files: { x: 'earlier' } });
    const later = await on.add({ title: 'Work', files: { y: 'later' }, again: 'work' as TaskId });
    const first = await merge(on);
    expect(first).toMatchObject({ merged: [later], leftOut: [{ id: earlier }] });
    expect(await merge(on)).toMatchObject({
      merged: [],
      leftOut: [{ id: earlier, reason: `${later}, a later attempt at the same task, is merged already` }],
    });
    await on.work.git(...first.undo.split(' ').slice(1));
    expect(await merge(on)).toMatchObject({ merged: [earlier], leftOut: [] });
  });

  it('says who conflicts with whom and where, and lands the rest', async () => {
    const on = await scene();
    const left = await on.add({ title: 'Left', files: { 'a.txt': 'LEFT\ntwo\nthree\n' } });
    const right = await on.add({ title: 'Right', files: { 'a.txt': 'RIGHT\ntwo\nthree\n' } });
    const late = await on.add({ title: 'Late', files: { 'a.txt': 'one\ntwo\nLATE\n', 'b.txt': 'b' } });
    await on.work.write('a.txt', 'one\ntwo\nthree\nfour\n');
    await on.work.write('b.txt', 'another b\n');
    await on.work.commit();
    const report = await merge(on);
    expect(report).toMatchObject({
      merged: [left],
      conflicts: [
        { id: late, with: null, paths: ['a.txt', 'b.txt'] },
        { id: right, with: left, paths: ['a.txt'] },
      ],
    });
    expect(on.state.patch(right)).toMatchObject({ state: 'conflict', reason: `conflicts with ${left} in a.txt` });
    expect(on.state.patch(late)).toMatchObject({ state: 'conflict', reason: 'conflicts with main in a.txt, b.txt' });
  });

  it('keeps local changes that are not in the way', async () => {
    const on = await scene({ mine: 'mine\n' });
    const id = await on.add({ title: 'Work', files: { 'a.txt': 'agent\n' } });
    await on.work.write('mine', 'changed\n');
    await on.work.write('untracked', 'u\n');
    await on.work.write('staged', 's\n');
    await on.work.git('add', 'staged');
    expect(await merge(on)).toMatchObject({ merged: [id] });
    expect(await on.work.git('status', '--porcelain')).toBe(' M mine\nA  staged\n?? untracked');
  });

  it.each([
    ['a local change', async (on: MergeScene) => on.work.write('a.txt', 'local\n'), 'LOCAL_CHANGES'],
    ['an untracked file', async (on: MergeScene) => on.work.write('new', 'untracked\n'), 'LOCAL_CHANGES'],
    [
      'an unfinished merge',
      async (on: MergeScene) => writeFile(path.join(on.repo.gitDir, 'MERGE_HEAD'), `${await on.work.id('HEAD')}\n`),
      'OPERATION_IN_PROGRESS',
    ],
    [
      'a lock of another git',
      async (on: MergeScene) => writeFile(path.join(on.repo.gitDir, 'index.lock'), ''),
      'REPOSITORY_LOCKED',
    ],
  ])('is refused before any check runs where %s is in the way', async (_, prepare, code) => {
    const on = await scene();
    await on.add({ title: 'Work', files: { 'a.txt': 'agent\n', new: 'n\n' } });
    await prepare(on);
    let checked = 0;
    const error = await refused(on, {
      judge: () => {
        checked += 1;
        return true;
      },
    });
    expect(error).toMatchObject({ code, kind: 'failure' });
    expect(checked).toBe(0);
  });

  it('is refused at the move where a local change comes in the way while checks run', async () => {
    const on = await scene();
    await on.add({ title: 'Work', files: { 'a.txt': 'agent\n' } });
    const merging = merge(on, {
      judge: async () => {
        await on.work.write('a.txt', 'local\n');
        return true;
      },
    });
    await expect(merging).rejects.toMatchObject({ code: 'LOCAL_CHANGES' });
    expect(await readFile(path.join(on.work.root, 'a.txt'), 'utf8')).toBe('local\n');
    expect(on.states()).toEqual({ 'work.1': 'approved' });
    expect(on.state.openMerges()).toEqual([]);
  });

  it('leaves a patch alone whose approval was taken back while checks ran', async () => {
    const on = await scene();
    const kept = await on.add({ title: 'Kept', files: { x: 'x' } });
    const taken = await on.add({ title: 'Taken back', files: { y: 'y' } });
    const report = await merge(on, { judge: () => on.state.setPatchState(taken, ['approved'], 'rejected') || true });
    expect(report.merged).toEqual([kept]);
    expect(on.states()).toEqual({ [kept]: 'merged', [taken]: 'rejected' });
  });

  it('takes a no back that came while the branch was moving: what stands on the patch, and its task, are as before', async () => {
    const on = await scene();
    const rejected = await on.add({ title: 'Rejected', files: { x: 'x' } });
    const above = await on.add({ title: 'Above', files: { y: 'y' }, on: rejected, dependsOn: ['rejected'] });
    const asked = await on.add({ title: 'Asked', files: { z: 'z' } });
    const commit = (await on.work.id('HEAD')) as ObjectId;
    const patches = [rejected, asked];
    const begun = on.state.beginMerge(
      {
        target: 'refs/heads/main',
        from: commit,
        to: commit,
        commits: patches.map((patch) => ({ patch, commit })),
        workTree: null,
      },
      on.state.patches().filter(({ id }) => patches.includes(id)),
    );
    if (begun === null) throw new Error('the merge did not begin');
    on.state.setPatchState(rejected, ['approved'], 'rejected');
    on.state.requestChanges(asked, 'Shorter');
    expect(on.states()[above]).toBe('stale');
    on.state.endMerge(begun, true);
    expect(on.states()).toEqual({ [rejected]: 'merged', [above]: 'pending', [asked]: 'merged' });
    expect(on.state.tasks().map((task) => task.state)).toEqual(['succeeded', 'succeeded', 'succeeded']);
  });

  it('touches no file where a merge was cut off before all files were kept aside', async () => {
    const on = await scene({ grows: 'one\n' });
    const patch = await on.add({ title: 'Grow', files: { grows: 'one\ntwo\n' } });
    const [from, to] = [(await on.work.id('HEAD')) as ObjectId, on.state.patch(patch)?.commit as ObjectId];
    const merge = { target: 'refs/heads/main', from, to, commits: [{ patch, commit: to }], workTree: on.repo.root };
    const begun = on.state.beginMerge(merge, on.state.patches());
    const folder = path.join(on.state.directory, 'landing', String(begun?.seq));
    await mkdir(path.join(folder, 'kept.part'), { recursive: true });
    await whileLanding(
      on.repo,
      on.state,
      () => {},
      async () => {},
    );
    expect(await on.work.git('status', '--porcelain')).toBe('');
    expect(on.states()).toEqual({ [patch]: 'approved' });
  });

  it.each([true, false])('judges a patch anew that was amended while checks ran (they passed: %s)', async (passed) => {
    const on = await scene();
    const id = await on.add({ title: 'Work', files: { x: 'as it was\n' } });
    const patch = on.state.patch(id);
    if (patch === null) throw new Error('there is no patch');
    const tree = on.treeWith(patch.baseTree, { x: 'amended\n' });
    const commit = (await on.work.git('commit-tree', '-p', 'HEAD', '-m', 'amended', tree)) as ObjectId;
    const report = await merge(on, {
      judge: (files) => {
        if (files.get('x') !== 'as it was') return true;
        on.state.amendPatch(patch, {
          tree,
          commit,
          size: patch.size,
          flags: [],
          state: 'approved',
          decidedBy: 'person',
        });
        return passed;
      },
    });
    expect(on.states()).toEqual({ [id]: passed ? 'merged' : 'approved' });
    expect(report.setAside).toEqual([]);
    if (passed) expect(await readFile(path.join(on.work.root, 'x'), 'utf8')).toBe('amended\n');
  });

  it('merges onto where the branch is when somebody commits meanwhile, and checks that', async () => {
    const on = await scene();
    const id = await on.add({ title: 'Work', files: { x: 'x' } });
    let commits = 0;
    const seen: string[] = [];
    const report = await merge(on, {
      judge: async (files) => {
        seen.push([...files.keys()].join());
        if (commits < 3) {
          commits += 1;
          await on.work.write(`theirs${commits}`, 't');
          await on.work.git('add', '-A');
          await on.work.git('commit', '-qm', 'meanwhile');
        }
        return true;
      },
    });
    expect(report.merged).toEqual([id]);
    expect(seen.at(-1)).toBe('a.txt,theirs1,theirs2,theirs3,x');
    expect(await on.work.git('log', '--format=%s')).toBe('Work\nmeanwhile\nmeanwhile\nmeanwhile\nfirst');
    expect(await on.work.git('status', '--porcelain')).toBe('');
  });

  it('gives up in the end on a branch that never stands still', async () => {
    const on = await scene();
    const id = await on.add({ title: 'Work', files: { x: 'x' } });
    let n = 0;
    const merging = merge(on, {
      judge: async () => {
        n += 1;
        await on.work.git('commit', '-q', '--allow-empty', '-m', `${n}`);
        await on.work.write(`theirs${n}`, 't');
        await on.work.commit();
        return true;
      },
    });
    await expect(merging).rejects.toMatchObject({ code: 'TARGET_MOVED' });
    expect(on.state.patch(id)?.state).toBe('approved');
  });

  it('lands every patch once where two merge at the same time', async () => {
    const on = await scene();
    const ids = [await on.add({ title: 'One', files: { x: 'x' } }), await on.add({ title: 'Two', files: { y: 'y' } })];
    const reports = await Promise.all([merge(on), merge(on, { judge: () => true })]);
    expect(reports.flatMap(({ merged }) => merged).sort()).toEqual(ids.sort());
    expect(await on.work.git('rev-list', '--count', 'HEAD')).toBe('3');
    expect(await on.work.git('status', '--porcelain')).toBe('');
  });

  it('waits a moment for another git that has the index locked', async () => {
    const on = await scene();
    const id = await on.add({ title: 'Work', files: { x: 'x' } });
    const lock = path.join(on.repo.gitDir, 'index.lock');
    const merging = merge(on, {
      judge: async () => {
        await writeFile(lock, '');
        setTimeout(() => void rm(lock), 300);
        return true;
      },
    });
    expect(await merging).toMatchObject({ merged: [id] });
  });

  it('lands on a detached HEAD and in a linked work tree', async () => {
    const on = await scene();
    await on.work.git('checkout', '-q', '--detach');
    const id = await on.add({ title: 'Work', files: { x: 'x' } });
    const before = await on.work.id('main');
    const report = await merge(on);
    expect(on.state.patch(id)).toMatchObject({ state: 'merged', mergedAs: await on.work.id('HEAD'), mergedInto: null });
    expect([await on.work.id('main'), report.target.branch]).toEqual([before, null]);
    expect(await on.work.git('symbolic-ref', '-q', 'HEAD').catch(() => 'detached')).toBe('detached');
    const linked = path.join(on.work.folder, 'linked');
    await on.work.git('worktree', 'add', '-q', '-b', 'side', linked, before);
    const other = await on.add({ title: 'Other', files: { y: 'y' } });
    const { findRepository } = await import('../../src/git/repository.ts');
    const side = await mergeApproved(await findRepository(linked, on.work.env), on.state, {
      ...{ into: null, commands: [], openChecker: () => Promise.reject(new Error('nothing is checked')) },
      ...{ signal: new AbortController().signal, onProgress: () => {}, onWarning: () => {} },
    });
    expect(side.merged).toEqual([other]);
    expect(await on.work.git('-C', linked, 'status', '--porcelain')).toBe('');
    expect(await on.work.git('-C', linked, 'log', '-1', '--format=%s %D')).toBe('Other HEAD -> side');
  });

  it('merges into a branch that is checked out nowhere, new or not, and leaves the work tree alone', async () => {
    const on = await scene();
    const first = await on.add({ title: 'First', files: { x: 'x' } });
    const head = await on.work.id('HEAD');
    await on.work.write('a.txt', 'local\n');
    const made = await merge(on, { into: 'night/one' });
    expect(made).toMatchObject({ merged: [first], from: head, undo: 'git branch -D night/one' });
    const second = await on.add({ title: 'Second', files: { 'a.txt': 'agent\n' } });
    const next = await merge(on, { into: 'night/one' });
    expect(next).toMatchObject({
      merged: [second],
      from: made.to,
      undo: `git update-ref refs/heads/night/one ${made.to}`,
    });
    expect([await on.work.id('HEAD'), await on.work.id('night/one')]).toEqual([head, next.to]);
    expect(await on.work.git('status', '--porcelain')).toBe(' M a.txt');
    expect(on.state.patch(second)?.mergedInto).toBe('night/one');
  });

  it.each(['-x', 'a..b', 'HEAD', 'main/below', 'bad name', 'x.lock', ''])('refuses %j as a branch', async (into) => {
    const on = await scene();
    await on.add({ title: 'Work', files: { x: 'x' } });
    expect(await refused(on, { into })).toMatchObject({ code: 'BAD_BRANCH_NAME', kind: 'usage' });
  });

  it('refuses a branch that another work tree has, under any name', async () => {
    const on = await scene();
    await on.add({ title: 'Work', files: { x: 'x' } });
    await on.work.git('worktree', 'add', '-q', '-b', 'theirs', path.join(on.work.folder, 'linked'));
    await on.work.git('symbolic-ref', 'refs/heads/alias', 'refs/heads/theirs');
    expect(await refused(on, { into: 'theirs' })).toMatchObject({ code: 'BRANCH_CHECKED_OUT' });
    expect(await refused(on, { into: 'alias' })).toMatchObject({ code: 'BRANCH_CHECKED_OUT' });
  });

  it('moves the files along where the branch is the current one under another name', async () => {
    const on = await scene();
    const id = await on.add({ title: 'Work', files: { x: 'x' } });
    await on.work.git('symbolic-ref', 'refs/heads/alias', 'refs/heads/main');
    expect(await merge(on, { into: 'alias' })).toMatchObject({ merged: [id], target: { branch: 'main' } });
    expect(await on.work.git('status', '--porcelain')).toBe('');
    expect(await on.work.git('symbolic-ref', 'refs/heads/alias')).toBe('refs/heads/main');
  });

  it('carries submodule entries and executable files', async () => {
    const on = await scene();
    const module = await on.work.id('HEAD');
    await on.work.git('update-index', '--add', '--cacheinfo', `160000,${module},module`);
    await on.work.git('commit', '-qm', 'module');
    await on.work.write('tool', '#!/bin/sh\n', 0o755);
    await on.work.git('add', 'tool');
    await on.work.git('commit', '-qm', 'tool');
    const id = await on.add({ title: 'Work', files: { x: 'x' } });
    expect(await merge(on)).toMatchObject({ merged: [id] });
    expect(await on.work.git('ls-files', '-s', 'module')).toBe(`160000 ${module} 0\tmodule`);
    expect((await lstat(path.join(on.work.root, 'tool'))).mode & 0o111).not.toBe(0);
  });

  it('needs an identity before it checks anything', async () => {
    const on = await scene();
    await on.add({ title: 'Work', files: { x: 'x' } });
    const env = { PATH: on.work.env.PATH ?? '', HOME: on.work.env.HOME ?? '', GIT_CONFIG_NOSYSTEM: '1' };
    const merging = mergeApproved({ ...on.repo, env }, on.state, {
      ...{ into: null, commands: ['x'], openChecker: () => Promise.reject(new Error('a check ran')) },
      ...{ signal: new AbortController().signal, onProgress: () => {}, onWarning: () => {} },
    });
    await expect(merging).rejects.toMatchObject({ code: 'NO_IDENTITY', kind: 'environment' });
  });
});

describe('planMerge', () => {
  it('says what would land and what conflicts, and changes nothing', async () => {
    const on = await scene();
    const left = await on.add({ title: 'Left', files: { 'a.txt': 'LEFT\n' } });
    const right = await on.add({ title: 'Right', files: { 'a.txt': 'RIGHT\n' } });
    const before = await snapshot(on);
    expect(await planMerge(on.repo, on.state, 'new')).toMatchObject({
      ...{ target: { branch: 'new', isNew: true }, from: (await on.work.id('HEAD')) as ObjectId },
      ...{ merged: [left], conflicts: [{ id: right as AttemptId, with: left, paths: ['a.txt'] }] },
    });
    expect(await snapshot(on)).toEqual(before);
  });
});
