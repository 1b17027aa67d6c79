// What a proposed plan would change, task by task.

import { expect, it } from 'vitest';
import { differenceOf } from '../../src/plan/difference.ts';
import { samplePlan, taskNamed } from '../support/plan-samples.ts';

const PLAN = samplePlan({ db: [], api: ['db'], ui: ['api'] });
const NOTHING = { added: [], removed: [], changed: [], isReordered: false, approach: null };

it('is nothing between equal plans', () => {
  expect(differenceOf(PLAN, structuredClone(PLAN))).toEqual(NOTHING);
});

it('names what was added, removed and changed, and in which fields', () => {
  const [db, , ui] = PLAN.tasks;
  if (db === undefined || ui === undefined) throw new Error('no tasks');
  const more = taskNamed('more');
  const after = { ...PLAN, tasks: [{ ...db, title: 'Data', size: 'large' as const }, ui, more] };
  const difference = differenceOf(PLAN, after);
  expect(difference).toMatchObject({ added: [more], removed: [{ key: 'api' }], isReordered: false });
  expect(difference.changed.map(({ after: { key }, fields }) => [key, fields])).toEqual([['db', ['title', 'size']]]);
});

it('sees another order and another approach', () => {
  const after = { ...PLAN, approach: 'Other.', tasks: [...PLAN.tasks].reverse() };
  expect(differenceOf(PLAN, after)).toEqual({ ...NOTHING, isReordered: true, approach: 'Other.' });
});
