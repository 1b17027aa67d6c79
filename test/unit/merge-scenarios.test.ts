import { readdir } from 'node:fs/promises';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { EventBody } from '../../src/events.ts';
import { AutoMerge, refuseAutoMerge } from '../../src/merge/auto-merge.ts';
import { type MergeReport, mergeApproved } from '../../src/merge/merge.ts';
import type { AttemptId } from '../../src/types.ts';
import { FunctionChecker, MergeScene } from '../support/merge-scene.ts';

const made: MergeScene[] = [];
afterEach(async () => {
  for (const scene of made.splice(0)) await scene[Symbol.asyncDispose]();
});

/**
 * Twenty results at once: 3 and 8 conflict, and so do 11 and 14; 5 renames what 16 calls, so that each passes alone and the
 * two fail together; the others are on their own.
 */
async function twenty(): Promise<{ on: MergeScene; ids: AttemptId[] }> {
  const on = await MergeScene.create({ one: 'one\n', two: 'two\n', api: 'def old\n' });
  made.push(on);
  const ids: AttemptId[] = [];
  for (let n = 0; n < 20; n += 1) {
    const special: Record<number, Record<string, string>> = {
      ...{ 3: { one: 'THREE\n' }, 8: { one: 'EIGHT\n' }, 11: { two: 'ELEVEN\n' }, 14: { two: 'FOURTEEN\n' } },
      ...{ 5: { api: 'def new\n' }, 16: { caller: 'call old\n' } },
    };
    ids.push(await on.add({ title: `Task ${n}`, files: { [`own${n}`]: `${n}\n`, ...special[n] } }));
  }
  return { on, ids };
}

/** What is called is there. */
function isSound(files: ReadonlyMap<string, string>): boolean {
  return !files.has('caller') || files.get('api') === 'def old';
}

function merge(on: MergeScene, checker: FunctionChecker): Promise<MergeReport> {
  return mergeApproved(on.repo, on.state, {
    ...{ into: null, commands: ['make test'], openChecker: async () => checker },
    ...{ signal: new AbortController().signal, onProgress: () => {}, onWarning: () => {} },
  });
}

async function expectLargestGreenSet(on: MergeScene, ids: readonly AttemptId[], report: MergeReport): Promise<void> {
  const [named] = report.setAside;
  expect(report.setAside).toHaveLength(1);
  expect([ids[5], ids[16]]).toContain(named?.id);
  expect(named?.reason).toContain(named?.id === ids[16] ? `together with ${ids[5]};` : `together with ${ids[16]};`);
  expect(report.conflicts).toHaveLength(2);
  expect(report.merged).toHaveLength(17);
  const states = Object.values(on.states());
  expect([
    states.filter((state) => state === 'merged').length,
    states.filter((state) => state === 'conflict').length,
  ]).toEqual([17, 2]);
  const files = await filesOf(on, 'HEAD');
  expect(isSound(files)).toBe(true);
  expect(await on.work.git('status', '--porcelain')).toBe('');
  const subjects = (await on.work.git('log', '--format=%s', `${report.from}..HEAD`)).split('\n');
  expect(new Set(subjects).size).toBe(subjects.length);
  expect((await readdir(on.repo.gitDir)).filter((name) => name.endsWith('.lock'))).toEqual([]);
}

async function filesOf(on: MergeScene, revision: string): Promise<Map<string, string>> {
  const checker = new FunctionChecker(on.work, () => true);
  let found = new Map<string, string>();
  const reader = new FunctionChecker(on.work, (files) => {
    found = new Map(files);
    return true;
  });
  await reader.check(
    { tree: (await on.work.id(`${revision}^{tree}`)) as never, commit: '' as never, near: null, name: 'x' },
    [],
  );
  expect(checker.checked).toEqual([]);
  return found;
}

describe('twenty results with conflicts and one semantic break', () => {
  it('the largest green set lands, the culprit is named, the branch passes', async () => {
    const { on, ids } = await twenty();
    const checker = new FunctionChecker(on.work, isSound);
    const report = await merge(on, checker);
    await expectLargestGreenSet(on, ids, report);
    expect(report.flaky).toEqual([]);
    expect(report.checked).toBe(checker.checked.length);
    expect(checker.checked.length).toBeLessThanOrEqual(22);
    const [evidence] = report.setAside[0]?.evidence ?? [];
    expect(isSound(await filesOf(on, evidence?.tree ?? ''))).toBe(false);
    expect(on.state.patch(report.setAside[0]?.id ?? ('' as AttemptId))?.reason).toContain(`/${evidence?.log}`);
  }, 60_000);

  it('the same with a flaky check, which is said', async () => {
    const { on, ids } = await twenty();
    const seen = new Map<string, number>();
    const checker = new FunctionChecker(on.work, (files, { tree }) => {
      const times = (seen.get(tree) ?? 0) + 1;
      seen.set(tree, times);
      if (!isSound(files)) return false;
      // Every third tree fails first: noticed by the checker, or only when it is asked again.
      if (seen.size % 3 === 1 && times === 1) return seen.size % 2 === 0 ? 'flaky' : false;
      return true;
    });
    const report = await merge(on, checker);
    await expectLargestGreenSet(on, ids, report);
    expect(report.flaky).toEqual(['make test']);
  }, 60_000);

  it('the same while somebody else commits to the branch all the time', async () => {
    const { on, ids } = await twenty();
    let commits = 0;
    let isOver = false;
    const checker = new FunctionChecker(on.work, isSound);
    // Until the merge has had to begin anew four times: with every check the branch is somewhere else.
    const committing = (async () => {
      while (!isOver && commits < 40) {
        commits += 1;
        await on.work.write(`theirs${commits}`, 't');
        await on.work.git('add', `theirs${commits}`).catch(() => '');
        await on.work.git('commit', '-qm', `theirs ${commits}`).catch(() => '');
        if (checker.checked.length > 25) break;
      }
    })();
    const report = await merge(on, checker);
    isOver = true;
    await committing;
    const left = await on.work.git('status', '--porcelain');
    if (left !== '') await on.work.commit('theirs, at last');
    await expectLargestGreenSet(on, ids, report);
    expect(commits).toBeGreaterThan(1);
    const theirs = (await on.work.git('log', '--format=%s'))
      .split('\n')
      .filter((subject) => subject.startsWith('theirs'));
    expect(new Set(theirs).size).toBe(theirs.length);
  }, 120_000);
});

describe('merging 100 patches on files of their own', () => {
  let on: MergeScene;
  beforeAll(async () => {
    on = await MergeScene.create();
    for (let n = 0; n < 100; n += 1) await on.add({ title: `Task ${n}`, files: { [`own${n}`]: `${n}\n` } });
  }, 120_000);

  it('lands them all at once', async () => {
    made.push(on);
    const report = await mergeApproved(on.repo, on.state, {
      ...{ into: null, commands: [], openChecker: () => Promise.reject(new Error('nothing is checked')) },
      ...{ signal: new AbortController().signal, onProgress: () => {}, onWarning: () => {} },
    });
    expect(report.merged).toHaveLength(100);
    expect(await on.work.git('rev-list', '--count', 'HEAD')).toBe('101');
    expect(await on.work.git('status', '--porcelain')).toBe('');
    await on.work.git('fsck', '--strict', '--no-dangling');
  }, 60_000);
});

describe('AutoMerge', () => {
  async function autoMerge(judge: FunctionChecker['judge'] = () => true) {
    const on = await MergeScene.create();
    made.push(on);
    const events: EventBody[] = [];
    const merging = new AutoMerge({
      ...{ repository: on.repo, state: on.state, branch: 'night', commands: ['make test'] },
      ...{ checker: new FunctionChecker(on.work, judge), signal: new AbortController().signal },
      emit: (event) => events.push(event),
    });
    merging.open();
    return { on, events, merging };
  }

  it('merges what is approved as it comes, one merge at a time, and once more at the end', async () => {
    const { on, events, merging } = await autoMerge((files) => !files.has('bad'));
    const first = await on.add({ title: 'First', files: { x: 'x' } });
    merging.poke();
    merging.poke();
    const bad = await on.add({ title: 'Bad', files: { bad: 'b' } });
    const above = await on.add({ title: 'Above', files: { y: 'y' }, dependsOn: ['first'], on: first });
    await merging.end();
    expect(on.states()).toEqual({ [first]: 'merged', [bad]: 'set-aside', [above]: 'merged' });
    expect(await on.work.git('log', '--format=%s', 'main..night')).toBe('Above\nFirst');
    expect(events.flatMap((event) => (event.type === 'merge.ended' ? event.merged : []))).toEqual([first, above]);
    expect(await on.work.git('status', '--porcelain')).toBe('');
  });

  it('refuses a branch that is checked out, here or elsewhere, and merges nothing when that happens later', async () => {
    const { on, events, merging } = await autoMerge();
    await on.work.git('worktree', 'add', '-q', '-b', 'theirs', `${on.work.folder}/linked`);
    const refused = { code: 'AUTO_MERGE_CHECKED_OUT', kind: 'usage' };
    await expect(refuseAutoMerge(on.repo, 'main')).rejects.toMatchObject(refused);
    await expect(refuseAutoMerge(on.repo, 'theirs')).rejects.toMatchObject(refused);
    await expect(refuseAutoMerge(on.repo, 'night')).resolves.toBeUndefined();
    await on.work.git('checkout', '-q', '-b', 'night');
    const id = await on.add({ title: 'Work', files: { x: 'x' } });
    await merging.end();
    expect(on.states()).toEqual({ [id]: 'approved' });
    expect(events).toEqual([{ type: 'warning', message: expect.stringContaining('is checked out here') }]);
  });
});
