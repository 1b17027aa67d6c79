/** A plan as data: what was asked, and the tasks that do it. Written by planners and by people, so parsed at every edge. */

import { z } from 'zod';
import { sanitise, sanitiseLine } from '../sanitise.ts';
import { PRIORITIES, type Priority, TASK_SIZES, type TaskSize } from '../types.ts';

/** A plan with more is refused: nobody could read it before saying yes. */
export const MAX_TASKS = 500;
export const MAX_GOAL = 20_000;
const MAX_TITLE = 200;
const MAX_DESCRIPTION = 20_000;
const MAX_ITEMS = 50;
const MAX_ITEM = 1_000;

export interface PlanTask {
  /** Names it within its plan: `[a-z0-9-]`, at most 40 characters. */
  readonly key: string;
  readonly title: string;
  readonly description: string;
  /** What must be true when it is done, one sentence each. */
  readonly acceptance: readonly string[];
  readonly role: string;
  /** Who or what chose the role. */
  readonly roleReason: string | null;
  readonly priority: Priority;
  /** Keys of the same plan. */
  readonly dependsOn: readonly string[];
  /** Files that it will probably touch: paths of the repository, `dir/` for all below, `*` and `**` as in globs. */
  readonly files: readonly string[];
  readonly size: TaskSize;
}

export interface Plan {
  readonly goal: string;
  /** Who made it: `heuristic`, `api`, `claude`, `codex`, `import`. */
  readonly planner: string;
  /** One paragraph: how the goal is reached. */
  readonly approach: string;
  readonly tasks: readonly PlanTask[];
}

const line = (most: number) =>
  z
    .string()
    .transform(sanitiseLine)
    .pipe(z.string().min(1, 'is empty').max(most, `is longer than ${most} characters`));
const paragraph = (most: number) =>
  z
    .string()
    .transform((text) => sanitise(text).trim())
    .pipe(z.string().max(most, `is longer than ${most} characters`));
const listOfLines = z.array(line(MAX_ITEM)).max(MAX_ITEMS, `has more than ${MAX_ITEMS} items`);
const key = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/, 'expected a-z, 0-9 and -, at most 40 characters');

/** One task as planners, imported files and the state have it; what is left out has a default. Anything else is refused. */
export const planTaskSchema = z.strictObject({
  key,
  title: line(MAX_TITLE),
  description: paragraph(MAX_DESCRIPTION).default(''),
  acceptance: listOfLines.default([]),
  role: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'expected the name of a role'),
  roleReason: paragraph(MAX_ITEM).nullable().default(null),
  priority: z.enum(PRIORITIES).default('normal'),
  dependsOn: z.array(key).max(MAX_TASKS).default([]),
  files: listOfLines.default([]),
  size: z.enum(TASK_SIZES).default('medium'),
});

export const planSchema = z.strictObject({
  goal: paragraph(MAX_GOAL).pipe(z.string().min(1, 'is empty')),
  planner: z.string().max(64).default('import'),
  approach: paragraph(MAX_DESCRIPTION).default(''),
  tasks: z.array(planTaskSchema).max(MAX_TASKS, `has more than ${MAX_TASKS} tasks, more than anybody can approve`),
});

/** What an agent is told: the description and below it what must be true in the end. */
export function taskText(task: PlanTask): string {
  const parts = [task.description === '' ? task.title : task.description];
  if (task.acceptance.length > 0) {
    parts.push(`Done when\n${task.acceptance.map((item) => `- ${item}`).join('\n')}`);
  }
  if (task.files.length > 0) parts.push(`Probably in: ${task.files.join(', ')}`);
  return parts.join('\n\n');
}
