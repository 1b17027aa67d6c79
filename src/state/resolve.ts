/** From what people type to ids: an exact id first, then a unique prefix. */

import { type OrchestrateError, usageError } from '../errors.ts';
import type { AttemptId, TaskId } from '../types.ts';
import type { Database } from './database.ts';
import { findPatch, newestPatch, patchIds } from './patches.ts';
import { stateOf } from './tasks.ts';

const MAX_CANDIDATES = 10;

export function resolveTask(database: Database, typed: string): TaskId {
  if (stateOf(database, typed) !== null) return typed as TaskId;
  return onlyOne(typed, tasksStarting(database, typed)) ?? throws(unknownTask(typed));
}

export function unknownTask(typed: string): OrchestrateError {
  return usageError('UNKNOWN_TASK', `There is no task ${typed}.`, { hint: 'See the tasks with `orchestrate status`.' });
}

export function resolvePatch(database: Database, typed: string): AttemptId {
  if (findPatch(database, typed) !== null) return typed as AttemptId;
  const newest = newestPatch(database, typed);
  if (newest !== null) return newest;
  if (stateOf(database, typed) !== null) throw withoutPatch(typed);
  const byTask = new Map<TaskId, AttemptId>();
  const byId: AttemptId[] = [];
  for (const { id, task } of typed === '' ? [] : patchIds(database)) {
    // In the order of attempts: the newest of each task stays.
    if (task.startsWith(typed)) byTask.set(task, id);
    if (id.startsWith(typed)) byId.push(id);
  }
  const found = onlyOne(typed, [...byTask.values()]) ?? onlyOne(typed, byId);
  if (found !== null) return found;
  const [task, other] = tasksStarting(database, typed);
  throw task !== undefined && other === undefined ? withoutPatch(task) : unknownPatch(typed);
}

function tasksStarting(database: Database, prefix: string): TaskId[] {
  if (prefix === '') return [];
  const sql = 'SELECT id FROM tasks WHERE substr(id, 1, ?) = ? ORDER BY seq';
  return database.all<{ id: TaskId }>(sql, prefix.length, prefix).map((row) => row.id);
}

/** Null when there is none; an error when there are several. */
function onlyOne<Id extends string>(typed: string, candidates: readonly Id[]): Id | null {
  const [first, second] = candidates;
  if (first === undefined) return null;
  if (second === undefined) return first;
  const more = candidates.length - MAX_CANDIDATES;
  const named = candidates.slice(0, MAX_CANDIDATES).join(', ') + (more > 0 ? ` and ${more} more` : '');
  throw usageError('AMBIGUOUS_ID', `${typed} could be ${named}.`, { hint: 'Type more of the one that you mean.' });
}

function unknownPatch(typed: string): OrchestrateError {
  const hint = 'See the patches with `orchestrate patch list`.';
  return usageError('UNKNOWN_PATCH', `There is no patch ${typed}.`, { hint });
}

function withoutPatch(task: string): OrchestrateError {
  const hint = `See how it stands with \`orchestrate task ${task}\`.`;
  return usageError('UNKNOWN_PATCH', `The task ${task} has no patch.`, { hint });
}

function throws(error: Error): never {
  throw error;
}
