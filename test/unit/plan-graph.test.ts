import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { estimateOf } from '../../src/plan/estimate.ts';
import { criticalPath, planPhases, problemsOf } from '../../src/plan/graph.ts';
import { MAX_TASKS, type Plan } from '../../src/plan/plan.ts';
import { filesOverlap } from '../../src/tasks/overlap.ts';
import { SIZE_WEIGHTS } from '../../src/types.ts';
import { anyGraph, planOf, planTask, sound } from '../support/plans.ts';

const ROLES = ['test-engineer'];
const codesOf = (plan: Plan) => problemsOf(plan, ROLES).map(({ code }) => code);

/** Whether work can go from one task to another along dependencies, tried step by step. */
function comesAfter(plan: Plan, key: string, other: string, seen = new Set<string>()): boolean {
  const task = plan.tasks.find((one) => one.key === key);
  return (task?.dependsOn ?? []).some((below) => {
    if (below === other) return true;
    if (seen.has(below)) return false;
    seen.add(below);
    return comesAfter(plan, below, other, seen);
  });
}

describe('problems of a plan', () => {
  it('are none where there are none', () => {
    expect(problemsOf(planOf(planTask('a'), planTask('b', { dependsOn: ['a'] })), ROLES)).toEqual([]);
  });

  it('name what keeps it from being worked', () => {
    const plan = planOf(
      planTask('a', { dependsOn: ['nowhere'], role: 'wizard' }),
      planTask('b', { dependsOn: ['c'] }),
      planTask('c', { dependsOn: ['b'] }),
      planTask('a', { title: 'Another' }),
    );
    const problems = problemsOf(plan, ROLES);
    expect(problems.filter(({ severity }) => severity === 'error').map(({ text }) => text)).toEqual([
      'two tasks have the key a',
      'a depends on nowhere, which is not in the plan',
      'tasks depend on each other in a circle: b → c → b',
      'a is for the role wizard, which does not exist',
    ]);
  });

  it('are that there is nothing to do', () => {
    expect(codesOf(planOf())).toEqual(['empty']);
  });

  it('find every circle, and none where there is none', () => {
    fc.assert(
      fc.property(anyGraph, (plan) => {
        const isCircular = plan.tasks.some(({ key }) => comesAfter(plan, key, key));
        expect(codesOf(plan).includes('cycle')).toBe(isCircular);
      }),
    );
  });

  it('are two tasks at once on the same file, and only if they can be at once', () => {
    fc.assert(
      fc.property(sound, (plan) => {
        const expected = plan.tasks.flatMap((a, i) =>
          plan.tasks
            .slice(i + 1)
            .filter((b) => !comesAfter(plan, a.key, b.key) && !comesAfter(plan, b.key, a.key))
            .filter((b) => filesOverlap(a.files, b.files) !== null)
            .map((b) => `${a.key} ${b.key}`),
        );
        const found = problemsOf(plan, ROLES).filter(({ code }) => code === 'same-files');
        expect(new Set(found.map(({ keys }) => keys.join(' ')))).toEqual(new Set(expected));
        expect(found.every(({ severity }) => severity === 'warning')).toBe(true);
      }),
    );
  });

  it('are two tasks that say the same', () => {
    const plan = planOf(
      planTask('a', { title: 'Add the login page' }),
      planTask('b', { title: 'add the Login page!' }),
    );
    expect(problemsOf(plan, ROLES)).toMatchObject([{ severity: 'warning', code: 'duplicate', keys: ['a', 'b'] }]);
  });

  it('are found in the largest plan there may be', () => {
    const files = Array.from({ length: 50 }, (_, n) => `src/${n}/**/x*.ts`);
    const tasks = Array.from({ length: MAX_TASKS }, (_, n) =>
      planTask(`t${n}`, { files, dependsOn: n === 0 ? [] : [`t${n - 1}`] }),
    );
    expect(problemsOf(planOf(...tasks), ROLES)).toEqual([]);
  });
});

describe('the order of a plan', () => {
  it('has every task in a later phase than what it depends on', () => {
    fc.assert(
      fc.property(sound, (plan) => {
        const phases = planPhases(plan);
        for (const { key, dependsOn } of plan.tasks) {
          const deepest = Math.max(0, ...dependsOn.map((below) => phases.get(below) ?? 0));
          expect(phases.get(key)).toBe(deepest + 1);
        }
      }),
    );
  });

  it('has a longest chain that no other chain is longer than', () => {
    const weigh = (plan: Plan, keys: readonly string[]) =>
      keys.reduce((sum, key) => sum + SIZE_WEIGHTS[plan.tasks.find((task) => task.key === key)?.size ?? 'small'], 0);
    const chainsFrom = (plan: Plan, key: string): string[][] => {
      const below = plan.tasks.find((task) => task.key === key)?.dependsOn ?? [];
      return below.length === 0
        ? [[key]]
        : below.flatMap((one) => chainsFrom(plan, one).map((chain) => [...chain, key]));
    };
    fc.assert(
      fc.property(sound, (plan) => {
        const path = criticalPath(plan);
        for (const [n, key] of path.slice(1).entries()) {
          expect(plan.tasks.find((task) => task.key === key)?.dependsOn).toContain(path[n]);
        }
        const longest = Math.max(...plan.tasks.flatMap(({ key }) => chainsFrom(plan, key)).map((c) => weigh(plan, c)));
        expect(weigh(plan, path)).toBe(longest);
      }),
    );
  });

  it('is nothing to rely on where tasks wait for each other', () => {
    const plan = planOf(planTask('a', { dependsOn: ['b'] }), planTask('b', { dependsOn: ['a'] }));
    expect([...planPhases(plan).values()]).toEqual([1, 1]);
    expect(criticalPath(plan)).toEqual([]);
  });
});

describe('an estimate', () => {
  const plan = planOf(
    planTask('a', { size: 'large' }),
    planTask('b', { size: 'small', dependsOn: ['a'] }),
    planTask('c', { dependsOn: ['a'] }),
  );

  it('counts tasks, phases and how many can be at work at once', () => {
    expect(estimateOf(plan, null)).toEqual({ tasks: 3, phases: 2, parallel: 2, longest: ['a', 'c'], usd: null });
  });

  it('costs more with larger tasks and dearer models, and is a range', () => {
    const price = { input: 2, output: 10, cacheRead: 0.2, cacheWrite: 2.5 };
    const dearer = { input: 4, output: 20, cacheRead: 0.4, cacheWrite: 5 };
    const usd = estimateOf(plan, price).usd;
    const small = estimateOf(planOf(...plan.tasks.map((task) => ({ ...task, size: 'small' as const }))), price).usd;
    expect(usd?.low).toBeGreaterThan(0);
    expect(usd?.high).toBeGreaterThan(usd?.low ?? 0);
    expect(usd?.low).toBeGreaterThan(small?.low ?? 0);
    expect(estimateOf(plan, dearer).usd?.high).toBeCloseTo(2 * (usd?.high ?? 0), 1);
  });
});
