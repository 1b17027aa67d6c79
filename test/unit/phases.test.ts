import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Dependent, phasesOf } from '../../src/tasks/phases.ts';

/** A random graph without cycles: each task depends on earlier ones. */
const acyclic = fc
  .array(fc.array(fc.nat(30), { maxLength: 4 }), { maxLength: 30 })
  .map((rows) => rows.map((row, i) => ({ id: `t${i}`, dependsOn: row.filter((j) => j < i).map((j) => `t${j}`) })));

const shuffled = acyclic.chain((tasks) => fc.shuffledSubarray(tasks, { minLength: tasks.length }));

function phases(tasks: readonly Dependent<string>[]): ReadonlyMap<string, number> {
  const result = phasesOf(tasks);
  if ('cycle' in result) throw new Error(`unexpected cycle ${result.cycle.join()}`);
  return result.phases;
}

describe('phasesOf', () => {
  it('gives 1 to what depends on nothing and one more than the latest dependency to the rest', () => {
    fc.assert(
      fc.property(shuffled, (tasks) => {
        const found = phases(tasks);
        for (const task of tasks) {
          const below = task.dependsOn.map((id) => found.get(id) ?? Number.NaN);
          expect(found.get(task.id)).toBe(1 + Math.max(0, ...below));
        }
      }),
    );
  });

  it('builds on the phases of tasks outside', () => {
    expect(phasesOf([{ id: 'b', dependsOn: ['a'] }], new Map([['a', 4]]))).toEqual({ phases: new Map([['b', 5]]) });
  });

  it('names a cycle: each depends on the one after it', () => {
    fc.assert(
      fc.property(shuffled, fc.nat(), fc.nat(), (tasks, from, to) => {
        fc.pre(tasks.length > 0);
        // An edge from a task to one that already leads to it, or to itself, closes a circle.
        const top = tasks[from % tasks.length];
        if (top === undefined) return;
        const below = new Set([top.id]);
        for (const id of below)
          for (const next of tasks.find((task) => task.id === id)?.dependsOn ?? []) below.add(next);
        const bottom = [...below][to % below.size];
        const closed = tasks.map((task) =>
          task.id === bottom ? { ...task, dependsOn: [...task.dependsOn, top.id] } : task,
        );
        const result = phasesOf(closed);
        if (!('cycle' in result)) throw new Error('the cycle was not seen');
        const { cycle } = result;
        for (const [i, id] of cycle.entries()) {
          expect(closed.find((task) => task.id === id)?.dependsOn).toContain(cycle[(i + 1) % cycle.length]);
        }
        expect(new Set(cycle).size).toBe(cycle.length);
      }),
    );
  });

  it.each(['first to last', 'last to first'])('follows a chain of 10,000 given from the %s', (order) => {
    const chain = Array.from({ length: 10_000 }, (_, i) => ({ id: `t${i}`, dependsOn: i === 0 ? [] : [`t${i - 1}`] }));
    expect(phases(order === 'first to last' ? chain : chain.reverse()).get('t9999')).toBe(10_000);
  });
});
