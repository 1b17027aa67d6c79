/** Plans for tests. */

import fc from 'fast-check';
import type { Plan, PlanTask } from '../../src/plan/plan.ts';
import { PRIORITIES, TASK_SIZES } from '../../src/types.ts';

export function planTask(key: string, more: Partial<PlanTask> = {}): PlanTask {
  return {
    ...{ key, title: `Do ${key}`, description: `What ${key} is about.`, acceptance: [], role: 'test-engineer' },
    ...{ roleReason: null, priority: 'normal', dependsOn: [], files: [], size: 'medium' },
    ...more,
  };
}

export function planOf(...tasks: readonly PlanTask[]): Plan {
  return { goal: 'Ship it', planner: 'import', approach: 'Step by step.', tasks };
}

/** Plans of up to 8 tasks `t0`, `t1` … with any dependencies among them, circles included. */
export const anyGraph = fc
  .array(fc.tuple(fc.subarray([0, 1, 2, 3, 4, 5, 6, 7]), fc.constantFrom(...TASK_SIZES)), {
    minLength: 1,
    maxLength: 8,
  })
  .map((drawn) =>
    planOf(
      ...drawn.map(([below, size], n) =>
        planTask(`t${n}`, { size, dependsOn: below.filter((at) => at < drawn.length).map((at) => `t${at}`) }),
      ),
    ),
  );

/** Plans in which tasks depend on earlier ones alone. */
export const sound = fc
  .array(
    fc.record({
      below: fc.array(fc.nat(7), { maxLength: 3 }),
      files: fc.array(fc.constantFrom('src/a.ts', 'src/b.ts', 'src/', 'docs/*.md', 'docs/a.md', 'test/'), {
        maxLength: 2,
      }),
      size: fc.constantFrom(...TASK_SIZES),
      priority: fc.constantFrom(...PRIORITIES),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((drawn) =>
    planOf(
      ...drawn.map(({ below, ...more }, n) =>
        planTask(`t${n}`, { ...more, dependsOn: [...new Set(below)].filter((at) => at < n).map((at) => `t${at}`) }),
      ),
    ),
  );
