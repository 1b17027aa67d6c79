/** `submit`: queues one task, or a batch of them, all or none. */

import { usageError } from '../../src/errors.ts';
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
import { type RoleOf, roleChooser, roleText } from '../role-of.ts';

const BATCH_LIMIT = 64 * 1024 ** 2;

export async function submit(context: Context, options: SubmitOptions): Promise<number> {
  if (options.decompose) return decomposed(context, options);
  if (Object.keys(options.settings).length > 0) {
    throw usageError(
      'BAD_USAGE',
      `--${Object.keys(options.settings).join(', --')} says who plans: use it with --decompose`,
    );
  }
  const wanted = options.batch === null ? await single(context, options) : await batch(context, options, options.batch);
  if (options.dryRun) return dryRun(context, wanted);
  const state = await context.state();
  const added = state.addTasks(wanted);
  if (context.json) context.printJson({ tasks: added.map((task) => taskJsonOf(state, task, false)) });
  else context.print(await report(added));
  return 0;
}

async function decomposed(context: Context, options: SubmitOptions): Promise<number> {
  if (options.batch !== null) throw usageError('BAD_USAGE', '--batch holds tasks already: leave out --decompose');
  const goal = await descriptionOf(context, options);
  const resolve = resolverOf(await context.knownState());
  const dependsOn = options.dependsOn.map(resolve);
  const { decompose } = await import('./submit-decompose.ts');
  return decompose(context, goal, options, dependsOn);
}

async function descriptionOf(context: Context, options: SubmitOptions): Promise<string> {
  if (options.description !== null && options.file !== null) {
    throw usageError('BAD_USAGE', 'give the description either as an argument or with --file');
  }
  if (options.file !== null) return readInput(context, options.file, DESCRIPTION_LIMIT);
  return options.description ?? '';
}

async function single(context: Context, options: SubmitOptions): Promise<NewTask[]> {
  const description = await descriptionOf(context, options);
  const task = await taskFrom({ ...options, description }, roleChooser(context));
  const resolve = resolverOf(await context.knownState());
  return [{ ...task, dependsOn: options.dependsOn.map(resolve) }];
}

interface TypedTask {
  readonly description: string;
  readonly title: string | null;
  readonly agent: string | null;
  readonly priority: Priority;
}

/** The task that was typed, checked; usage errors BAD_DESCRIPTION, and those of `roleOf`. */
export async function taskFrom(typed: TypedTask, roleOf: RoleOf): Promise<NewTask> {
  const { description, priority } = typed;
  const title = (typed.title ?? '').trim() || titleOf(description);
  const task = { title, description, ...(await roleOf({ title, description }, typed.agent)), priority };
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
  const text = await readInput(context, file, BATCH_LIMIT);
  const { drafts, problems } = await parseBatch(text, options.priority, roleChooser(context));
  const name = file === '-' ? 'standard input' : file;
  // With problems at hand a missing repository is not the news; without, it is.
  const state = await context.knownState().catch((error) => {
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
    context.printJson({
      dryRun: true,
      tasks: wanted.map(({ routing, ...task }) => ({ ...task, agentReason: routing })),
    });
    return 0;
  }
  const rows = wanted.map((task) => [
    task.priority,
    roleText(task),
    sanitiseLine(task.title),
    task.dependsOn.map(sanitiseLine).join(', '),
  ]);
  context.print(`Would queue:\n${await tableOf([['PRIORITY', 'AGENT', 'TITLE', 'DEPENDS ON'], ...rows])}`);
  return 0;
}

async function report(added: readonly TaskRecord[]): Promise<string> {
  const next = 'Next: orchestrate run   (what runs: orchestrate run --dry-run; the queue: orchestrate status)\n';
  if (added.length > 1) {
    const rows = added.map((task) => [`  ${task.id}`, task.state, roleText(task), sanitiseLine(task.reason ?? '')]);
    return `Queued ${added.length} tasks:\n${await tableOf(rows)}${next}`;
  }
  const [task] = added;
  const why = task?.reason ? ` (${sanitiseLine(task.reason)})` : '';
  return `Queued ${task?.id ?? ''}${why}\n${task === undefined ? '' : `Role: ${roleText(task)}\n`}${next}`;
}
