/** All tasks at one moment, as data and as text. Must stay quick with 10,000 tasks. */

import { sanitiseLine } from '../src/sanitise.ts';
import type { Conflict } from '../src/state/forecasts.ts';
import type { TaskSummary } from '../src/state/records.ts';
import type { State } from '../src/state/state.ts';
import { byTurn } from '../src/tasks/work-order.ts';
import { type AttemptId, NO_USAGE, TASK_STATES, type TaskState } from '../src/types.ts';
import { conflictLine, conflictsById } from './conflicts.ts';
import { liveRun } from './live-run.ts';
import { runJson, type TaskJson, type TaskPatchJson, taskJson } from './render/json.ts';
import { age, type Colours, colourOfTask, cost, tableOf } from './render/text.ts';

/** What `--json` prints, its tasks in the order of adding. */
export interface StatusJson {
  /** `waits`: why it starts nothing just now, or nothing more. */
  readonly run: (ReturnType<typeof runJson> & { readonly waits: string | null }) | null;
  readonly counts: Readonly<Record<TaskState, number>>;
  readonly tasks: readonly TaskJson[];
  /** Results, of agents at work too, that will not merge with each other. */
  readonly conflicts: readonly Conflict[];
}

export interface Status {
  readonly json: StatusJson;
  /** Of the same tasks, in the same order. */
  readonly summaries: readonly TaskSummary[];
}

/** All of it at one moment. Null: nothing was ever queued. */
export function statusOf(state: State | null): Status {
  if (state === null) return { json: { run: null, counts: countsOf([]), tasks: [], conflicts: [] }, summaries: [] };
  const run = liveRun(state);
  const standstill = run === null ? null : state.standstillOf(run.id);
  const attempts = state.newestAttempts();
  const usage = state.usageByTask();
  const patches = new Map(state.patches().map((patch) => [patch.task, patch]));
  const summaries = state.summaries();
  const conflicts = state.conflicts();
  const conflictsWith = conflictsById(conflicts);
  const none: readonly AttemptId[] = [];
  const states = new Map<string, TaskState>(summaries.map(({ id, state: is }) => [id, is]));
  const now = new Date();
  const tasks = summaries.map((task) => {
    const patch = patches.get(task.id) ?? null;
    return taskJson(task, {
      attempt: attempts.get(task.id) ?? null,
      usage: usage.get(task.id) ?? NO_USAGE,
      patch,
      conflictsWith: patch === null ? none : (conflictsWith.get(patch.id) ?? none),
      isRunning: run !== null,
      standstill,
      now,
      stateOf: (id) => states.get(id),
    });
  });
  const spent = run === null ? null : { ...runJson(run, state.usageOfRun(run.id)), waits: standstill?.reason ?? null };
  return { json: { run: spent, counts: countsOf(tasks), tasks, conflicts }, summaries };
}

function countsOf(tasks: readonly TaskJson[]): Record<TaskState, number> {
  const counts = Object.fromEntries(TASK_STATES.map((state) => [state, 0])) as Record<TaskState, number>;
  for (const task of tasks) counts[task.status as TaskState] += 1;
  return counts;
}

/** Phase by phase where there is more than one, each in the order in which it would be worked. */
export async function statusText({ json, summaries }: Status, colours: Colours): Promise<string> {
  const head = `${runLine(json)}\n${countsLine(json.counts, colours)}\n`;
  if (json.tasks.length === 0) return `${head}\nNothing is queued. Type: orchestrate submit "<what to do>"\n`;
  const phases = byPhase(json.tasks, summaries);
  const cells = [HEADER];
  for (const tasks of phases) for (const task of tasks) cells.push(taskRow(task));
  const text = await tableOf(cells);
  const warnings = warningLines(json.conflicts);
  if (phases.length === 1 && !colours.isColorSupported) return `${head}\n${text}${warnings}`;
  const [header = '', ...rows] = text.split('\n');
  const lines = [colours.bold(header)];
  let row = 0;
  for (const tasks of phases) {
    if (phases.length > 1) lines.push(colours.bold(headingOf(tasks)));
    for (const { status } of tasks) lines.push(paint(rows[row++] ?? '', status, colours));
  }
  return `${head}\n${lines.join('\n')}\n${warnings}`;
}

const MOST_WARNINGS = 10;

function warningLines(conflicts: readonly Conflict[]): string {
  if (conflicts.length === 0) return '';
  const lines = conflicts.slice(0, MOST_WARNINGS).map((conflict) => `warning: ${conflictLine(conflict)}\n`);
  const left = conflicts.length - lines.length;
  return `\n${lines.join('')}${left === 0 ? '' : `and ${left} more: orchestrate patch list\n`}`;
}

function byPhase(tasks: readonly TaskJson[], summaries: readonly TaskSummary[]): TaskJson[][] {
  // By their places: an object for each of 10,000 tasks would be felt.
  const places = summaries.map((_, at) => at);
  places.sort((a, b) => {
    const one = summaries[a];
    const other = summaries[b];
    return one === undefined || other === undefined ? 0 : one.phase - other.phase || byTurn(one, other);
  });
  const phases: TaskJson[][] = [];
  for (const place of places) {
    const task = tasks[place];
    if (task === undefined) continue;
    if (phases.at(-1)?.[0]?.phase === task.phase) phases.at(-1)?.push(task);
    else phases.push([task]);
  }
  return phases;
}

function headingOf(tasks: readonly TaskJson[]): string {
  const done = tasks.filter((task) => task.status === 'succeeded').length;
  return `phase ${tasks[0]?.phase}: ${done} of ${tasks.length} done`;
}

const HEADER = ['TASK', 'STATE', 'AGENT', 'PRIORITY', 'PHASE', 'HOST', 'AGE', 'COST', 'PATCH', 'WHY'];

function taskRow(task: TaskJson): string[] {
  return [
    task.id,
    task.status,
    sanitiseLine(task.agent),
    task.priority,
    String(task.phase),
    sanitiseLine(task.host ?? '-'),
    ageOf(task),
    cost(task.usage),
    task.patch === null ? '-' : patchCell(task.patch),
    sanitiseLine(task.reason ?? ''),
  ];
}

/** `pending (2!), checks failed`. */
function patchCell({ status, flags, checks }: TaskPatchJson): string {
  const verdict = checks === 'none' ? '' : `, checks ${checks}`;
  return `${status}${flags.length > 0 ? ` (${flags.length}!)` : ''}${verdict}`;
}

/** How long it ran or runs. */
function ageOf(task: TaskJson): string {
  if (task.startedAt === null) return '-';
  const until = task.endedAt === null ? Date.now() : Date.parse(task.endedAt);
  return age(until - Date.parse(task.startedAt));
}

function runLine(now: StatusJson): string {
  if (now.run === null) return 'no run is at work';
  const since = age(Date.now() - Date.parse(now.run.startedAt));
  const spent = now.run.spent.usd === null ? '' : `, $${now.run.spent.usd.toFixed(2)} so far`;
  const isolation = now.run.isolation === null ? '' : `, isolation ${sanitiseLine(now.run.isolation)}`;
  const waits = now.run.waits === null ? '' : `\nit starts nothing: ${sanitiseLine(now.run.waits)}`;
  return `run ${now.run.id} is at work since ${since} (pid ${now.run.pid}${isolation}${spent})${waits}`;
}

function countsLine(counts: StatusJson['counts'], colours: Colours): string {
  return TASK_STATES.map((state) => {
    const text = `${counts[state]} ${state}`;
    return counts[state] === 0 ? colours.dim(text) : colourOfTask(colours, state)(text);
  }).join(', ');
}

function paint(line: string, state: string | undefined, colours: Colours): string {
  const known = TASK_STATES.find((each) => each === state);
  // The state stands once as a column of its own, after the id and two spaces.
  return known === undefined ? line : line.replace(`  ${known} `, `  ${colourOfTask(colours, known)(known)} `);
}
