/**
 * Answers of models, which may hold anything: their form for services that keep to one, and the way from their text to a plan
 * that code has checked. What cannot be used is said in words, for the model to mend once and for people after that.
 */

import { z } from 'zod';
import { failure, type OrchestrateError } from '../errors.ts';
import { sanitise, sanitiseLine } from '../sanitise.ts';
import { PRIORITIES, TASK_SIZES } from '../types.ts';
import { problemsOf } from './graph.ts';
import { MAX_TASKS, type Plan, type PlanTask, planSchema } from './plan.ts';
import type { Ground, Reply } from './planner.ts';

/** A longer answer is not read at all. */
const MAX_ANSWER_BYTES = 2 * 1024 * 1024;
const MAX_REPLY = 20_000;
/** Of the problems, so many are told, each up to so many characters. */
const MAX_PROBLEMS = 20;
const MAX_PROBLEM = 300;
/** A text has no more beginnings of objects worth trying. */
const MAX_STARTS = 50;

const CHOSEN = 'chosen by the planner';

export type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly string[] };

/** What a model gave. */
export interface Answer {
  readonly text: string;
  /** It had to end because it may not be longer. */
  readonly isCut: boolean;
}

/** An answer that cannot be used, and why. */
export interface Repair {
  readonly answer: string;
  readonly problems: readonly string[];
}

/** JSON Schemas of the three kinds of answers: plain types, every field required, as all services' own checks take them. */
export type Form = 'plan' | 'reply' | 'pieces';

export function formOf(form: Form, roles: readonly string[]): Readonly<Record<string, unknown>> {
  const text = z.string();
  const tasks = z.array(
    z.strictObject({
      key: text.describe('a-z, 0-9 and -, at most 40 characters'),
      title: text,
      description: text,
      acceptance: z.array(text),
      role: roles.length === 0 ? text : z.enum(roles),
      priority: z.enum(PRIORITIES),
      dependsOn: z.array(text).describe('keys of other tasks'),
      files: z.array(text).describe('paths of the repository'),
      size: z.enum(TASK_SIZES),
    }),
  );
  const plan = z.strictObject({ approach: text, tasks });
  const shapes = {
    plan,
    reply: z.strictObject({ text, plan: plan.nullable() }),
    pieces: z.strictObject({ reason: text.describe('why it cannot be split; else empty'), tasks }),
  } as const;
  const { $schema: _dialect, ...schema } = z.toJSONSchema(shapes[form]);
  return schema;
}

/**
 * Asks, and once more with what was wrong where the answer cannot be used.
 * @throws failure PLAN_REFUSED with what is wrong with the second answer
 */
export async function repairedOnce<T>(
  ask: (repair: Repair | null) => Promise<Answer>,
  read: (text: string) => Read<T>,
): Promise<T> {
  const attempt = async (repair: Repair | null): Promise<{ answer: string; result: Read<T> }> => {
    const { text, isCut } = await ask(repair);
    const result = read(text);
    if (result.ok || !isCut) return { answer: text, result };
    const cut = 'the answer was cut off, because it was longer than an answer may be: fewer or shorter tasks would do';
    return { answer: text, result: { ok: false, problems: [cut] } };
  };
  const first = await attempt(null);
  if (first.result.ok) return first.result.value;
  const second = await attempt({ answer: first.answer, problems: first.result.problems });
  if (second.result.ok) return second.result.value;
  throw refused(second.result.problems);
}

function refused(problems: readonly string[]): OrchestrateError {
  const [only] = problems;
  const what = problems.length === 1 ? ` ${only}` : `\n${problems.map((problem) => `- ${problem}`).join('\n')}`;
  return failure('PLAN_REFUSED', `the planner's answer was refused, also after it was told why:${what}`, {
    hint: 'try again, or put the goal into other words; --engine demo plans by rules, without a model',
  });
}

/** A whole plan. */
export function readPlan(text: string, at: Expected): Read<Plan> {
  const found = objectIn(text, 'tasks');
  return 'problems' in found ? bad(found.problems) : planOf(found.object, at, null);
}

/** `before`: the plan that its own takes the place of; what that says of a task's role stays while the role does. */
export function readReply(text: string, at: Expected, before: Plan): Read<Reply> {
  const found = objectIn(text, 'text');
  if ('problems' in found) return bad(found.problems);
  const parsed = z.strictObject({ text: z.string(), plan: z.unknown().optional() }).safeParse(found.object);
  if (!parsed.success) return bad(problemsIn(parsed.error, found.object));
  const said = sanitise(parsed.data.text).trim().slice(0, MAX_REPLY);
  const { plan = null } = parsed.data;
  if (plan === null) return said === '' ? bad(['`text` is empty']) : { ok: true, value: { text: said, plan: null } };
  const read = planOf(plan, at, before);
  return read.ok ? { ok: true, value: { text: said, plan: read.value } } : read;
}

/** The pieces of a task; none, with the reason, where it cannot be split. */
export function readPieces(text: string, at: Expected, { plan, task }: { plan: Plan; task: PlanTask }): Read<Pieces> {
  const found = objectIn(text, 'tasks');
  if ('problems' in found) return bad(found.problems);
  const parsed = z
    .strictObject({ reason: z.string().default(''), tasks: z.array(z.unknown()) })
    .safeParse(found.object);
  if (!parsed.success) return bad(problemsIn(parsed.error, found.object));
  const reason = sanitiseLine(parsed.data.reason).slice(0, MAX_PROBLEM);
  if (parsed.data.tasks.length === 0) return { ok: true, value: { tasks: [], reason } };
  if (parsed.data.tasks.length === 1) return bad(['one task is no split: give at least two, or none']);
  const pieces = tasksOf({ approach: '', tasks: parsed.data.tasks }, at, null);
  if (!pieces.ok) return pieces;
  const { tasks } = pieces.value;
  const others = plan.tasks.filter(({ key }) => key !== task.key);
  const taken = tasks.filter(({ key }) => plan.tasks.some((other) => other.key === key));
  const known = new Set([...tasks.map(({ key }) => key), ...task.dependsOn]);
  const strange = tasks.flatMap(({ key, dependsOn }) =>
    dependsOn.filter((on) => !known.has(on)).map((on) => [key, on]),
  );
  const problems = [
    ...taken.map(({ key }) => `the key ${key} is taken in the plan: pieces need new ones`),
    ...strange.map(([key, on]) => `${key} depends on ${on}, which is neither a piece nor what ${task.key} depends on`),
  ];
  if (problems.length > 0) return bad(problems);
  const keys = tasks.map(({ key }) => key);
  const after = others.map((other) => ({
    ...other,
    dependsOn: other.dependsOn.flatMap((on) => (on === task.key ? keys : [on])),
  }));
  const whole = checked({ ...plan, tasks: [...after, ...tasks] }, at);
  return whole.ok ? { ok: true, value: { tasks, reason } } : whole;
}

export interface Pieces {
  readonly tasks: readonly PlanTask[];
  readonly reason: string;
}

/** What answers are held against. */
export interface Expected extends Pick<Ground, 'goal' | 'roles'> {
  /** Name of the planner, as plans have it. */
  readonly planner: string;
}

function planOf(value: unknown, at: Expected, before: Plan | null): Read<Plan> {
  const read = tasksOf(value, at, before);
  return read.ok ? checked(read.value, at) : read;
}

/** The form alone: what stands in the graph is for {@link checked}. */
function tasksOf(value: unknown, { goal, planner }: Expected, before: Plan | null): Read<Plan> {
  const outer = z.strictObject({ approach: z.string().default(''), tasks: z.array(z.unknown()) }).safeParse(value);
  if (!outer.success) return bad(problemsIn(outer.error, value));
  const { approach, tasks } = outer.data;
  if (tasks.length === 0) return bad(['the answer has no tasks']);
  if (tasks.length > MAX_TASKS) {
    return bad([`the answer has ${tasks.length} tasks, and at most ${MAX_TASKS} can be approved`]);
  }
  const told = { goal, planner, approach, tasks: tasks.map((task) => withReason(task, before)) };
  const parsed = planSchema.safeParse(told);
  return parsed.success ? { ok: true, value: parsed.data } : bad(problemsIn(parsed.error, told));
}

/** A model has no say in who chose a role. */
function withReason(task: unknown, before: Plan | null): unknown {
  if (typeof task !== 'object' || task === null) return task;
  const { key, role } = task as { readonly key?: unknown; readonly role?: unknown };
  const same = before?.tasks.find((one) => one.key === key && one.role === role);
  return { ...task, roleReason: same === undefined ? CHOSEN : same.roleReason };
}

function checked(plan: Plan, { roles }: Expected): Read<Plan> {
  const problems = problemsOf(
    plan,
    roles.map(({ name }) => name),
  );
  const errors = problems.filter(({ severity }) => severity === 'error');
  return errors.length === 0 ? { ok: true, value: plan } : bad(errors.map(({ text }) => text));
}

function bad(problems: readonly string[]): { readonly ok: false; readonly problems: readonly string[] } {
  const shown = problems.slice(0, MAX_PROBLEMS).map((problem) => {
    const line = sanitiseLine(problem);
    return line.length <= MAX_PROBLEM ? line : `${line.slice(0, MAX_PROBLEM)}…`;
  });
  const left = problems.length - shown.length;
  return { ok: false, problems: left === 0 ? shown : [...shown, `and ${left} more`] };
}

function problemsIn({ issues }: z.ZodError, value: unknown): readonly string[] {
  return issues.map(({ path, message }) => {
    const [field, at, ...rest] = path;
    if (field !== 'tasks' || typeof at !== 'number') return `${path.join('.') || 'the answer'}: ${message}`;
    const key = keyAt(value, at);
    const where = [key === null ? `task ${at + 1}` : `task ${key}`, ...rest.map(String)].join(' ');
    return `${where}: ${message}`;
  });
}

function keyAt(value: unknown, at: number): string | null {
  const { tasks } = value as { readonly tasks?: readonly { readonly key?: unknown }[] };
  const key = tasks?.[at]?.key;
  return typeof key === 'string' && /^[a-z0-9-]{1,40}$/.test(key) ? key : null;
}

type Found = { readonly object: object } | { readonly problems: readonly string[] };

/** The first JSON object that has the field, else the first at all: programs put fences and words around what they answer. */
function objectIn(text: string, field: string): Found {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_ANSWER_BYTES) {
    return { problems: [`the answer has ${bytes} bytes, and at most ${MAX_ANSWER_BYTES} are read`] };
  }
  let other: object | null = null;
  let isOpen = false;
  let from = text.indexOf('{');
  for (let starts = 0; from >= 0 && starts < MAX_STARTS; starts += 1) {
    const end = endOfObject(text, from);
    const object = end === null ? null : parsedObject(text.slice(from, end));
    if (object !== null && Object.hasOwn(object, field)) return { object };
    other ??= object;
    isOpen ||= end === null;
    from = text.indexOf('{', object === null || end === null ? from + 1 : end);
  }
  if (isOpen && (other === null || /^\s*(```\w*\s*)?\{/.test(text))) {
    return { problems: ['the answer ends in the middle of its JSON object'] };
  }
  return other === null ? { problems: ['the answer holds no JSON object'] } : { object: other };
}

/** Where the object that begins there ends; null: it does not. */
function endOfObject(text: string, from: number): number | null {
  let depth = 0;
  let isQuoted = false;
  for (let at = from; at < text.length; at += 1) {
    const character = text[at];
    if (isQuoted) {
      if (character === '\\') at += 1;
      else if (character === '"') isQuoted = false;
    } else if (character === '"') isQuoted = true;
    else if (character === '{') depth += 1;
    else if (character === '}') {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return null;
}

function parsedObject(text: string): object | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : null;
  } catch {
    return null;
  }
}
