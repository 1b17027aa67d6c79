/** Queries and changes of tasks and their dependencies. */

import { usageError } from '../errors.ts';
import { eventBetween, TASK_MACHINE } from '../tasks/machine.ts';
import { phasesOf } from '../tasks/phases.ts';
import { idMaker } from '../tasks/slug.ts';
import { type AttemptId, PRIORITIES, TASK_STATES, type TaskId, type TaskState } from '../types.ts';
import { chainsOf, raiseChains } from './chains.ts';
import type { Database } from './database.ts';
import { release } from './queue.ts';
import type { NewTask, TaskRecord, TaskSummary } from './records.ts';
import { addResolution, resolvedBy } from './resolutions.ts';
import type { dependencies, tasks } from './schema.ts';

type TaskRow = typeof tasks.$inferSelect;
type DependencyRow = typeof dependencies.$inferSelect;

/** As many dependencies are named in a reason; the rest is counted. */
const MAX_NAMED = 10;
const NO_FILES: readonly string[] = [];

export function addTasks(database: Database, added: readonly NewTask[]): TaskRecord[] {
  return database.transaction(() => {
    const ids = newIds(database, added);
    const byKey = keysOf(added, ids);
    const resolved = added.map((task, i) => ({
      id: at(ids, i),
      size: task.size ?? 'medium',
      dependsOn: [...new Set(task.dependsOn.map((name) => byKey.get(name) ?? existing(database, name, task)))],
    }));
    const outside = outsiders(database, resolved);
    const graph = phasesOf(resolved, new Map([...outside].map(([id, task]) => [id, task.phase])));
    if ('cycle' in graph) throw cyclic(graph.cycle);
    const { phases } = graph;
    const { chains, after } = chainsOf(resolved, phases);
    const first = nextSeq(database);
    const createdAt = new Date().toISOString();
    const records = added.map((task, i): TaskRecord => {
      const { id, dependsOn, size } = at(resolved, i);
      const reason = waitReason(dependsOn.map((on) => ({ id: on, state: outside.get(on)?.state ?? 'queued' })));
      const { title, description, agent, priority, routing = null, files = [], plan = null, startFrom = null } = task;
      const phase = phases.get(id) ?? 1;
      const state: TaskState = reason === null ? 'queued' : 'blocked';
      const chain = chains.get(id) ?? 1;
      const fresh = { startedAt: null, endedAt: null, attempts: 0, notBefore: null, startFrom };
      const said = { title, description, agent, routing, priority, files, size, plan, createdAt };
      return { seq: first + i, id, state, reason, dependsOn, phase, chain, ...said, ...fresh };
    });
    for (const task of records) insertTask(database, task);
    // After all tasks: one may depend on a later one of its batch.
    for (const task of records) {
      for (const below of task.dependsOn) {
        database.run('INSERT INTO dependencies (task, dependsOn) VALUES (?, ?)', task.id, below);
      }
    }
    for (const { id, startFrom } of records) if (startFrom !== null) addResolution(database, id, startFrom);
    raiseChains(database, [...outside.values()], after);
    return records;
  });
}

export function allTasks(database: Database): TaskRecord[] {
  const dependsOn = allDependencies(database);
  const rows = database.all<TaskRow>('SELECT * FROM tasks ORDER BY seq');
  return rows.map((row) => recordOf(row, dependsOn.get(row.id) ?? []));
}

/** Columns of a summary, in the order of the query's arrays. */
type SummaryRow = readonly [
  number,
  TaskId,
  string,
  string,
  number,
  TaskState,
  string | null,
  number,
  number,
  string | null,
  string | null,
  number,
  string | null,
];

/** One JSON text for all rows: the driver takes four times as long to hand over 10,000 rows one by one. */
export function taskSummaries(database: Database): TaskSummary[] {
  const dependsOn = allDependencies(database);
  const sql = `SELECT json_group_array(
      json_array(seq, id, title, agent, priority, state, reason, phase, chain, startedAt, endedAt, attempts, notBefore)) AS rows
    FROM (SELECT * FROM tasks ORDER BY seq)`;
  const rows = JSON.parse(database.get<{ rows: string }>(sql)?.rows ?? '[]') as SummaryRow[];
  return rows.map(
    ([seq, id, title, agent, rank, state, reason, phase, chain, startedAt, endedAt, attempts, notBefore]) => ({
      seq,
      id,
      title,
      agent,
      priority: at(PRIORITIES, rank),
      state,
      reason,
      phase,
      chain,
      startedAt,
      endedAt,
      attempts,
      notBefore,
      dependsOn: dependsOn.get(id) ?? [],
    }),
  );
}

function allDependencies(database: Database): ReadonlyMap<TaskId, readonly TaskId[]> {
  const dependsOn = new Map<TaskId, TaskId[]>();
  for (const row of database.all<DependencyRow>('SELECT task, dependsOn FROM dependencies ORDER BY rowid')) {
    const known = dependsOn.get(row.task);
    if (known === undefined) dependsOn.set(row.task, [row.dependsOn]);
    else known.push(row.dependsOn);
  }
  return dependsOn;
}

export function findTask(database: Database, id: string): TaskRecord | null {
  const row = database.get<TaskRow>('SELECT * FROM tasks WHERE id = ?', id);
  return row === null ? null : recordOf(row, dependenciesOf(database, row.id));
}

export function stateOf(database: Database, id: string): TaskState | null {
  return database.get<Pick<TaskRow, 'state'>>('SELECT state FROM tasks WHERE id = ?', id)?.state ?? null;
}

export function countTasks(database: Database, only?: readonly TaskId[]): Record<TaskState, number> {
  const counts = Object.fromEntries(TASK_STATES.map((state) => [state, 0])) as Record<TaskState, number>;
  const among = only === undefined ? '' : 'WHERE id IN (SELECT value FROM json_each(?))';
  const sql = `SELECT state, count(*) AS n FROM tasks ${among} GROUP BY state`;
  const values = only === undefined ? [] : [JSON.stringify(only)];
  for (const { state, n } of database.all<{ state: TaskState; n: number }>(sql, ...values)) counts[state] = n;
  return counts;
}

export function cancelTask(database: Database, id: TaskId): boolean {
  return database.transaction(() => {
    const state = stateOf(database, id);
    return (state === 'queued' || state === 'blocked') && moveTask(database, id, 'cancelled', 'cancelled by the user');
  });
}

export function retryTask(database: Database, id: TaskId, from: AttemptId | null, why: string | null = null): boolean {
  return database.transaction(() => {
    const state = stateOf(database, id);
    const startFrom = (patch: AttemptId | null): boolean =>
      database.run('UPDATE tasks SET startFrom = ? WHERE id = ?', patch, id) === 1;
    const missing = waitReason(dependencyStates(database, id));
    // It waits already; what it starts from may still be chosen.
    if (from !== null && (state === 'queued' || (state === 'blocked' && missing !== null))) {
      if (!isPatchOf(database, from, id)) return false;
      const sql = "UPDATE tasks SET reason = ? WHERE id = ? AND state = 'queued' AND heldBy IS NULL";
      if (why !== null) database.run(sql, why, id);
      return startFrom(from);
    }
    // What was set aside though nothing that it depends on is missing may be tried again as well.
    const isOver = isFinal(state) || (state === 'blocked' && missing === null);
    if (!isOver || (from !== null && !isPatchOf(database, from, id))) return false;
    const start = from ?? requestedChange(database, id) ?? resolvedBy(database, id);
    return queueTask(database, id, why) && startFrom(start);
  });
}

/** The patch that the task goes on with because changes were requested of it, and were not made yet. */
function requestedChange(database: Database, id: TaskId): AttemptId | null {
  const sql = `SELECT patches.id FROM tasks JOIN patches ON patches.id = startFrom
    WHERE tasks.id = ? AND patches.task = tasks.id AND patches.state = 'changes-requested'`;
  return database.get<{ id: AttemptId }>(sql, id)?.id ?? null;
}

function isPatchOf(database: Database, patch: AttemptId, task: TaskId): boolean {
  return database.get('SELECT 1 FROM patches WHERE id = ? AND task = ?', patch, task) !== null;
}

function isFinal(state: TaskState | null): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

function isAtWork(state: TaskState): boolean {
  return state === 'running' || state === 'paused';
}

/**
 * Moves a task to another state if the machine has a way there, with its reason and times, and tells those that depend
 * on it. False where there is no way. Call it within a transaction.
 */
export function moveTask(database: Database, id: TaskId, to: TaskState, reason: string | null): boolean {
  const from = stateOf(database, id);
  if (from === null || eventBetween(TASK_MACHINE, from, to) === null) return false;
  const now = new Date().toISOString();
  if (to === 'running' && from !== 'paused') {
    database.run('UPDATE tasks SET startedAt = ?, attempts = attempts + 1 WHERE id = ?', now, id);
  } else if (to === 'queued' || to === 'blocked') {
    database.run('UPDATE tasks SET startedAt = NULL WHERE id = ?', id);
  } else if (to === 'succeeded') {
    database.run('UPDATE tasks SET startFrom = NULL WHERE id = ?', id);
  }
  const sql = 'UPDATE tasks SET state = ?, reason = ?, endedAt = ?, heldBy = NULL WHERE id = ? AND state = ?';
  const moved = database.run(sql, to, reason, isFinal(to) ? now : null, id, from) === 1;
  if (isAtWork(from) && !isAtWork(to)) release(database, id);
  if (moved && (isFinal(to) || isFinal(from))) tellDependants(database, id);
  return moved;
}

/**
 * Moves a task back to the queue, or sets it aside while what it depends on has to be done again. False where the machine
 * has no way. Call it within a transaction.
 */
export function queueTask(database: Database, id: TaskId, reason: string | null): boolean {
  if (!moveTask(database, id, 'queued', reason)) return false;
  const missing = waitReason(dependencyStates(database, id));
  return missing === null || moveTask(database, id, 'blocked', missing);
}

/**
 * Tasks that depend on `id` and have not started: queued when it was the last they waited for, else they wait for what
 * is left, which after a retry may be `id` again.
 */
function tellDependants(database: Database, id: TaskId): void {
  // CROSS: without it SQLite goes through all waiting tasks instead of the few that depend on this one.
  const sql = `SELECT id, state FROM dependencies CROSS JOIN tasks ON id = task
    WHERE dependencies.dependsOn = ? AND state IN ('queued', 'blocked') ORDER BY seq`;
  for (const dependant of database.all<Pick<TaskRow, 'id' | 'state'>>(sql, id)) {
    const reason = waitReason(dependencyStates(database, dependant.id));
    const to = reason === null ? 'queued' : 'blocked';
    if (dependant.state !== to) moveTask(database, dependant.id, to, reason);
    else database.run('UPDATE tasks SET reason = ? WHERE id = ?', reason, dependant.id);
  }
}

function dependencyStates(database: Database, id: TaskId): Pick<TaskRow, 'id' | 'state'>[] {
  const sql = `SELECT id, state FROM dependencies JOIN tasks ON id = dependencies.dependsOn
    WHERE task = ? ORDER BY dependencies.rowid`;
  return database.all<Pick<TaskRow, 'id' | 'state'>>(sql, id);
}

/** Why a task with these dependencies cannot start; null when it can. */
function waitReason(below: readonly Pick<TaskRow, 'id' | 'state'>[]): string | null {
  const lost = below.find((task) => task.state === 'failed' || task.state === 'cancelled');
  if (lost !== undefined) return lost.state === 'failed' ? `${lost.id} failed` : `${lost.id} was cancelled`;
  const waiting = below.filter((task) => task.state !== 'succeeded').map((task) => task.id);
  if (waiting.length === 0) return null;
  const more = waiting.length - MAX_NAMED;
  return `waits for ${waiting.slice(0, MAX_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function dependenciesOf(database: Database, id: TaskId): TaskId[] {
  const sql = 'SELECT dependsOn FROM dependencies WHERE task = ? ORDER BY rowid';
  return database.all<Pick<DependencyRow, 'dependsOn'>>(sql, id).map((row) => row.dependsOn);
}

/** Written out: `insert` takes twice as long, which 1,000 tasks in one commit notice. */
function insertTask(database: Database, task: TaskRecord): void {
  const sql = `INSERT INTO tasks (seq, id, title, description, agent, routing, priority, state, reason, phase,
      files, size, chain, plan, createdAt, startFrom)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
  const { seq, id, title, description, agent, routing, state, reason, phase, size, chain, plan, createdAt } = task;
  const rank = PRIORITIES.indexOf(task.priority);
  const files = task.files.length === 0 ? '[]' : JSON.stringify(task.files);
  const values = [seq, id, title, description, agent, routing, rank, state, reason, phase];
  database.run(sql, ...values, files, size, chain, plan, createdAt, task.startFrom);
}

function newIds(database: Database, added: readonly NewTask[]): TaskId[] {
  const first = nextSeq(database);
  const idOf = idMaker((id) => stateOf(database, id) !== null);
  return added.map((task, i) => idOf(task.title, first + i));
}

function nextSeq(database: Database): number {
  return (database.get<{ last: number | null }>('SELECT max(seq) AS last FROM tasks')?.last ?? 0) + 1;
}

function keysOf(added: readonly NewTask[], ids: readonly TaskId[]): Map<string, TaskId> {
  const byKey = new Map<string, TaskId>();
  for (const [i, { key }] of added.entries()) {
    if (key === undefined) continue;
    if (byKey.has(key)) {
      throw usageError('DUPLICATE_KEY', `Two tasks have the key ${key}.`, { hint: 'Give each task a key of its own.' });
    }
    byKey.set(key, at(ids, i));
  }
  return byKey;
}

function existing(database: Database, name: string, task: NewTask): TaskId {
  if (stateOf(database, name) !== null) return name as TaskId;
  throw usageError('UNKNOWN_TASK', `The task “${task.title}” depends on ${name}, which does not exist.`, {
    hint: 'See the tasks with `orchestrate status`.',
  });
}

type Outsider = Pick<TaskRow, 'id' | 'state' | 'phase' | 'size' | 'chain'>;

/** The tasks of earlier batches that `added` depends on. */
function outsiders(
  database: Database,
  added: readonly { id: TaskId; dependsOn: readonly TaskId[] }[],
): Map<TaskId, Outsider> {
  const found = new Map<TaskId, Outsider>();
  for (const id of new Set(added.flatMap((task) => task.dependsOn))) {
    const row = database.get<Outsider>('SELECT id, state, phase, size, chain FROM tasks WHERE id = ?', id);
    if (row !== null) found.set(id, row);
  }
  return found;
}

function cyclic(cycle: readonly TaskId[]): Error {
  const around = [...cycle, ...cycle.slice(0, 1)].join(' → ');
  return usageError('DEPENDENCY_CYCLE', `These tasks depend on each other in a circle: ${around}.`, {
    hint: 'Take one of these dependencies away.',
  });
}

function recordOf(row: TaskRow, dependsOn: readonly TaskId[]): TaskRecord {
  // Field by field: three times as fast as a spread, which 10,000 tasks notice.
  return {
    seq: row.seq,
    id: row.id,
    title: row.title,
    description: row.description,
    agent: row.agent,
    priority: at(PRIORITIES, row.priority),
    state: row.state,
    reason: row.reason,
    dependsOn,
    phase: row.phase,
    routing: row.routing,
    files: row.files === '[]' ? NO_FILES : (JSON.parse(row.files) as string[]),
    size: row.size,
    chain: row.chain,
    plan: row.plan,
    createdAt: row.createdAt,
    startedAt: row.startedAt,
    endedAt: row.endedAt,
    attempts: row.attempts,
    notBefore: row.notBefore,
    startFrom: row.startFrom,
  };
}

function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  if (item === undefined) throw new RangeError(`no item ${index}`);
  return item;
}
