/** Plans as a person edits them in tests. */

import type { Plan, PlanTask } from '../../src/plan/plan.ts';
import { planTask } from './plans.ts';

export function taskNamed(key: string, fields: Partial<PlanTask> = {}): PlanTask {
  return planTask(key, { description: '', role: 'backend-systems-engineer', ...fields });
}

/** `{ api: ['db'] }`: what waits for what. */
export function samplePlan(dependencies: Readonly<Record<string, readonly string[]>>): Plan {
  const tasks = Object.entries(dependencies).map(([key, dependsOn]) => taskNamed(key, { dependsOn }));
  return { goal: 'Build a task management app', planner: 'heuristic', approach: 'Step by step.', tasks };
}

/** The dependencies of a plan, as `samplePlan` takes them. */
export function dependenciesOf(plan: Plan): Record<string, readonly string[]> {
  return Object.fromEntries(plan.tasks.map((task) => [task.key, task.dependsOn]));
}
