/** Every change that a person makes to a plan, as a function of it. What comes out can be stored: no unknown dependency, no cycle. */

import { z } from 'zod';
import { idMaker } from '../tasks/slug.ts';
import { PRIORITIES, type Priority, type TaskSize } from '../types.ts';
import { type Plan, type PlanTask, planSchema } from './plan.ts';

/** The changed plan, what to call the change (`split build-frontend`) and the task to look at next; or why not, in words. */
export type Edited =
  | { readonly plan: Plan; readonly change: string; readonly select: string | null }
  | { readonly refused: string };

/** What `setField` can set. */
export type Fields = Partial<Omit<PlanTask, 'key' | 'dependsOn'>>;

/** A new task after the one of the key `after` (null: at the end); its own key is the slug of its title. */
export function addTask(
  plan: Plan,
  task: Pick<PlanTask, 'title' | 'role' | 'roleReason'>,
  after: string | null,
): Edited {
  const key = keyMaker(plan)(task.title, plan.tasks.length + 1);
  const added: PlanTask = {
    ...{ key, title: task.title, description: '', acceptance: [], role: task.role, roleReason: task.roleReason },
    ...{ priority: 'normal', dependsOn: [], files: [], size: 'medium' },
  };
  const at = after === null ? -1 : indexOf(plan, after);
  const index = at < 0 ? plan.tasks.length : at + 1;
  return checked({ ...plan, tasks: plan.tasks.toSpliced(index, 0, added) }, `add ${key}`, key);
}

export function setField(plan: Plan, key: string, fields: Fields): Edited {
  if (taskOf(plan, key) === undefined) return unknown(key);
  const change = `edit ${Object.keys(fields)
    .filter((name) => name !== 'roleReason')
    .join(', ')} of ${key}`;
  return checked(
    withTask(plan, key, (task) => ({ ...task, ...fields })),
    change,
    key,
  );
}

/** To the next priority: normal, high, low and again. */
export function turnPriority(plan: Plan, key: string): Edited {
  return setField(plan, key, { priority: NEXT_PRIORITY[taskOf(plan, key)?.priority ?? 'normal'] });
}

const NEXT_PRIORITY: Readonly<Record<Priority, Priority>> = { normal: 'high', high: 'low', low: 'normal' };

/** What depended on it depends on what it depended on. */
export function removeTask(plan: Plan, key: string): Edited {
  const index = indexOf(plan, key);
  const gone = plan.tasks[index];
  if (gone === undefined) return unknown(key);
  const tasks = plan.tasks
    .filter((task) => task.key !== key)
    .map((task) => {
      // A plan from a file may still have a circle: then it would inherit itself.
      const inherited = gone.dependsOn.filter((on) => on !== task.key);
      return { ...task, dependsOn: replaced(task.dependsOn, [key], inherited) };
    });
  return checked({ ...plan, tasks }, `remove ${key}`, tasks[Math.min(index, tasks.length - 1)]?.key ?? null);
}

/**
 * Others in the place of a task. Their dependencies are among themselves and those of the task; a piece without one
 * inherits the task's. What depended on the task depends on all pieces that no other piece waits for.
 */
export function replaceTask(plan: Plan, key: string, pieces: readonly PlanTask[]): Edited {
  const index = indexOf(plan, key);
  const whole = plan.tasks[index];
  if (whole === undefined) return unknown(key);
  if (pieces.length < 2) return { refused: 'A task is split into two or more.' };
  const own = pieces.map((piece) => piece.key);
  const others = plan.tasks.filter((task) => task.key !== key);
  if (new Set([...own, ...others.map((task) => task.key)]).size < own.length + others.length) {
    return { refused: 'Two of the tasks would have the same name.' };
  }
  const known = new Set([...own, ...whole.dependsOn]);
  const placed = pieces.map((piece) => {
    const dependsOn = unique(piece.dependsOn).filter((on) => known.has(on) && on !== piece.key);
    return { ...piece, dependsOn: dependsOn.length === 0 ? whole.dependsOn : dependsOn };
  });
  if (
    own.some((name) =>
      placed.some((piece) => piece.dependsOn.includes(name) && reaches({ ...plan, tasks: placed }, name, piece.key)),
    )
  ) {
    return { refused: 'The pieces would wait for each other in a circle.' };
  }
  const awaited = new Set(placed.flatMap((piece) => piece.dependsOn));
  const last = own.filter((name) => !awaited.has(name));
  const tasks = plan.tasks.flatMap((task) =>
    task.key === key ? placed : [{ ...task, dependsOn: replaced(task.dependsOn, [key], last) }],
  );
  return checked({ ...plan, tasks }, `split ${key}`, own[0] ?? null);
}

/** By hand: one title for each piece. What must be true in the end is left to the last of a sequence, to all that are parallel. */
export function splitTask(plan: Plan, key: string, titles: readonly string[], order: 'sequence' | 'parallel'): Edited {
  const whole = taskOf(plan, key);
  if (whole === undefined) return unknown(key);
  const nameOf = keyMaker(plan);
  const keys = titles.map((title, index) => nameOf(title, plan.tasks.length + index + 1));
  const pieces = titles.map((title, index): PlanTask => {
    const before = index === 0 || order === 'parallel' ? undefined : keys[index - 1];
    const isLast = order === 'parallel' || index === titles.length - 1;
    return {
      ...whole,
      ...{ key: keys[index] ?? title, title, size: SMALLER[whole.size] },
      description: [title, `Part of: ${whole.title}`, whole.description].filter((text) => text !== '').join('\n\n'),
      acceptance: isLast ? whole.acceptance : [],
      dependsOn: before === undefined ? whole.dependsOn : [before],
    };
  });
  return replaceTask(plan, key, pieces);
}

const SMALLER: Readonly<Record<TaskSize, TaskSize>> = { large: 'medium', medium: 'small', small: 'small' };

/** One task that is all of these, at the place and under the name of the first; both texts are kept. */
export function mergeTasks(plan: Plan, keys: readonly string[]): Edited {
  const merged = plan.tasks.filter((task) => keys.includes(task.key));
  const [first, ...rest] = merged;
  if (first === undefined || rest.length === 0) return { refused: 'Merging needs two tasks or more.' };
  const names = merged.map((task) => task.key);
  const outside = unique(merged.flatMap((task) => task.dependsOn)).filter((key) => !names.includes(key));
  const between = outside.find((key) => names.some((name) => reaches(plan, key, name)));
  if (between !== undefined) {
    return {
      refused: `${numbered(plan, between)} stands between them: merge it as well, or change what it depends on.`,
    };
  }
  const whole: PlanTask = {
    ...first,
    title: shortened(merged.map((task) => task.title).join('; ')),
    description: merged.map((task) => (task.description === '' ? task.title : task.description)).join('\n\n'),
    acceptance: unique(merged.flatMap((task) => task.acceptance)),
    files: unique(merged.flatMap((task) => task.files)),
    dependsOn: outside,
    priority: PRIORITIES.find((one) => merged.some((task) => task.priority === one)) ?? first.priority,
    size: merged.some((task) => task.size !== 'small') || merged.length > 2 ? 'large' : 'medium',
  };
  const tasks = plan.tasks
    .filter((task) => task.key === first.key || !names.includes(task.key))
    .map((task) =>
      task.key === first.key ? whole : { ...task, dependsOn: replaced(task.dependsOn, names, [first.key]) },
    );
  return checked({ ...plan, tasks }, `merge ${names.join(', ')}`, first.key);
}

/** `by` places down (negative: up), at most to the end. Order is what agents take first among equals. */
export function moveTask(plan: Plan, key: string, by: number): Edited {
  const from = indexOf(plan, key);
  const task = plan.tasks[from];
  if (task === undefined) return unknown(key);
  const to = Math.max(0, Math.min(plan.tasks.length - 1, from + by));
  if (to === from) return { refused: by < 0 ? 'It is the first already.' : 'It is the last already.' };
  return checked({ ...plan, tasks: plan.tasks.toSpliced(from, 1).toSpliced(to, 0, task) }, `move ${key}`, key);
}

export function setDependencies(plan: Plan, key: string, dependsOn: readonly string[]): Edited {
  if (taskOf(plan, key) === undefined) return unknown(key);
  if (dependsOn.includes(key)) return { refused: 'A task cannot wait for itself.' };
  const missing = dependsOn.find((on) => taskOf(plan, on) === undefined);
  if (missing !== undefined) return unknown(missing);
  const circle = dependsOn.find((on) => reaches(plan, on, key));
  if (circle !== undefined) {
    return { refused: `${numbered(plan, circle)} already waits for ${numbered(plan, key)}: that would be a circle.` };
  }
  const changed = withTask(plan, key, (task) => ({ ...task, dependsOn: unique(dependsOn) }));
  return checked(changed, `dependencies of ${key}`, key);
}

export function taskOf(plan: Plan, key: string): PlanTask | undefined {
  return plan.tasks.find((task) => task.key === key);
}

/** Names for new tasks of a plan. */
function keyMaker(plan: Plan): (title: string, seq: number) => string {
  const taken = new Set(plan.tasks.map((task) => task.key));
  return idMaker((key) => taken.has(key));
}

/** `3 Build the API`, as people see it in the list. */
function numbered(plan: Plan, key: string): string {
  const index = indexOf(plan, key);
  return `${index + 1} (${plan.tasks[index]?.title ?? key})`;
}

function indexOf(plan: Plan, key: string): number {
  return plan.tasks.findIndex((task) => task.key === key);
}

function unknown(key: string): Edited {
  return { refused: `There is no task ${key} any more.` };
}

function withTask(plan: Plan, key: string, change: (task: PlanTask) => PlanTask): Plan {
  return { ...plan, tasks: plan.tasks.map((task) => (task.key === key ? change(task) : task)) };
}

/** `list` with `by` in the place of what of `out` is in it. */
function replaced(list: readonly string[], out: readonly string[], by: readonly string[]): readonly string[] {
  return list.some((key) => out.includes(key)) ? unique([...list.filter((key) => !out.includes(key)), ...by]) : list;
}

function unique(list: readonly string[]): string[] {
  return [...new Set(list)];
}

/** Whether `from` waits for `to`, at whatever distance (or is it). */
function reaches(plan: Plan, from: string, to: string): boolean {
  const tasks = new Map(plan.tasks.map((task) => [task.key, task]));
  const seen = new Set<string>();
  const open = [from];
  for (let key = open.pop(); key !== undefined; key = open.pop()) {
    if (key === to) return true;
    if (seen.has(key)) continue;
    seen.add(key);
    open.push(...(tasks.get(key)?.dependsOn ?? []));
  }
  return false;
}

function shortened(title: string): string {
  return title.length <= 200 ? title : `${title.slice(0, 199).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/** Nothing that could not be read again is ever stored. */
function checked(plan: Plan, change: string, select: string | null): Edited {
  const result = planSchema.safeParse(plan);
  if (result.success) return { plan: result.data, change, select };
  const [issue] = result.error.issues;
  const where = issue?.path.filter((part) => typeof part === 'string' && part !== 'tasks').join('.') ?? '';
  return { refused: `${where} ${issue?.message ?? z.prettifyError(result.error)}`.trim() };
}
