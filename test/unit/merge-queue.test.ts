import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MergeQueue, type SetAside, settleQueue } from '../../src/merge/queue.ts';
import type { MergeTrees, QueuedPatch } from '../../src/merge/stack.ts';
import { TreeChecks } from '../../src/merge/tree-checks.ts';
import type { CheckRecord } from '../../src/state/records.ts';
import type { AttemptId, ObjectId } from '../../src/types.ts';

/** A tree is the set of the patches in it: `a+c`. Patches conflict as the pairs say. */
interface World {
  readonly below: readonly (readonly number[])[];
  readonly conflicts: readonly (readonly [number, number])[];
  /** Sets of patches that a check does not pass on together. */
  readonly red: readonly (readonly number[])[];
}

const idOf = (n: number): AttemptId => `p${n}.1` as AttemptId;
const treeOf = (patches: Iterable<number>): ObjectId =>
  [...new Set(patches)].sort((a, b) => a - b).join('+') as ObjectId;
const patchesIn = (tree: string): number[] => tree.split('+').filter(Boolean).map(Number);

function queueOf(world: World, check?: (tree: ObjectId, records: CheckRecord) => Partial<CheckRecord>) {
  const patches: QueuedPatch[] = world.below.map((below, n) => ({
    ...{ id: idOf(n), below: below.map(idOf) },
    ...{ baseTree: treeOf(below), tree: treeOf([...below, n]) },
  }));
  const merge: MergeTrees = async ({ base, ours, theirs }) => {
    const change = patchesIn(theirs).filter((n) => !patchesIn(base).includes(n));
    const together = [...patchesIn(ours), ...change];
    const inTheWay = world.conflicts.filter(
      ([a, b]) => together.includes(a) && together.includes(b) && (change.includes(a) || change.includes(b)),
    );
    if (inTheWay.length > 0) return { clean: false, paths: inTheWay.map(([a, b]) => `${a}-${b}`).sort() };
    return { clean: true, tree: treeOf(together) };
  };
  const isRed = (tree: string): boolean => world.red.some((set) => set.every((n) => patchesIn(tree).includes(n)));
  const checks = new TreeChecks(async (tree) => {
    const record = { command: 'test', exitCode: isRed(tree) ? 1 : 0, durationMs: 1, tree, isFlaky: false, log: null };
    return [{ ...record, ...check?.(tree, record) }];
  });
  const aside: SetAside[] = [];
  const queue: MergeQueue = {
    ...{ onto: treeOf([]), target: 'main', patches, merge, checks, width: 2, onProgress: () => {} },
    onSetAside: (found) => aside.push(...found),
  };
  return { queue, checks, isRed, aside };
}

function alone(count: number, more: Partial<World> = {}): World {
  return { below: Array.from({ length: count }, () => []), conflicts: [], red: [], ...more };
}

describe('settleQueue', () => {
  it('lands everything when it is green, at the price of one check', async () => {
    const { queue, checks } = queueOf(alone(20));
    const { steps, conflicts, setAside } = await settleQueue(queue);
    expect(steps.map((step) => step.patch.id)).toEqual(Array.from({ length: 20 }, (_, n) => idOf(n)));
    expect([conflicts, setAside, checks.runs]).toEqual([[], [], 1]);
  });

  it('stops only the patch that conflicts and what stands on it, and says with which', async () => {
    const world = alone(6, { below: [[], [], [1], [], [3], []], conflicts: [[0, 3]] });
    const { steps, conflicts } = await settleQueue(queueOf(world).queue);
    expect(steps.map((step) => step.patch.id)).toEqual([0, 1, 2, 5].map(idOf));
    expect(conflicts).toEqual([
      { id: idOf(3), with: idOf(0), paths: ['0-3'] },
      { id: idOf(4), with: idOf(3), paths: [] },
    ]);
  });

  it('does not take what a patch stands on for what it conflicts with', async () => {
    const world = alone(5, { below: [[], [], [], [2], [0, 2]], conflicts: [[1, 4]] });
    const { conflicts } = await settleQueue(queueOf(world).queue);
    expect(conflicts).toEqual([{ id: idOf(4), with: idOf(1), paths: ['1-4'] }]);
  });

  it('names the culprit and the patch with which alone it fails', async () => {
    const { queue, aside } = queueOf(alone(20, { red: [[4, 13]] }));
    const { steps, setAside } = await settleQueue(queue);
    expect(steps).toHaveLength(19);
    expect(setAside).toEqual([
      expect.objectContaining({
        id: idOf(13),
        reason: expect.stringContaining(`\`test\` fail together with ${idOf(4)};`),
      }),
    ]);
    expect(setAside[0]?.evidence).toEqual([expect.objectContaining({ exitCode: 1, tree: treeOf(Array(14).keys()) })]);
    expect(aside).toEqual(setAside);
  });

  it('says when a patch fails by itself, and takes what stands on it along', async () => {
    const { queue } = queueOf(alone(8, { below: [[], [], [], [2], [], [3, 2], [], []], red: [[2]] }));
    const { steps, setAside } = await settleQueue(queue);
    expect(steps.map((step) => step.patch.id)).toEqual([0, 1, 4, 6, 7].map(idOf));
    expect(setAside.map(({ id, reason }) => [id, reason])).toEqual([
      [idOf(2), 'makes `test` fail on main'],
      [idOf(3), `stands on ${idOf(2)}, which was set aside`],
      [idOf(5), `stands on ${idOf(2)}, which was set aside`],
    ]);
  });

  it('lets a patch in that conflicted only with one that was set aside', async () => {
    const { queue } = queueOf(alone(4, { conflicts: [[1, 3]], red: [[1]] }));
    const { steps, conflicts } = await settleQueue(queue);
    expect(steps.map((step) => step.patch.id)).toEqual([0, 2, 3].map(idOf));
    expect(conflicts).toEqual([]);
  });

  it('sets nobody aside when the target is red without any patch', async () => {
    const { queue, aside } = queueOf(alone(4, { red: [[]] }));
    await expect(settleQueue(queue)).rejects.toMatchObject({ code: 'TARGET_RED', kind: 'failure' });
    expect(aside).toEqual([]);
  });

  it('sets nobody aside for a check that passes when it is done again, and says which it was', async () => {
    const seen = new Map<string, number>();
    const { queue, checks } = queueOf(alone(16, { red: [[3, 9]] }), (tree, record) => {
      const times = (seen.get(tree) ?? 0) + 1;
      seen.set(tree, times);
      // Every tree without the pair fails when it is looked at first, in one of two ways.
      if (record.exitCode === 1 || tree === '') return {};
      if (tree.length % 2 === 0) return { exitCode: 1, isFlaky: true };
      return times === 1 ? { exitCode: 1 } : {};
    });
    const { setAside, steps } = await settleQueue(queue);
    expect(setAside.map(({ id }) => id)).toEqual([idOf(9)]);
    expect(steps).toHaveLength(15);
    expect(checks.flaky).toEqual(['test']);
  });

  it('finds one culprit among 128 patches with a few checks', async () => {
    const { queue, checks } = queueOf(alone(128, { red: [[17, 99]] }));
    await settleQueue(queue);
    // All of it, the target, twice log3(128) rounds of two, and the rest of it.
    expect(checks.runs).toBeLessThanOrEqual(2 + 2 * 2 * 6 + 5);
  });
});

const worlds = fc.integer({ min: 2, max: 12 }).chain((count) => {
  const patch = fc.integer({ min: 0, max: count - 1 });
  const pair = fc.tuple(patch, patch).filter(([a, b]) => a !== b);
  const parents = fc.array(fc.array(patch, { maxLength: 2 }), { minLength: count, maxLength: count });
  return fc
    .record({
      parents,
      conflicts: fc.array(pair, { maxLength: 5 }),
      red: fc.array(fc.array(patch, { minLength: 1, maxLength: 3 }), { maxLength: 4 }),
    })
    .map(({ parents: drawn, conflicts, red }): World => {
      const below: number[][] = [];
      for (const [n, some] of drawn.entries()) {
        const direct = some.filter((m) => m < n);
        below.push([...new Set(direct.flatMap((m) => [m, ...(below[m] ?? [])]))]);
      }
      return { below, conflicts, red };
    });
});

describe('whatever conflicts and whatever is red', () => {
  it('what lands is green, with all that it stands on, and every patch ends in one place', async () => {
    await fc.assert(
      fc.asyncProperty(worlds, async (world) => {
        const { queue, isRed } = queueOf(world);
        const { steps, conflicts, setAside } = await settleQueue(queue);
        const landed = steps.map((step) => step.patch.id);
        const ended = [...landed, ...conflicts.map(({ id }) => id), ...setAside.map(({ id }) => id)];
        expect(ended.sort()).toEqual(world.below.map((_, n) => idOf(n)).sort());
        expect(isRed(steps.at(-1)?.tree ?? '')).toBe(false);
        for (const { patch } of steps) expect(patch.below.every((id) => landed.includes(id))).toBe(true);
        // Who is set aside for a check would make what lands red, or what had come before it at the time.
        for (const { id, evidence, reason } of setAside) {
          expect(reason).not.toBe('');
          if (evidence.length > 0) expect(isRed(evidence[0]?.tree ?? '')).toBe(true);
          else expect(setAside.some((other) => reason.includes(other.id) && other.id !== id)).toBe(true);
        }
        for (const { with: other, paths } of conflicts) {
          if (paths.length > 0 && other !== null) expect(landed).toContain(other);
        }
      }),
      { numRuns: 400 },
    );
  });
});
