/** `submit --batch`: one task a line as JSON; every problem of every line is told, with its number. */

import { z } from 'zod';
import { OrchestrateError, usageError } from '../../src/errors.ts';
import { planTaskSchema } from '../../src/plan/plan.ts';
import type { NewTask } from '../../src/state/records.ts';
import { titleOf } from '../../src/tasks/slug.ts';
import { PRIORITIES, type Priority } from '../../src/types.ts';
import { problemOf } from '../new-task.ts';
import type { RoleOf } from '../role-of.ts';

const batchLine = z.strictObject({
  title: z.string().trim().optional(),
  description: z.string(),
  agent: z.string().optional(),
  priority: z.enum(PRIORITIES).optional(),
  dependsOn: z.array(z.string().min(1)).optional(),
  key: z.string().min(1).optional(),
  files: planTaskSchema.shape.files,
  size: planTaskSchema.shape.size,
});

const MAX_PROBLEMS = 50;

/** A task and the line it stands on, from 1. */
export interface Draft {
  readonly task: NewTask;
  readonly line: number;
}

export interface BatchProblem {
  readonly line: number;
  readonly message: string;
}

/** The tasks of a batch file's text, dependencies as written, and the problems, those of `roleOf` too; empty lines are skipped. */
export async function parseBatch(
  text: string,
  priority: Priority,
  roleOf: RoleOf,
): Promise<{ readonly drafts: readonly Draft[]; readonly problems: readonly BatchProblem[] }> {
  const drafts: Draft[] = [];
  const problems: BatchProblem[] = [];
  const keys = new Map<string, number>();
  for (const [index, written] of text.split('\n').entries()) {
    if (written.trim() === '') continue;
    const line = index + 1;
    const parsed = await parseLine(written, priority, roleOf);
    problems.push(...parsed.problems.map((message) => ({ line, message })));
    if (parsed.task === null) continue;
    drafts.push({ task: parsed.task, line });
    const { key } = parsed.task;
    const earlier = key === undefined ? undefined : keys.get(key);
    if (earlier !== undefined) problems.push({ line, message: `the key "${key}" is that of line ${earlier} already` });
    else if (key !== undefined) keys.set(key, line);
  }
  if (drafts.length === 0 && problems.length === 0) problems.push({ line: 1, message: 'there is no task in it' });
  return { drafts, problems };
}

/** Dependencies that are no keys of the batch become ids by `resolve`; what it throws is a problem of that line. */
export function resolveDependencies(
  drafts: readonly Draft[],
  resolve: (typed: string) => string,
): { readonly tasks: NewTask[]; readonly problems: readonly BatchProblem[] } {
  const problems: BatchProblem[] = [];
  const keys = new Set(drafts.map((draft) => draft.task.key));
  const tasks = drafts.map(({ task, line }) => {
    const dependsOn = task.dependsOn.map((name) => {
      if (keys.has(name)) return name;
      try {
        return resolve(name);
      } catch (error) {
        if (!(error instanceof OrchestrateError)) throw error;
        problems.push({ line, message: `dependsOn: ${error.message}` });
        return name;
      }
    });
    return { ...task, dependsOn };
  });
  return { tasks, problems };
}

/** Throws usage `BAD_BATCH` with all problems in the order of their lines; does nothing without any. */
export function refuseProblems(file: string, problems: readonly BatchProblem[]): void {
  if (problems.length === 0) return;
  const lines = [...problems].sort((a, b) => a.line - b.line).map(({ line, message }) => `${file}:${line}: ${message}`);
  throw usageError('BAD_BATCH', messageOf(lines), { hint: 'nothing was queued' });
}

async function parseLine(
  written: string,
  priority: Priority,
  roleOf: RoleOf,
): Promise<{ readonly task: NewTask | null; readonly problems: readonly string[] }> {
  let value: unknown;
  try {
    value = JSON.parse(written);
  } catch {
    return { task: null, problems: ['not JSON'] };
  }
  const parsed = batchLine.safeParse(value);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) =>
      [issue.path.map(String).join('.'), issue.message].filter(Boolean).join(': '),
    );
    return { task: null, problems };
  }
  const { data } = parsed;
  try {
    const { description } = data;
    const title = data.title || titleOf(description);
    const task: NewTask = {
      title,
      description,
      ...(await roleOf(
        { title, description, ...(data.files === undefined ? {} : { files: data.files }) },
        data.agent ?? null,
      )),
      priority: data.priority ?? priority,
      dependsOn: data.dependsOn ?? [],
      files: data.files,
      size: data.size,
      ...(data.key === undefined ? {} : { key: data.key }),
    };
    const problem = problemOf(task);
    return { task, problems: problem === null ? [] : [problem] };
  } catch (error) {
    if (!(error instanceof OrchestrateError)) throw error;
    return { task: null, problems: [error.message] };
  }
}

function messageOf(problems: readonly string[]): string {
  if (problems.length === 1) return problems.join('');
  const more = problems.length - MAX_PROBLEMS;
  const shown = more > 0 ? [...problems.slice(0, MAX_PROBLEMS), `and ${more} more`] : problems;
  return [`${problems.length} problems in the batch`, ...shown].join('\n');
}
