import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findRepository, type Repository } from '../../src/git/repository.ts';
import { isForecastOld, updateForecast } from '../../src/merge/forecast.ts';
import { mergesOnto } from '../../src/merge/onto.ts';
import type { State } from '../../src/state/state.ts';
import type { AttemptId, ObjectId, PatchState, TaskId } from '../../src/types.ts';
import { finishTask, PlayedRun, stateOf } from '../support/queue.ts';
import { Scratch } from '../support/scratch.ts';

let scratch: Scratch;
let repository: Repository;
let state: State;

const LINES = 'one\ntwo\nthree\nfour\nfive\nsix\nseven\n';

beforeEach(async () => {
  scratch = await Scratch.create({ 'lines.txt': LINES, 'old/a.txt': 'a\n'.repeat(10), 'other.txt': 'x\n' });
  repository = await findRepository(scratch.repository, scratch.env);
  state = stateOf(scratch);
});

afterEach(async () => {
  state.close();
  await scratch[Symbol.asyncDispose]();
});

async function patch(title: string, files: Readonly<Record<string, string | null>>, base?: string): Promise<string> {
  return (await finishTask(scratch, { title, files, ...(base === undefined ? {} : { base }) })).id;
}

function pairs(): string[] {
  return state.conflicts().map(({ left, right, paths }) => `${left} ${right}: ${paths.join(', ')}`);
}

function move(id: string, to: PatchState): void {
  const from = state.patch(id as AttemptId)?.state;
  if (from === undefined || !state.setPatchState(id as AttemptId, [from], to)) throw new Error(`${id} is not ${to}`);
}

describe('the forecast', () => {
  it('names the pairs that conflict, each once, with their paths', async () => {
    await patch('Upper', { 'lines.txt': LINES.replace('one', 'ONE') });
    await patch('Uppest', { 'lines.txt': LINES.replace('one', '1'), 'other.txt': 'y\n' });
    await patch('Lower', { 'lines.txt': LINES.replace('seven', '7') });
    await patch('Apart', { 'new.txt': 'new\n' });
    const first = await updateForecast(repository, state);
    expect(first.found).toMatchObject([{ left: 'upper.1', right: 'uppest.1', paths: ['lines.txt'] }]);
    expect(pairs()).toEqual(['upper.1 uppest.1: lines.txt']);
    expect(isForecastOld(state)).toBe(false);
    expect((await updateForecast(repository, state)).found).toEqual([]);
    await patch('Also', { 'other.txt': 'z\n' });
    expect(isForecastOld(state)).toBe(true);
    expect((await updateForecast(repository, state)).found).toMatchObject([{ left: 'also.1', right: 'uppest.1' }]);
    expect(pairs()).toEqual(['also.1 uppest.1: other.txt', 'upper.1 uppest.1: lines.txt']);
  });

  it('sees a file that is added to a folder that another one renames', async () => {
    await patch('Rename', { 'old/a.txt': null, 'new/a.txt': 'a\n'.repeat(10) });
    await patch('Add', { 'old/b.txt': 'b\n' });
    await updateForecast(repository, state);
    expect(pairs()).toHaveLength(1);
  });

  it('leaves no object and no folder in the repository', async () => {
    await patch('Upper', { 'lines.txt': LINES.replace('one', 'ONE') });
    await patch('Lower', { 'lines.txt': LINES.replace('seven', '7') });
    await patch('Clash', { 'lines.txt': LINES.replace('seven', 'VII') });
    const before = await scratch.git('count-objects');
    await updateForecast(repository, state);
    expect(await scratch.git('count-objects')).toBe(before);
    expect((await readdir(join(repository.stateDir, 'git'))).filter((name) => name.startsWith('merge-'))).toEqual([]);
  });

  it('takes changes from another base onto that base first', async () => {
    await patch('Early', { 'lines.txt': LINES.replace('one', 'ONE') });
    const later = LINES.replace('four', 'FOUR');
    await scratch.write({ 'lines.txt': later, 'other.txt': 'moved on\n' });
    await scratch.git('commit', '--quiet', '--all', '--message', 'later');
    await patch('Beside', { 'lines.txt': later.replace('seven', '7') });
    await patch('Against', { 'lines.txt': later.replace('one', 'I') });
    await updateForecast(repository, state);
    expect(pairs()).toEqual(['against.1 early.1: lines.txt']);
  });

  it('follows a file that was renamed between two bases', async () => {
    await patch('Early', { 'lines.txt': LINES.replace('one', 'ONE') });
    await scratch.git('mv', 'lines.txt', 'moved.txt');
    await scratch.git('commit', '--quiet', '--all', '--message', 'moved');
    await patch('Late', { 'moved.txt': LINES.replace('one', 'I') });
    await updateForecast(repository, state);
    expect(pairs()).toEqual(['early.1 late.1: moved.txt']);
  });

  it('knows that a patch does not conflict with what it stands on', async () => {
    const below = await finishTask(scratch, { title: 'Below', files: { 'lines.txt': LINES.replace('one', 'ONE') } });
    const above = { title: 'Above', dependsOn: ['below'], base: below.result };
    await finishTask(scratch, { ...above, files: { 'lines.txt': LINES.replace('one', 'ONE AND MORE') } });
    await updateForecast(repository, state);
    expect(state.foundationsOf('above.1' as AttemptId)).toEqual(['below.1']);
    expect(pairs()).toEqual([]);
  });

  it('counts only what may still be merged, and looks again at what may again', async () => {
    const upper = await patch('Upper', { 'lines.txt': LINES.replace('one', 'ONE') });
    await patch('Uppest', { 'lines.txt': LINES.replace('one', '1') });
    await updateForecast(repository, state);
    move(upper, 'rejected');
    expect(pairs()).toEqual([]);
    await patch('Third', { 'lines.txt': LINES.replace('one', 'I') });
    await updateForecast(repository, state);
    expect(pairs()).toEqual(['third.1 uppest.1: lines.txt']);
    move(upper, 'approved');
    await updateForecast(repository, state);
    expect(pairs()).toEqual([
      'third.1 upper.1: lines.txt',
      'third.1 uppest.1: lines.txt',
      'upper.1 uppest.1: lines.txt',
    ]);
  });

  it('looks at the snapshot of an agent at work, and at what it becomes', async () => {
    await patch('Upper', { 'lines.txt': LINES.replace('one', 'ONE') });
    const task = { description: 'x', agent: 'test-engineer', priority: 'normal', dependsOn: [] } as const;
    state.addTasks([{ ...task, title: 'Busy' }]);
    await using run = await PlayedRun.begin(scratch);
    const id = await run.start();
    const baseTree = (await scratch.git('rev-parse', 'HEAD^{tree}')) as ObjectId;
    const snapshot = async (text: string): Promise<string[]> => {
      await scratch.write({ 'lines.txt': text });
      await scratch.git('add', '--all');
      const tree = (await scratch.git('write-tree')) as ObjectId;
      await scratch.git('reset', '--quiet', '--hard');
      const underWay = [{ id, task: 'busy' as TaskId, baseTree, tree }];
      return (await updateForecast(repository, state, { underWay })).found.map(({ left, right }) => `${left} ${right}`);
    };
    expect(await snapshot(LINES.replace('two', 'TWO'))).toEqual(['busy.1 upper.1']);
    expect(await snapshot(LINES.replace('two', '2'))).toEqual([]);
    expect(pairs()).toEqual(['busy.1 upper.1: lines.txt']);
    await run.end(id, { outcome: 'succeeded', taskState: 'succeeded' }, { 'lines.txt': LINES.replace('seven', '7') });
    expect(pairs()).toEqual([]);
    await updateForecast(repository, state);
    expect(pairs()).toEqual([]);
  });
});

describe('merges onto a tree', () => {
  it('are told for each patch alone, with what it stands on', async () => {
    const below = await finishTask(scratch, { title: 'Below', files: { 'lines.txt': LINES.replace('one', 'ONE') } });
    const above = { title: 'Above', dependsOn: ['below'], base: below.result };
    await finishTask(scratch, { ...above, files: { 'lines.txt': LINES.replace('one', 'ONE AND MORE') } });
    await patch('Apart', { 'new.txt': 'new\n' });
    await patch('Gone', { 'other.txt': 'y\n' });
    await scratch.write({ 'other.txt': 'moved on\n' });
    await scratch.git('commit', '--quiet', '--all', '--message', 'later');
    const tree = (await scratch.git('rev-parse', 'HEAD^{tree}')) as ObjectId;
    const merges = await mergesOnto(repository, state, { tree, patches: state.patches() });
    expect([...merges].map(([id, merge]) => [id, merge.clean || merge.paths])).toEqual([
      ['below.1', true],
      ['above.1', true],
      ['apart.1', true],
      ['gone.1', ['other.txt']],
    ]);
  });
});
