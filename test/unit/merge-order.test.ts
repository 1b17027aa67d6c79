import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeOrder, type OrderedPatch } from '../../src/merge/order.ts';
import type { AttemptId } from '../../src/types.ts';

type Pair = readonly [AttemptId, AttemptId];

function patch(n: number, more: Partial<OrderedPatch> = {}): OrderedPatch {
  return { id: id(n), phase: 1, seq: n, foundations: [], size: { files: 1, insertions: 10, deletions: 0 }, ...more };
}

function id(n: number): AttemptId {
  return `task-${n}.1` as AttemptId;
}

/** Which patches land when each is tried in turn: one in conflict with an earlier one, or on one that did not land, does not. */
function landing(
  order: readonly AttemptId[],
  patches: readonly OrderedPatch[],
  conflicts: readonly Pair[],
): Set<AttemptId> {
  const landed = new Set<AttemptId>();
  const byId = new Map(patches.map((each) => [each.id, each]));
  const rivals = new Map<AttemptId, AttemptId[]>();
  for (const [a, b] of conflicts) {
    rivals.set(a, [...(rivals.get(a) ?? []), b]);
    rivals.set(b, [...(rivals.get(b) ?? []), a]);
  }
  for (const each of order) {
    const stands = byId.get(each)?.foundations.every((below) => landed.has(below)) ?? false;
    if (stands && !(rivals.get(each) ?? []).some((rival) => landed.has(rival))) landed.add(each);
  }
  return landed;
}

const graph = fc
  .record({
    count: fc.integer({ min: 1, max: 14 }),
    edges: fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 30 }),
    clashes: fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 30 }),
    lines: fc.array(fc.nat(50), { minLength: 14, maxLength: 14 }),
  })
  .map(({ count, edges, clashes, lines }) => {
    const below = new Map<number, Set<number>>();
    for (const [a, b] of edges) {
      const [low = 0, high = 0] = [a % count, b % count].sort((x, y) => x - y);
      if (low !== high) below.set(high, new Set([...(below.get(high) ?? []), low]));
    }
    const patches = Array.from({ length: count }, (_, n) =>
      patch(n, {
        phase: 1 + (below.get(n)?.size ?? 0),
        foundations: [...(below.get(n) ?? [])].map(id),
        size: { files: 1, insertions: lines[n] ?? 0, deletions: 0 },
      }),
    );
    const conflicts: Pair[] = clashes.map(([a, b]): Pair => [id(a % count), id(b % count)]).filter(([a, b]) => a !== b);
    return { patches, conflicts };
  });

describe('the order of merging', () => {
  it('has every patch once, after what it stands on', () => {
    fc.assert(
      fc.property(graph, ({ patches, conflicts }) => {
        const order = mergeOrder(patches, conflicts);
        expect([...order].sort()).toEqual(patches.map((each) => each.id).sort());
        for (const each of patches) {
          for (const below of each.foundations) expect(order.indexOf(below)).toBeLessThan(order.indexOf(each.id));
        }
      }),
    );
  });

  it('does not depend on the order in which patches and pairs are given', () => {
    const shuffled = graph.chain(({ patches, conflicts }) =>
      fc.record({
        given: fc.constant({ patches, conflicts }),
        patches: fc.shuffledSubarray(patches, { minLength: patches.length }),
        conflicts: fc
          .shuffledSubarray(conflicts, { minLength: conflicts.length })
          .map((pairs) => pairs.map(([a, b]): Pair => [b, a])),
      }),
    );
    fc.assert(
      fc.property(shuffled, ({ given, patches, conflicts }) => {
        expect(mergeOrder(patches, conflicts)).toEqual(mergeOrder(given.patches, given.conflicts));
      }),
    );
  });

  it('lands at least as many as the order of age', () => {
    fc.assert(
      fc.property(graph, ({ patches, conflicts }) => {
        const byAge = mergeOrder(patches, []);
        const ours = landing(mergeOrder(patches, conflicts), patches, conflicts);
        expect(ours.size).toBeGreaterThanOrEqual(landing(byAge, patches, conflicts).size);
      }),
      { numRuns: 1_000 },
    );
  });

  it('prefers three to the one that is in their way, and puts that last', () => {
    const patches = [0, 1, 2, 3].map((n) => patch(n));
    const conflicts: Pair[] = [1, 2, 3].map((n) => [id(0), id(n)]);
    expect(mergeOrder(patches, conflicts)).toEqual([id(1), id(2), id(3), id(0)]);
  });

  it('counts what stands on a patch with it', () => {
    const patches = [patch(0), patch(1), patch(2, { foundations: [id(1)], phase: 2 })];
    expect(mergeOrder(patches, [[id(0), id(1)]])).toEqual([id(1), id(2), id(0)]);
  });

  it('takes the smaller of two that are in conflict, then the older', () => {
    const large = { files: 1, insertions: 500, deletions: 0 };
    expect(mergeOrder([patch(0, { size: large }), patch(1)], [[id(0), id(1)]])).toEqual([id(1), id(0)]);
    expect(mergeOrder([patch(0), patch(1)], [[id(0), id(1)]])).toEqual([id(0), id(1)]);
  });

  it('goes by phase and age where nothing is in conflict', () => {
    const patches = [patch(5), patch(2, { phase: 2 }), patch(3), patch(4, { phase: 2 })];
    expect(mergeOrder(patches, [])).toEqual([id(3), id(5), id(2), id(4)]);
  });

  it('orders 1,000 patches of which half are in conflict with each other in one step of a second', () => {
    const patches = Array.from({ length: 1_000 }, (_, n) =>
      patch(n, { foundations: n % 3 === 0 && n > 0 ? [id(n - 1)] : [] }),
    );
    const conflicts: Pair[] = [];
    for (let a = 0; a < 500; a += 1) for (let b = a + 1; b < 500; b += 7) conflicts.push([id(a), id(b)]);
    const order = mergeOrder(patches, conflicts);
    expect(landing(order, patches, conflicts).size).toBeGreaterThan(500);
  });
});
