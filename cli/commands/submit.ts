/** `submit`: queues one task, or a batch of them, all or none. */

import { usageError } from '../../src/errors.ts';
import { checkRole, DEFAULT_ROLE } from '../../src/roles/catalogue.ts';
import { sanitiseLine } from '../../src/sanitise.ts';
import type { NewTask, TaskRecord } from '../../src/state/records.ts';
import type { State } from '../../src/state/state.ts';
import { titleOf } from '../../src/tasks/slug.ts';
import type { Priority } from '../../src/types.ts';
import type { Context } from '../context.ts';
import { readInput } from '../input.ts';
import { DESCRIPTION_LIMIT, problemOf } from '../new-task.ts';
import type { SubmitOptions } from '../options.ts';
import { taskJsonOf } from '../render/json.ts';
import { tableOf } from '../render/text.ts';

const BATCH_LIMIT = 64 * 1024 ** 2;

export async function submit(context: Context, options: SubmitOptions): Promise<number> {
  const wanted = options.batch === null ? await single(context, options) : await batch(context, options, options.batch);
  if (options.dryRun) return dryRun(context, wanted);
  const state = await context.state();
  const added = state.addTasks(wanted);
  if (context.json) context.printJson({ tasks: added.map((task) => taskJsonOf(state, task, false)) });
  else context.print(await report(added));
  return 0;
}

async function single(context: Context, options: SubmitOptions): Promise<NewTask[]> {
  if (options.description !== null && options.file !== null) {
    throw usageError('BAD_USAGE', 'give the description either as an argument or with --file');
  }
  const description =
    options.file === null ? options.description : await readInput(context, options.file, DESCRIPTION_LIMIT);
  const task = taskFrom({ ...options, description: description ?? '' });
  const resolve = resolverOf(await context.readState());
  return [{ ...task, dependsOn: options.dependsOn.map(resolve) }];
}

interface TypedTask {
  readonly description: string;
  readonly title: string | null;
  readonly agent: string | null;
  readonly priority: Priority;
}

/** The task that was typed, checked; usage errors BAD_DESCRIPTION and UNKNOWN_ROLE. */
export function taskFrom(typed: TypedTask): NewTask {
  const task = {
    title: (typed.title ?? '').trim() || titleOf(typed.description),
    description: typed.description,
    agent: checkRole(typed.agent ?? DEFAULT_ROLE),
    priority: typed.priority,
  };
  const problem = problemOf(task);
  if (problem !== null) throw usageError('BAD_DESCRIPTION', problem, { hint: 'orchestrate submit "<what to do>"' });
  return { ...task, dependsOn: [] };
}

async function batch(context: Context, options: SubmitOptions, file: string): Promise<NewTask[]> {
  const alone = [options.description, options.file, options.title, options.agent].every((value) => value === null);
  if (!alone || options.dependsOn.length > 0) {
    const others = 'leave out the description, --file, --title, --agent and --depends-on';
    throw usageError('BAD_USAGE', `--batch takes everything from its file; ${others}`);
  }
  const { parseBatch, refuseProblems, resolveDependencies } = await import('./submit-batch.ts');
  const { drafts, problems } = parseBatch(await readInput(context, file, BATCH_LIMIT), options.priority);
  const name = file === '-' ? 'standard input' : file;
  // With problems at hand a missing repository is not the news; without, it is.
  const state = await context.readState().catch((error) => {
    refuseProblems(name, problems);
    throw error;
  });
  const resolved = resolveDependencies(drafts, resolverOf(state));
  refuseProblems(name, [...problems, ...resolved.problems]);
  return resolved.tasks;
}

/** From what was typed to the id of a task that is in the state; throws UNKNOWN_TASK and AMBIGUOUS_ID. */
function resolverOf(state: State | null): (typed: string) => string {
  return (typed) => {
    if (state !== null) return state.resolveTask(typed);
    throw usageError('UNKNOWN_TASK', `There is no task ${typed}.`, { hint: 'Nothing was queued here yet.' });
  };
}

/** Says what would be queued; writes nothing. */
async function dryRun(context: Context, wanted: readonly NewTask[]): Promise<number> {
  // What a run would need is told here already.
  await context.repository();
  if (context.json) {
    context.printJson({ dryRun: true, tasks: wanted });
    return 0;
  }
  const rows = wanted.map((task) => [
    task.priority,
    task.agent,
    sanitiseLine(task.title),
    task.dependsOn.map(sanitiseLine).join(', '),
  ]);
  context.print(`Would queue:\n${await tableOf([['PRIORITY', 'AGENT', 'TITLE', 'DEPENDS ON'], ...rows])}`);
  return 0;
}

async function report(added: readonly TaskRecord[]): Promise<string> {
  const next = 'Next: orchestrate run   (what runs: orchestrate run --dry-run; the queue: orchestrate status)\n';
  if (added.length > 1) {
    const rows = added.map((task) => [`  ${task.id}`, task.state, sanitiseLine(task.reason ?? '')]);
    return `Queued ${added.length} tasks:\n${await tableOf(rows)}${next}`;
  }
  const [task] = added;
  const why = task?.reason ? ` (${sanitiseLine(task.reason)})` : '';
  return `Queued ${task?.id ?? ''}${why}\n${next}`;
}
