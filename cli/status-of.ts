/** All tasks at one moment, as data and as text. Must stay quick with 10,000 tasks. */

import { sanitiseLine } from '../src/sanitise.ts';
import type { State } from '../src/state/state.ts';
import { NO_USAGE, TASK_STATES, type TaskState } from '../src/types.ts';
import { liveRun } from './live-run.ts';
import { runJson, type TaskJson, taskJson } from './render/json.ts';
import { age, type Colours, colourOfTask, cost, tableOf } from './render/text.ts';

export interface StatusJson {
  readonly run: ReturnType<typeof runJson> | null;
  readonly counts: Readonly<Record<TaskState, number>>;
  readonly tasks: readonly TaskJson[];
}

/** All of it at one moment. Null: nothing was ever queued. */
export function statusOf(state: State | null): StatusJson {
  if (state === null) return { run: null, counts: countsOf([]), tasks: [] };
  const run = liveRun(state);
  const attempts = state.newestAttempts();
  const usage = state.usageByTask();
  const patches = new Map(state.patches().map((patch) => [patch.task, patch]));
  const tasks = state.summaries().map((task) =>
    taskJson(task, {
      attempt: attempts.get(task.id) ?? null,
      usage: usage.get(task.id) ?? NO_USAGE,
      patch: patches.get(task.id) ?? null,
      isRunning: run !== null,
    }),
  );
  return { run: run === null ? null : runJson(run, state.usageOfRun(run.id)), counts: countsOf(tasks), tasks };
}

function countsOf(tasks: readonly TaskJson[]): Record<TaskState, number> {
  const counts = Object.fromEntries(TASK_STATES.map((state) => [state, 0])) as Record<TaskState, number>;
  for (const task of tasks) counts[task.status as TaskState] += 1;
  return counts;
}

export async function statusText(now: StatusJson, colours: Colours): Promise<string> {
  const head = `${runLine(now)}\n${countsLine(now.counts, colours)}\n`;
  if (now.tasks.length === 0) return `${head}\nNothing is queued. Type: orchestrate submit "<what to do>"\n`;
  const text = await tableOf([HEADER, ...now.tasks.map(taskRow)]);
  if (!colours.isColorSupported) return `${head}\n${text}`;
  const [header = '', ...lines] = text.split('\n');
  const painted = lines.map((line, index) => paint(line, now.tasks[index]?.status, colours));
  return `${head}\n${colours.bold(header)}\n${painted.join('\n')}`;
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
    task.patch === null
      ? '-'
      : `${task.patch.status}${task.patch.flags.length > 0 ? ` (${task.patch.flags.length}!)` : ''}`,
    sanitiseLine(task.reason ?? ''),
  ];
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
  return `run ${now.run.id} is at work since ${since} (pid ${now.run.pid}${spent})`;
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
