/** Plans as the state keeps them: whoever reads one parses it again, since people and other versions wrote it. */

import { z } from 'zod';
import { failure } from '../errors.ts';
import type { NewTask, PlanRecord } from '../state/records.ts';
import type { State } from '../state/state.ts';
import { type Plan, planSchema, taskText } from './plan.ts';

export interface StoredPlan extends Omit<PlanRecord, 'document'> {
  readonly plan: Plan;
}

/** @throws OrchestrateError usage UNKNOWN_PLAN, failure PLAN_UNREADABLE */
export function loadPlan(state: State, id: string): StoredPlan {
  return parsed(state.plan(id));
}

/** @throws failure PLAN_UNREADABLE */
export function parsed({ document, ...record }: PlanRecord): StoredPlan {
  const result = planSchema.safeParse(document);
  if (result.success) return { ...record, plan: result.data };
  throw failure('PLAN_UNREADABLE', `the plan ${record.id} cannot be read: ${z.prettifyError(result.error)}`);
}

/** What its tasks are queued as. */
export function tasksOf(plan: Plan): NewTask[] {
  return plan.tasks.map((task) => ({
    key: task.key,
    title: task.title,
    description: taskText(task),
    agent: task.role,
    routing: task.roleReason,
    priority: task.priority,
    dependsOn: task.dependsOn,
    files: task.files,
    size: task.size,
  }));
}
