import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { amendPatch } from '../../src/review/amend.ts';
import { approvePatches, decideTree, rejectPatches } from '../../src/review/decide.ts';
import { listParts, treeOfChoice } from '../../src/review/parts.ts';
import { openState } from '../../src/state/state.ts';
import { dropOldResults } from '../../src/tasks/results.ts';
import type { AttemptId } from '../../src/types.ts';
import { Stack } from '../support/stack.ts';

const LINES = Array.from({ length: 30 }, (_, at) => `line ${at + 1}\n`);
const BASE = LINES.join('');
const line = (n: number, text: string, of = BASE) => of.replace(`line ${n}\n`, text);

let stack: Stack;
beforeEach(async () => {
  stack = await Stack.create({ long: BASE });
});
afterEach(() => stack[Symbol.asyncDispose]());

const bench = () => ({ repository: stack.repository, state: stack.state });

/** Two hunks in one file, and a second file. */
async function pending(): Promise<AttemptId> {
  return stack.finish('change', { long: line(25, 'other\n', line(2, 'two\n')), 'new.txt': 'new\n' });
}

describe('amendPatch', () => {
  it('makes another patch of it: tree, commit, size and ref; the original stays known', async () => {
    const id = await pending();
    const before = stack.patch(id);
    const tree = await treeOfChoice(
      stack.repository,
      { base: before.baseTree, tree: before.tree },
      new Map([['long', new Set([1])]]),
    );
    const after = await amendPatch(stack.repository, stack.state, before, tree);
    expect(after).toMatchObject({
      ...{ state: 'pending', tree, size: { files: 1, insertions: 1, deletions: 1 }, decidedBy: null },
      ...{ baseTree: before.baseTree, original: { tree: before.tree, commit: before.commit } },
    });
    expect(await stack.files(after.tree)).toMatchObject({ long: line(2, 'two\n'), 'a.txt': 'one\ntwo\nthree\n' });
    expect(await stack.work.id(`${after.commit}^1`)).toBe(before.baseCommit);
    expect(await stack.work.id(`${after.commit}^{tree}`)).toBe(tree);
    expect(await stack.refs()).toEqual({ 'change/1/result': before.commit, 'change/1/reviewed': after.commit });
    // What was left out, chosen from there, brings all of it back.
    const rest = await listParts(stack.repository, after.tree, before.tree);
    expect(rest.map((file) => file.path)).toEqual(['long', 'new.txt']);
    const back = await amendPatch(stack.repository, stack.state, after, before.tree);
    expect(back).toMatchObject({ tree: before.tree, original: null });
  });

  it('keeps the first original over several amendments', async () => {
    const id = await pending();
    const first = stack.patch(id);
    for (const text of ['1', '2']) {
      await amendPatch(stack.repository, stack.state, stack.patch(id), await stack.tree(first.baseTree, { text }));
    }
    expect(stack.patch(id).original).toEqual({ tree: first.tree, commit: first.commit });
  });

  it.each([
    ['pending', 'pending'],
    ['approved', 'pending'],
    ['conflict', 'pending'],
    ['set-aside', 'pending'],
    ['rejected', 'rejected'],
    ['changes-requested', 'changes-requested'],
  ] as const)('leaves what was %s %s', async (from, to) => {
    const id = await pending();
    if (from === 'conflict' || from === 'set-aside')
      stack.state.setPatchState(id, ['pending'], 'approved', { decidedBy: 'person' });
    if (from !== 'pending') stack.state.setPatchState(id, ['pending', 'approved'], from, { decidedBy: 'person' });
    const tree = await stack.tree(stack.patch(id).baseTree, { other: 'x' });
    expect(await amendPatch(stack.repository, stack.state, stack.patch(id), tree)).toMatchObject({ state: to, tree });
  });

  it('refuses what is merged, and to leave nothing', async () => {
    const id = await pending();
    const patch = stack.patch(id);
    await expect(amendPatch(stack.repository, stack.state, patch, patch.baseTree)).rejects.toMatchObject({
      ...{ kind: 'usage', code: 'PATCH_EMPTY', hint: 'orchestrate patch reject change.1' },
    });
    stack.state.setPatchState(id, ['pending'], 'merged');
    const tree = await stack.tree(patch.baseTree, { other: 'x' });
    await expect(amendPatch(stack.repository, stack.state, stack.patch(id), tree)).rejects.toMatchObject({
      ...{ kind: 'usage', code: 'PATCH_STATE' },
    });
    expect(await stack.refs()).toEqual({ 'change/1/result': patch.commit });
  });

  it('refuses what is landing at this moment', async () => {
    const id = await pending();
    await approvePatches(bench(), [id], 'person');
    const patch = stack.patch(id);
    const { commit } = patch;
    const merge = {
      target: 'refs/heads/main',
      from: commit,
      to: commit,
      workTree: null,
      commits: [{ patch: id, commit }],
    };
    stack.state.beginMerge(merge, [patch]);
    await expect(
      amendPatch(stack.repository, stack.state, patch, await stack.tree(patch.baseTree, { other: 'x' })),
    ).rejects.toMatchObject({ code: 'PATCH_CHANGED' });
    expect(stack.patch(id)).toEqual(patch);
    expect(await stack.refs()).toEqual({ 'change/1/result': commit });
  });

  it('looks for flags anew, and keeps those that no tree tells', async () => {
    const flags = [
      { code: 'too-large', path: 'huge.bin', detail: 'left out' },
      { code: 'nested-repository', path: 'odd', detail: 'was one' },
    ];
    const id = await stack.end(await stack.claim(stack.add('flagged')), { odd: 'x', long: 'y' }, flags);
    const tree = await stack.tree(stack.patch(id).baseTree, { long: 'y' });
    const amended = await amendPatch(stack.repository, stack.state, stack.patch(id), tree);
    expect(amended.flags.map((flag) => flag.path)).toContain('huge.bin');
    expect(amended.flags.map((flag) => flag.path)).not.toContain('odd');
  });

  it('of two terminals lets one win, and the ref follows the state', async () => {
    const id = await pending();
    const patch = stack.patch(id);
    const trees = await Promise.all(['1', '2', '3'].map((text) => stack.tree(patch.baseTree, { text })));
    const others = trees.map(() => openState(stack.repository.stateDir));
    const answers = await Promise.allSettled(
      trees.map((tree, at) => amendPatch(stack.repository, others[at] ?? stack.state, patch, tree)),
    );
    for (const other of others) other.close();
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const answer of answers) {
      if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ code: 'PATCH_CHANGED' });
    }
    expect((await stack.refs())['change/1/reviewed']).toBe(stack.patch(id).commit);
  });

  it('killed between ref and state changes nothing, and the end of the next run puts the ref right', async () => {
    const id = await pending();
    const amended = await amendPatch(
      ...([
        stack.repository,
        stack.state,
        stack.patch(id),
        await stack.tree(stack.patch(id).baseTree, { text: '1' }),
      ] as const),
    );
    await stack.work.git('update-ref', 'refs/orchestrate/change/1/reviewed', 'HEAD');
    expect(stack.patch(id)).toEqual(amended);
    await dropOldResults(stack.repository, stack.state, new Date());
    expect((await stack.refs())['change/1/reviewed']).toBe(amended.commit);
    // And a person can go on at once as well.
    await stack.work.git('update-ref', 'refs/orchestrate/change/1/reviewed', 'HEAD');
    const again = await amendPatch(
      ...([stack.repository, stack.state, amended, await stack.tree(amended.baseTree, { text: '2' })] as const),
    );
    expect((await stack.refs())['change/1/reviewed']).toBe(again.commit);
  });
});

it('keeps an amended patch as long as its result, and no longer', async () => {
  const id = await pending();
  const amended = await amendPatch(
    ...([
      stack.repository,
      stack.state,
      stack.patch(id),
      await stack.tree(stack.patch(id).baseTree, { text: '1' }),
    ] as const),
  );
  await rejectPatches(bench(), [id], 'person', null);
  const inDays = (days: number) => new Date(Date.now() + days * 24 * 3_600_000);
  await dropOldResults(stack.repository, stack.state, inDays(29));
  expect((await stack.refs())['change/1/reviewed']).toBe(amended.commit);
  await dropOldResults(stack.repository, stack.state, inDays(31));
  expect(await stack.refs()).toEqual({});
});

describe('partial approval', () => {
  it('amends and approves at once', async () => {
    const id = await pending();
    const patch = stack.patch(id);
    const tree = await stack.tree(patch.baseTree, { 'new.txt': 'new\n' });
    const decided = await decideTree(bench(), patch, tree, 'person');
    expect(decided).toMatchObject({ patches: [{ id, state: 'approved', decidedBy: 'person', tree }], alsoChanged: [] });
  });

  it.each(['rejected', 'changes-requested'] as const)('takes what was %s', async (from) => {
    const id = await pending();
    stack.state.setPatchState(id, ['pending'], from, { reason: 'no' });
    const tree = await stack.tree(stack.patch(id).baseTree, { text: '1' });
    await decideTree(bench(), stack.patch(id), tree, 'person');
    expect(stack.patch(id)).toMatchObject({ state: 'approved', tree, reason: null });
  });

  it('of everything is an approval', async () => {
    const id = await pending();
    await decideTree(bench(), stack.patch(id), stack.patch(id).tree, 'person');
    expect(stack.patch(id)).toMatchObject({ state: 'approved', original: null });
  });

  it('of a patch that somebody rejected meanwhile is refused', async () => {
    const id = await pending();
    const seen = stack.patch(id);
    await rejectPatches(bench(), [id], 'person', 'no');
    for (const tree of [seen.tree, await stack.tree(seen.baseTree, { text: '1' })]) {
      await expect(decideTree(bench(), seen, tree, 'person')).rejects.toMatchObject({ code: 'PATCH_CHANGED' });
    }
    expect(stack.patch(id)).toMatchObject({ state: 'rejected', tree: seen.tree });
    expect(Object.keys(await stack.refs())).toEqual(['change/1/result']);
  });
});

describe('approvePatches and rejectPatches', () => {
  it('say who decided, once for each', async () => {
    const id = await pending();
    expect(await approvePatches(bench(), [id, id], 'policy')).toMatchObject({
      ...{ patches: [{ id, state: 'approved', decidedBy: 'policy' }], unchanged: [] },
    });
    expect(await approvePatches(bench(), [id], 'person')).toMatchObject({
      ...{ patches: [{ id, decidedBy: 'policy' }], unchanged: [id] },
    });
    expect(await rejectPatches(bench(), [id], 'person', 'why not')).toMatchObject({
      ...{ patches: [{ id, state: 'rejected', decidedBy: 'person', reason: 'why not' }] },
    });
  });

  it('decide all or none', async () => {
    const [one, two] = [await pending(), await stack.finish('merged', { m: 'm' })];
    stack.state.setPatchState(two, ['pending'], 'merged');
    await expect(rejectPatches(bench(), [one, two], 'person', null)).rejects.toMatchObject({ code: 'PATCH_STATE' });
    expect(stack.patch(one).state).toBe('pending');
  });

  it('do not know patches that there are not', async () => {
    await expect(approvePatches(bench(), ['nope.1' as AttemptId], 'person')).rejects.toThrow();
  });
});
