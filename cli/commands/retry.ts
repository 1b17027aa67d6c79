/** `retry`: a task that ended is wanted once more, afresh or from the work that its last attempt left. */

import { usageError } from '../../src/errors.ts';
import { revealLine } from '../../src/sanitise.ts';
import type { PatchRecord, TaskRecord } from '../../src/state/records.ts';
import type { State } from '../../src/state/state.ts';
import type { TaskId } from '../../src/types.ts';
import type { Context } from '../context.ts';
import { someState } from '../find.ts';
import { liveRun } from '../live-run.ts';
import type { RetryOptions } from '../options.ts';
import { taskJsonOf } from '../render/json.ts';
import { sizeOf } from '../render/text.ts';

export async function retry(context: Context, typed: string, options: RetryOptions): Promise<number> {
  const known = someState(await context.knownState(), typed);
  const id = known.resolveTask(typed);
  const from = options.fromSalvage ? salvageOf(known, id) : null;
  const state = await context.state();
  if (!state.retryTask(id, { from: from?.id ?? null })) throw notOver(state.task(id));
  const task = state.task(id);
  const start = task.startFrom === null ? null : state.patch(task.startFrom);
  const isRunning = liveRun(state) !== null;
  if (context.json) context.printJson({ tasks: [taskJsonOf(state, task, isRunning)], from: start?.id ?? null });
  else context.print(report(task, start, isRunning));
  return 0;
}

/** The newest patch of the task that is salvaged. */
function salvageOf(state: State, id: TaskId): PatchRecord {
  const attempts = state.attemptsOf(id).reverse();
  const salvaged = attempts.map((attempt) => state.patch(attempt.id)).find((patch) => patch?.state === 'salvaged');
  if (salvaged) return salvaged;
  throw usageError('NO_SALVAGE', `${id} has no salvaged patch to start from`, {
    hint: `afresh: orchestrate retry ${id}`,
  });
}

function notOver(task: TaskRecord): Error {
  const reason = task.reason === null ? '' : ` (${revealLine(task.reason)})`;
  const isAtWork = task.state === 'running' || task.state === 'paused';
  return usageError('NOT_ENDED', `${task.id} is ${task.state}${reason}, so it is not over yet`, {
    hint: isAtWork ? `first: orchestrate kill ${task.id}` : 'see what it waits for with: orchestrate status',
  });
}

function report(task: TaskRecord, from: PatchRecord | null, isRunning: boolean): string {
  const start = from === null ? '' : `, which starts from ${from.id} (${sizeOf(from.size)})`;
  const waits = task.reason === null ? '' : `; it ${revealLine(task.reason)}`;
  const next = isRunning ? `the run takes it up; follow it with: orchestrate status --watch` : 'orchestrate run';
  return `${task.id} is ${task.state} for attempt ${task.attempts + 1}${start}${waits}\nNext: ${next}\n`;
}
