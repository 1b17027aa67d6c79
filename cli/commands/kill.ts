/** `kill`: takes waiting tasks out of the queue, and has the live run stop the agents of running ones. */

import { usageError } from '../../src/errors.ts';
import { revealLine } from '../../src/sanitise.ts';
import type { TaskRecord } from '../../src/state/records.ts';
import type { State } from '../../src/state/state.ts';
import { awayText } from '../../src/tasks/why.ts';
import type { AttemptId, TaskId, TaskState } from '../../src/types.ts';
import type { Context } from '../context.ts';
import { someState } from '../find.ts';
import { liveRun } from '../live-run.ts';
import type { KillOptions } from '../options.ts';
import { sizeOf } from '../render/text.ts';
import { STOP_TIMEOUT_MS, waitUntil } from '../wait.ts';

/**
 * `cancelled` it waited; `stopped` its agent was stopped; `ended` it was over before; `stopping` not yet over;
 * `unattended` its coordinator is gone, so that nobody can stop it.
 */
type KillResult = 'cancelled' | 'stopped' | 'ended' | 'stopping' | 'unattended';

export async function kill(context: Context, typed: readonly string[], options: KillOptions): Promise<number> {
  if (options.all === typed.length > 0) {
    throw usageError('BAD_USAGE', options.all ? 'name tasks or say --all, not both' : 'which task?', {
      hint: 'orchestrate kill <task>, or orchestrate kill --all',
    });
  }
  const known = await context.knownState();
  const wanted = options.all ? unfinished(known) : resolved(someState(known, typed[0] ?? ''), typed);
  const results = wanted.length === 0 ? new Map<TaskId, KillResult>() : await killAll(await context.state(), wanted);
  const state = known ?? (await context.state());
  if (context.json) context.printJson({ tasks: [...results].map(([id, result]) => resultJson(state, id, result)) });
  else if (results.size === 0) context.print('Nothing waits and nothing runs.\n');
  else context.print([...results].map(([id, result]) => `${resultLine(state, id, result)}\n`).join(''));
  return [...results.values()].some((result) => result === 'stopping' || result === 'unattended') ? 1 : 0;
}

function unfinished(state: State | null): TaskId[] {
  const waitsOrRuns = ({ state: now }: { readonly state: TaskState }): boolean => isWaiting(now) || isAtWork(now);
  return (state?.summaries() ?? []).filter(waitsOrRuns).map((task) => task.id);
}

/** All of them are known before anything is done to the first. */
function resolved(state: State, typed: readonly string[]): TaskId[] {
  return [...new Set(typed.map((id) => state.resolveTask(id)))];
}

async function killAll(state: State, wanted: readonly TaskId[]): Promise<Map<TaskId, KillResult>> {
  const results = new Map<TaskId, KillResult>();
  // What waits goes first: a free place must not be taken by the next one that is to be killed.
  for (const id of wanted) results.set(id, state.cancelTask(id) ? 'cancelled' : 'ended');
  const asked = new Map<TaskId, AttemptId | null>();
  const run = liveRun(state);
  for (const id of wanted) {
    if (!isAtWork(state.task(id).state)) continue;
    results.set(id, run === null ? 'unattended' : 'stopping');
    if (run !== null) asked.set(id, null);
  }
  // All are asked before the first is waited for.
  const areStopped = () => [...asked.keys()].map((id) => isStopped(state, id, asked)).every(Boolean);
  await waitUntil(areStopped, STOP_TIMEOUT_MS);
  for (const id of asked.keys()) results.set(id, resultOf(state, id));
  return results;
}

/** Asks for each attempt once: one may have been lost and the next one begun before the run saw what was asked. */
function isStopped(state: State, id: TaskId, asked: Map<TaskId, AttemptId | null>): boolean {
  if (!isAtWork(state.task(id).state)) return true;
  const attempt = state.attemptsOf(id).at(-1)?.id ?? null;
  if (asked.get(id) !== attempt) {
    state.request('kill', id);
    asked.set(id, attempt);
  }
  return liveRun(state) === null || isAway(state, id);
}

/** Nobody can stop it before its host answers again. */
function isAway(state: State, id: TaskId): boolean {
  const host = state.attemptsOf(id).at(-1)?.host;
  return host !== undefined && state.task(id).reason === awayText(host);
}

function resultOf(state: State, id: TaskId): KillResult {
  if (isAtWork(state.task(id).state)) return liveRun(state) === null ? 'unattended' : 'stopping';
  // The whole run may have been stopped at the same time, which leaves its tasks in the queue.
  if (state.cancelTask(id)) return 'stopped';
  return state.task(id).state === 'cancelled' ? 'stopped' : 'ended';
}

function isWaiting(state: TaskState): boolean {
  return state === 'queued' || state === 'blocked';
}

function isAtWork(state: TaskState): boolean {
  return state === 'running' || state === 'paused';
}

function resultJson(state: State, id: TaskId, result: KillResult) {
  const task = state.task(id);
  const attempt = state.attemptsOf(id).at(-1) ?? null;
  const patch = attempt === null ? null : state.patch(attempt.id);
  return {
    id,
    result,
    status: task.state,
    attempt: attempt?.id ?? null,
    outcome: attempt?.outcome ?? null,
    patch: patch === null ? null : { id: patch.id, status: patch.state, ...patch.size },
    reason: task.reason,
  };
}

function resultLine(state: State, id: TaskId, result: KillResult): string {
  const task = state.task(id);
  if (result === 'cancelled') return `${id} is cancelled`;
  if (result === 'stopped') return `${id} was stopped; ${salvageOf(state, task)}`;
  if (result === 'stopping') {
    const how = isAway(state, id) ? `is being stopped, but ${task.reason}` : 'is still being stopped';
    return `${id} ${how}; look again with: orchestrate task ${id}`;
  }
  if (result === 'ended') {
    return `${id} is over already: ${task.state}${task.reason === null ? '' : ` (${revealLine(task.reason)})`}`;
  }
  return (
    `${id} was not stopped: the run that started it was cut off, and no other is at work. The next \`orchestrate run\` ` +
    'takes it up: an agent that still runs goes on, one that ended is collected, one that is gone starts again'
  );
}

function salvageOf(state: State, task: TaskRecord): string {
  const attempt = state.attemptsOf(task.id).at(-1);
  const patch = attempt === undefined ? null : state.patch(attempt.id);
  if (patch === null) return 'it had changed nothing';
  return `its work is kept as the ${patch.state} patch ${patch.id} (${sizeOf(patch.size)}): orchestrate patch show ${patch.id}`;
}
