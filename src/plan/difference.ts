/** What one plan has that another has not, task by task. */

import { taskOf } from './edits.ts';
import type { Plan, PlanTask } from './plan.ts';

export interface Difference {
  readonly added: readonly PlanTask[];
  readonly removed: readonly PlanTask[];
  readonly changed: readonly ChangedTask[];
  /** The tasks that both have come in another order. */
  readonly isReordered: boolean;
  /** The new approach; null: it is the same. */
  readonly approach: string | null;
}

export interface ChangedTask {
  readonly before: PlanTask;
  readonly after: PlanTask;
  /** Names of fields. */
  readonly fields: readonly string[];
}

const FIELDS = [
  'title',
  'description',
  'acceptance',
  'role',
  'priority',
  'dependsOn',
  'files',
  'size',
] as const satisfies readonly (keyof PlanTask)[];

export function differenceOf(before: Plan, after: Plan): Difference {
  const common = after.tasks.flatMap((task) => {
    const was = taskOf(before, task.key);
    return was === undefined ? [] : [{ before: was, after: task, fields: fieldsThatDiffer(was, task) }];
  });
  const keysBefore = before.tasks.map((task) => task.key).filter((key) => taskOf(after, key) !== undefined);
  return {
    added: after.tasks.filter((task) => taskOf(before, task.key) === undefined),
    removed: before.tasks.filter((task) => taskOf(after, task.key) === undefined),
    changed: common.filter(({ fields }) => fields.length > 0),
    isReordered: keysBefore.some((key, index) => key !== common[index]?.after.key),
    approach: before.approach === after.approach ? null : after.approach,
  };
}

function fieldsThatDiffer(before: PlanTask, after: PlanTask): readonly string[] {
  return FIELDS.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
}
