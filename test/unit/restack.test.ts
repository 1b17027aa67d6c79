import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { amendPatch } from '../../src/review/amend.ts';
import { approvePatches, decideTree, rejectPatches } from '../../src/review/decide.ts';
import { restackAbove, restackStale } from '../../src/review/restack.ts';
import { openState } from '../../src/state/state.ts';
import type { AttemptId, TaskId } from '../../src/types.ts';
import { Stack } from '../support/stack.ts';

const BASE = Array.from({ length: 30 }, (_, at) => `line ${at + 1}\n`).join('');
const line = (n: number, text: string, of = BASE) => of.replace(`line ${n}\n`, text);

let stack: Stack;
beforeEach(async () => {
  stack = await Stack.create({ long: BASE });
});
afterEach(() => stack[Symbol.asyncDispose]());

const bench = () => ({ repository: stack.repository, state: stack.state });

/** `top` stands on `middle`, which stands on `bottom`. */
async function chain(): Promise<void> {
  await stack.finish('bottom', { long: line(2, 'bottom\n'), 'extra.txt': 'extra\n' });
  await stack.finish('middle', { long: line(12, 'middle\n', line(2, 'bottom\n')) }, ['bottom']);
  await stack.finish('top', { 'top.txt': 'top\n' }, ['middle']);
}

/** `bottom` without its second file, approved as that. */
async function withoutExtra() {
  const bottom = stack.patch('bottom.1');
  return decideTree(bench(), bottom, await stack.tree(bottom.tree, { 'extra.txt': null }), 'person');
}

describe('what stands on an amended patch', () => {
  it('is merged onto what that is now, level by level', async () => {
    await chain();
    await approvePatches(bench(), ['middle.1' as AttemptId], 'person');
    const { restacked, alsoChanged } = await withoutExtra();
    expect(restacked).toEqual([
      { patch: 'middle.1', outcome: 'restacked', reason: 'restacked on bottom.1; look again' },
      { patch: 'top.1', outcome: 'restacked', reason: 'restacked on bottom.1; look again' },
    ]);
    expect(alsoChanged.map(({ id }) => id)).toEqual(['middle.1', 'top.1']);
    const [bottom, middle, top] = ['bottom.1', 'middle.1', 'top.1'].map((id) => stack.patch(id));
    expect(middle).toMatchObject({
      ...{ state: 'pending', decidedBy: null, reason: 'restacked on bottom.1; look again', original: null },
      ...{ baseTree: bottom?.tree, size: { files: 1, insertions: 1, deletions: 1 } },
    });
    expect(top).toMatchObject({ state: 'pending', baseTree: middle?.tree });
    expect(await stack.files(top?.tree ?? '')).toEqual({
      ...{ 'a.txt': 'one\ntwo\nthree\n', long: line(12, 'middle\n', line(2, 'bottom\n')), 'top.txt': 'top\n' },
    });
    const refs = await stack.refs();
    expect(refs).toMatchObject({ 'middle/1/reviewed': middle?.commit, 'top/1/reviewed': top?.commit });
    expect(await stack.work.id(`${top?.commit}^1^{tree}`)).toBe(middle?.tree);
  });

  it('is done again where it does not merge, and what stands on that waits', async () => {
    await chain();
    const bottom = stack.patch('bottom.1');
    const { restacked } = await decideTree(
      ...([bench(), bottom, await stack.tree(bottom.baseTree, { long: line(12, 'amended\n') }), null] as const),
    );
    const reason = 'conflicts in long; to be done again on bottom.1';
    expect(restacked).toEqual([{ patch: 'middle.1', outcome: 'redone', reason }]);
    expect(stack.states()).toEqual({ 'bottom.1': 'pending', 'middle.1': 'stale', 'top.1': 'stale' });
    expect(stack.patch('middle.1').reason).toBe(reason);
    expect(stack.state.task('middle' as TaskId)).toMatchObject({ state: 'queued', reason, startFrom: null });
    // Once more changes nothing.
    expect(await restackAbove(stack.repository, stack.state, bottom.id)).toEqual([]);
    expect(stack.state.task('middle' as TaskId)).toMatchObject({ state: 'queued', attempts: 1 });
    // The new attempt starts from the amended result, and what stood on the old one stands on the new one.
    const again = await stack.again('middle', { 'again.txt': 'again\n' });
    expect(stack.patch(again).baseTree).toBe(stack.patch('bottom.1').tree);
    expect(await restackAbove(stack.repository, stack.state, again)).toEqual([
      { patch: 'top.1', outcome: 'restacked', reason: 'restacked on middle.2; look again' },
    ]);
    expect(stack.patch('top.1')).toMatchObject({ state: 'pending', baseTree: stack.patch(again).tree });
    expect(stack.state.foundationsOf('top.1' as AttemptId)).toEqual(['bottom.1', 'middle.2']);
  });

  it('is not done again and again where the agent changes nothing', async () => {
    await chain();
    const bottom = stack.patch('bottom.1');
    await decideTree(bench(), bottom, await stack.tree(bottom.baseTree, { long: line(12, 'amended\n') }), null);
    const claim = await stack.claim('middle');
    await stack.end(claim, {});
    await restackAbove(stack.repository, stack.state, claim.attempt.id);
    await restackStale(stack.repository, stack.state);
    expect(stack.state.task('middle' as TaskId).state).toBe('succeeded');
  });

  it('does not change when it is merged, rejected, or not of use anyhow', async () => {
    await chain();
    const before = ['middle.1', 'top.1'].map((id) => stack.patch(id).tree);
    stack.state.setPatchState('middle.1' as AttemptId, ['pending'], 'merged');
    stack.state.setPatchState('top.1' as AttemptId, ['pending'], 'rejected', { reason: 'no' });
    const { restacked } = await withoutExtra();
    expect(restacked).toEqual([]);
    expect(['middle.1', 'top.1'].map((id) => stack.patch(id).tree)).toEqual(before);
    expect(stack.states()).toMatchObject({ 'middle.1': 'merged', 'top.1': 'rejected' });
    // What was rejected cannot come back on a foundation that is another one now.
    await expect(approvePatches(bench(), ['top.1' as AttemptId], 'person')).rejects.toMatchObject({
      code: 'PATCH_STATE',
      message: 'top.1 is rejected (builds on bottom.1, which was amended) and cannot be approved',
    });
  });

  it('keeps apart what a person left out of it, on the new foundation', async () => {
    await chain();
    const middle = stack.patch('middle.1');
    const amended = await stack.tree(middle.tree, { long: line(2, 'bottom\n'), 'mine.txt': 'mine\n' });
    await decideTree(bench(), middle, amended, 'person');
    await withoutExtra();
    const restacked = stack.patch('middle.1');
    expect(await stack.files(restacked.tree)).toEqual({
      ...{ 'a.txt': 'one\ntwo\nthree\n', long: line(2, 'bottom\n'), 'mine.txt': 'mine\n' },
    });
    expect(await stack.files(restacked.original?.tree ?? '')).toEqual({
      ...{ 'a.txt': 'one\ntwo\nthree\n', long: line(12, 'middle\n', line(2, 'bottom\n')) },
    });
    expect((await stack.refs())['middle/1/original']).toBe(restacked.original?.commit);
  });

  it('of an agent at work is stale when it arrives, and restacked then', async () => {
    await stack.finish('bottom', { 'kept.txt': 'kept\n', 'extra.txt': 'extra\n' });
    const claim = await stack.claim(stack.add('above', ['bottom']));
    await withoutExtra();
    const id = await stack.end(claim, { 'above.txt': 'above\n' });
    expect(stack.patch(id)).toMatchObject({ state: 'stale', reason: 'builds on bottom.1, which was amended' });
    await restackAbove(stack.repository, stack.state, id);
    expect(stack.patch(id)).toMatchObject({ state: 'pending', reason: 'restacked on bottom.1; look again' });
    expect(Object.keys(await stack.files(stack.patch(id).tree))).toEqual(['a.txt', 'above.txt', 'kept.txt', 'long']);
  });

  it('waits for requested changes as before, and can still be approved', async () => {
    await chain();
    stack.state.setPatchState('middle.1' as AttemptId, ['pending'], 'changes-requested', { reason: 'shorter, please' });
    await withoutExtra();
    expect(stack.patch('middle.1')).toMatchObject({
      ...{ state: 'changes-requested', reason: 'shorter, please', baseTree: stack.patch('bottom.1').tree },
    });
    expect(stack.patch('top.1')).toMatchObject({ state: 'pending', baseTree: stack.patch('middle.1').tree });
    await approvePatches(bench(), ['middle.1' as AttemptId], 'person');
    expect(stack.patch('middle.1').state).toBe('approved');
  });

  it('that stands on two others is restacked on both', async () => {
    await stack.finish('left', { 'left.txt': 'left\n', 'extra.txt': 'x\n' });
    await stack.finish('right', { 'right.txt': 'right\n' });
    await stack.finish('both', { 'both.txt': 'both\n' }, ['left', 'right']);
    for (const [id, extra] of [
      ['left.1', 'extra.txt'],
      ['right.1', 'right.txt'],
    ] as const) {
      const patch = stack.patch(id);
      await decideTree(bench(), patch, await stack.tree(patch.tree, { [extra]: null, [`${id}-mine`]: 'm\n' }), null);
    }
    expect(Object.keys(await stack.files(stack.patch('both.1').tree))).toEqual([
      ...['a.txt', 'both.txt', 'left.1-mine', 'left.txt', 'long', 'right.1-mine'],
    ]);
  });

  it('stays stale while another one below is rejected, and is restacked when that is taken back', async () => {
    await stack.finish('left', { 'left.txt': 'left\n', 'extra.txt': 'x\n' });
    await stack.finish('right', { 'right.txt': 'right\n' });
    await stack.finish('both', { 'both.txt': 'both\n' }, ['left', 'right']);
    await rejectPatches(bench(), ['right.1' as AttemptId], 'person', null);
    const left = stack.patch('left.1');
    await decideTree(bench(), left, await stack.tree(left.tree, { 'extra.txt': null }), 'person');
    expect(stack.patch('both.1').state).toBe('stale');
    await approvePatches(bench(), ['right.1' as AttemptId], 'person');
    expect(stack.patch('both.1')).toMatchObject({ state: 'pending', reason: 'restacked on left.1; look again' });
    expect(Object.keys(await stack.files(stack.patch('both.1').tree))).not.toContain('extra.txt');
  });
});

describe('what stands on a rejected patch', () => {
  it('is restacked on the new result of its task', async () => {
    await chain();
    const { alsoChanged } = await rejectPatches(bench(), ['bottom.1' as AttemptId], 'person', 'not so');
    expect(alsoChanged.map(({ id, state }) => [id, state])).toEqual([
      ['middle.1', 'stale'],
      ['top.1', 'stale'],
    ]);
    const again = await stack.again('bottom', { 'other.txt': 'other\n' });
    expect(
      (await restackAbove(stack.repository, stack.state, again)).map(({ patch, outcome }) => [patch, outcome]),
    ).toEqual([
      ['middle.1', 'restacked'],
      ['top.1', 'restacked'],
    ]);
    expect(stack.state.foundationsOf('top.1' as AttemptId)).toEqual(['bottom.2', 'middle.1']);
    expect(await stack.files(stack.patch('top.1').tree)).toEqual({
      ...{ 'a.txt': 'one\ntwo\nthree\n', long: line(12, 'middle\n'), 'other.txt': 'other\n', 'top.txt': 'top\n' },
    });
  });

  it('is restacked at once where there is a newer result already', async () => {
    await stack.finish('bottom', { 'one.txt': '1\n' });
    await stack.finish('above', { 'above.txt': 'above\n' }, ['bottom']);
    await stack.again('bottom', { 'two.txt': '2\n' });
    expect(stack.states()).toMatchObject({ 'above.1': 'pending' });
    const { restacked } = await rejectPatches(bench(), ['bottom.1' as AttemptId], 'person', null);
    expect(restacked).toEqual([
      { patch: 'above.1', outcome: 'restacked', reason: 'restacked on bottom.2; look again' },
    ]);
    expect(Object.keys(await stack.files(stack.patch('above.1').tree))).toEqual([
      'a.txt',
      'above.txt',
      'long',
      'two.txt',
    ]);
  });

  it('or of one that changes were requested of, is restacked on what the change request gave', async () => {
    await stack.finish('bottom', { 'one.txt': '1\n' });
    await stack.finish('above', { 'above.txt': 'above\n' }, ['bottom']);
    const running = await stack.claim(stack.add('running', ['bottom']));
    stack.state.setPatchState('bottom.1' as AttemptId, ['pending'], 'changes-requested');
    const again = await stack.again('bottom', { 'one.txt': 'better\n' });
    await restackAbove(stack.repository, stack.state, again);
    const arrived = await stack.end(running, { 'running.txt': 'r\n' });
    expect(stack.patch(arrived)).toMatchObject({
      state: 'stale',
      reason: 'builds on bottom.1, which bottom.2 replaces',
    });
    await restackAbove(stack.repository, stack.state, arrived);
    for (const id of ['above.1', arrived]) {
      expect(stack.patch(id).state).toBe('pending');
      expect(await stack.files(stack.patch(id).tree)).toMatchObject({ 'one.txt': 'better\n' });
    }
  });
});

describe('restacking', () => {
  it('that was cut off after the amendment is finished by the next run', async () => {
    await chain();
    const bottom = stack.patch('bottom.1');
    await amendPatch(stack.repository, stack.state, bottom, await stack.tree(bottom.tree, { 'extra.txt': null }));
    expect(stack.states()).toMatchObject({ 'middle.1': 'stale', 'top.1': 'stale' });
    expect((await restackStale(stack.repository, stack.state)).map(({ patch }) => patch)).toEqual([
      'middle.1',
      'top.1',
    ]);
    expect(await restackStale(stack.repository, stack.state)).toEqual([]);
    expect(stack.states()).toMatchObject({ 'middle.1': 'pending', 'top.1': 'pending' });
  });

  it.each(['restackPatch', 'redoStale'] as const)('killed right before %s is done by the next run', async (at) => {
    await chain();
    const bottom = stack.patch('bottom.1');
    const files = at === 'restackPatch' ? { 'extra.txt': null } : { 'extra.txt': null, long: line(12, 'amended\n') };
    const killed = new Proxy(stack.state, {
      get: (state, name) => {
        if (name === at) throw new Error('killed');
        const value: unknown = Reflect.get(state, name, state);
        return typeof value === 'function' ? value.bind(state) : value;
      },
    });
    const tree = await stack.tree(bottom.tree, files);
    await expect(decideTree({ ...bench(), state: killed }, bottom, tree, 'person')).rejects.toThrow('killed');
    expect(stack.states()).toEqual({ 'bottom.1': 'approved', 'middle.1': 'stale', 'top.1': 'stale' });
    const done = await restackStale(stack.repository, stack.state);
    expect(done.map(({ outcome }) => outcome)).toEqual(at === 'restackPatch' ? ['restacked', 'restacked'] : ['redone']);
    const middle = stack.patch('middle.1');
    if (at === 'restackPatch') expect((await stack.refs())['middle/1/reviewed']).toBe(middle.commit);
  });

  it('of several at once gives the same as of one', async () => {
    await chain();
    const bottom = stack.patch('bottom.1');
    await amendPatch(stack.repository, stack.state, bottom, await stack.tree(bottom.tree, { 'extra.txt': null }));
    const others = [1, 2, 3].map(() => openState(stack.repository.stateDir));
    await Promise.all(others.map((other) => restackStale(stack.repository, other)));
    for (const other of others) other.close();
    const [middle, top] = [stack.patch('middle.1'), stack.patch('top.1')];
    expect(top).toMatchObject({ state: 'pending', baseTree: middle.tree });
    const refs = await stack.refs();
    expect(refs).toMatchObject({ 'middle/1/reviewed': middle.commit, 'top/1/reviewed': top.commit });
  });

  it('follows two amendments at the same time', async () => {
    await stack.finish('left', { 'left.txt': 'left\n', 'extra.txt': 'x\n' });
    await stack.finish('right', { 'right.txt': 'right\n', 'more.txt': 'm\n' });
    await stack.finish('both', { 'both.txt': 'both\n' }, ['left', 'right']);
    const others = [1, 2].map(() => openState(stack.repository.stateDir));
    const trees = [
      await stack.tree(stack.patch('left.1').tree, { 'extra.txt': null }),
      await stack.tree(stack.patch('right.1').tree, { 'more.txt': null }),
    ] as const;
    await Promise.all(
      (['left.1', 'right.1'] as const).map((id, at) =>
        decideTree({ ...bench(), state: others[at] ?? stack.state }, stack.patch(id), trees[at] ?? trees[0], 'person'),
      ),
    );
    for (const other of others) other.close();
    expect(stack.patch('both.1').state).toBe('pending');
    expect(Object.keys(await stack.files(stack.patch('both.1').tree))).toEqual([
      ...['a.txt', 'both.txt', 'left.txt', 'long', 'right.txt'],
    ]);
  });

  it('leaves what is merged into the base of the run out of the new base', async () => {
    await stack.finish('bottom', { 'bottom.txt': 'b\n' });
    stack.state.setPatchState('bottom.1' as AttemptId, ['pending'], 'merged', {
      mergedAs: stack.patch('bottom.1').commit,
    });
    await stack.work.git('reset', '-q', '--hard', stack.patch('bottom.1').commit);
    await stack.newRun();
    await stack.finish('middle', { 'middle.txt': 'm\n', 'extra.txt': 'x\n' }, ['bottom']);
    await stack.finish('top', { 'top.txt': 't\n' }, ['middle']);
    const middle = stack.patch('middle.1');
    await decideTree(bench(), middle, await stack.tree(middle.tree, { 'extra.txt': null }), 'person');
    expect(stack.patch('top.1')).toMatchObject({ state: 'pending', baseTree: stack.patch('middle.1').tree });
  });
});
