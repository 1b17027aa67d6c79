/** Queries and changes of attempts. Every change is refused when a newer run has begun or the state is not the expected one. */

import { ATTEMPT_MACHINE, type AttemptEvent, next } from '../tasks/machine.ts';
import {
  type AttemptId,
  type ObjectId,
  type Spent,
  type StopCause,
  type TaskId,
  tokensOf,
  type Usage,
} from '../types.ts';
import type { Database } from './database.ts';
import { layFoundations } from './foundations.ts';
import { addNote } from './notes.ts';
import { insertPatch } from './patches.ts';
import { nextQueued, type QueueChoice } from './queue.ts';
import type { AttemptEnd, AttemptRecord, RunRecord, TaskRecord } from './records.ts';
import { newestFence } from './runs.ts';
import type { attempts } from './schema.ts';
import { findTask, moveTask, queueTask, stateOf } from './tasks.ts';
import { SUM_OF_USD, type UsageRow, usageFrom } from './usage.ts';

type AttemptRow = typeof attempts.$inferSelect;

export interface AttemptPlace extends QueueChoice {
  readonly host: string;
  readonly engine: string;
  /** Milliseconds from the start of the agent. */
  readonly timeoutMs: number;
  /** What it may write at most. */
  readonly diskBytes: number;
  /** The name of the container of a task's n-th attempt: known before it exists. */
  container(task: TaskId, n: number): string;
}

export interface Claim {
  readonly task: TaskRecord;
  readonly attempt: AttemptRecord;
}

export function claimNext(database: Database, run: RunRecord, place: AttemptPlace): Claim | null {
  return database.transaction(() => {
    if (run.fence !== newestFence(database)) return null;
    if (database.get('SELECT 1 FROM runs WHERE id = ? AND endedAt IS NULL', run.id) === null) return null;
    const id = nextQueued(database, place);
    if (id === null || !moveTask(database, id, 'running', null)) return null;
    const task = findTask(database, id);
    if (task === null) return null;
    const attempt = `${id}.${task.attempts}` as AttemptId;
    database.insert('attempts', {
      ...{ id: attempt, task: id, n: task.attempts, run: run.id, state: 'creating' },
      ...{ host: place.host, engine: place.engine, container: place.container(id, task.attempts) },
      ...{ timeoutMs: place.timeoutMs, diskBytes: place.diskBytes },
    });
    layFoundations(database, attempt, id);
    const record = findAttempt(database, attempt);
    return record === null ? null : { task, attempt: record };
  });
}

export function attemptStarted(
  database: Database,
  id: AttemptId,
  fence: number,
  base: { readonly tree: ObjectId; readonly commit: ObjectId },
): boolean {
  return database.transaction(() => {
    if (!moveAttempt(database, id, fence, 'started')) return false;
    const sql = 'UPDATE attempts SET baseTree = ?, baseCommit = ?, startedAt = ? WHERE id = ?';
    return database.run(sql, base.tree, base.commit, new Date().toISOString(), id) === 1;
  });
}

export function attemptPlaced(database: Database, id: AttemptId, fence: number, host: string): boolean {
  const sql = `UPDATE attempts SET host = ? WHERE id = ? AND state <> 'ended' AND ? = (SELECT max(fence) FROM runs)`;
  return database.transaction(() => database.run(sql, host, id, fence) === 1);
}

export function attemptStopping(database: Database, id: AttemptId, fence: number, cause: StopCause): boolean {
  const sql = `UPDATE attempts SET stopping = ?
    WHERE id = ? AND state <> 'ended' AND stopping IS NULL AND ? = (SELECT max(fence) FROM runs)`;
  return database.transaction(() => database.run(sql, cause, id, fence) === 1);
}

export function attemptCollecting(database: Database, id: AttemptId, fence: number): boolean {
  return database.transaction(() => moveAttempt(database, id, fence, 'collecting'));
}

export function attemptUsage(database: Database, id: AttemptId, fence: number, usage: Usage): boolean {
  return database.transaction(() => {
    const isOurs = "SELECT 1 FROM attempts WHERE id = ? AND state <> 'ended' AND ? = (SELECT max(fence) FROM runs)";
    return database.get(isOurs, id, fence) !== null && writeUsage(database, id, usage);
  });
}

function writeUsage(database: Database, id: AttemptId, usage: Usage): boolean {
  const sql = `UPDATE attempts SET inputTokens = ?, outputTokens = ?, cacheReadTokens = ?, cacheWriteTokens = ?, usd = ?
    WHERE id = ?`;
  const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, usd } = usage;
  return database.run(sql, inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, usd, id) === 1;
}

export function attemptUnsettled(database: Database, id: AttemptId, fence: number, { usd, tokens }: Spent): boolean {
  const sql = `UPDATE attempts SET unsettledUsd = ?, unsettledTokens = ?
    WHERE id = ? AND state <> 'ended' AND ? = (SELECT max(fence) FROM runs)`;
  return database.run(sql, usd, tokens, id, fence) === 1;
}

export function pauseTask(database: Database, id: TaskId, fence: number, reason: string | null): boolean {
  return database.transaction(() => {
    if (fence !== newestFence(database)) return false;
    const state = stateOf(database, id);
    if (reason !== null && state === 'paused') {
      return database.run('UPDATE tasks SET reason = ? WHERE id = ?', reason, id) === 1;
    }
    if (state !== (reason === null ? 'paused' : 'running')) return false;
    return moveTask(database, id, reason === null ? 'running' : 'paused', reason);
  });
}

export function remarkTask(database: Database, id: TaskId, fence: number, reason: string | null): boolean {
  const sql = `UPDATE tasks SET reason = ? WHERE id = ? AND state = 'running' AND ? = (SELECT max(fence) FROM runs)`;
  return database.run(sql, reason, id, fence) === 1;
}

export function endAttempt(database: Database, id: AttemptId, fence: number, end: AttemptEnd): boolean {
  const { patch } = end;
  if (patch !== null && (patch.id !== id || (patch.state === 'pending') !== (end.outcome === 'succeeded'))) {
    throw new Error(`${id} ended ${end.outcome} and cannot leave the ${patch.state} patch ${patch.id}`);
  }
  return database.transaction(() => {
    const task = database.get<Pick<AttemptRow, 'task'>>('SELECT task FROM attempts WHERE id = ?', id)?.task;
    if (task === undefined || !moveAttempt(database, id, fence, 'ended')) return false;
    database.run(
      'UPDATE attempts SET outcome = ?, endedAt = ?, exitCode = ?, reason = ?, fault = ?, egressDenied = ?, summary = ? WHERE id = ?',
      ...[end.outcome, new Date().toISOString(), end.exitCode, end.reason, end.fault ?? null],
      ...[JSON.stringify(end.egressDenied), end.summary, id],
    );
    if (tokensOf(end.usage) > 0) writeUsage(database, id, end.usage);
    if (patch !== null) insertPatch(database, patch);
    if (patch !== null && end.taskState === 'queued' && end.goesOn === true) {
      database.run('UPDATE tasks SET startFrom = ? WHERE id = ?', patch.id, task);
    }
    const { note = null } = end;
    if (note !== null) addNote(database, { attempt: id, kind: 'summary', source: `summary:${id}`, text: note });
    const reason = end.taskState === 'succeeded' ? null : end.reason;
    const { notBefore = null } = end;
    // An attempt under way has a running or paused task, from where every end is legal.
    const moved =
      end.taskState === 'queued' ? queueTask(database, task, reason) : moveTask(database, task, end.taskState, reason);
    if (!moved) throw new Error(`${task} cannot become ${end.taskState}`);
    database.run('UPDATE tasks SET notBefore = ? WHERE id = ? AND notBefore IS NOT ?', notBefore, task, notBefore);
    return true;
  });
}

export function blockTask(database: Database, id: TaskId, fence: number, reason: string): boolean {
  return database.transaction(() => {
    if (fence !== newestFence(database) || stateOf(database, id) === null) return false;
    const sql = "SELECT id, state FROM attempts WHERE task = ? AND state <> 'ended'";
    const attempt = database.get<Pick<AttemptRow, 'id' | 'state'>>(sql, id);
    // An agent at work must be ended, and its work collected, by endAttempt; one that never started left nothing.
    if (attempt !== null && attempt.state !== 'creating') return false;
    if (!moveTask(database, id, 'blocked', reason)) return false;
    if (attempt !== null) {
      moveAttempt(database, attempt.id, fence, 'ended');
      const end = "UPDATE attempts SET outcome = 'failed', endedAt = ?, reason = ? WHERE id = ?";
      database.run(end, new Date().toISOString(), reason, attempt.id);
    }
    return true;
  });
}

export function attemptsOf(database: Database, task: TaskId): AttemptRecord[] {
  return database.all<AttemptRow>('SELECT * FROM attempts WHERE task = ? ORDER BY n', task).map(recordOf);
}

export function lossesOf(database: Database, task: TaskId): (string | null)[] {
  const sql = `SELECT fault FROM attempts WHERE task = ? AND outcome = 'lost' AND n > coalesce(
      (SELECT max(n) FROM attempts WHERE task = ? AND state = 'ended' AND outcome <> 'lost'), 0) ORDER BY n DESC`;
  return database.all<Pick<AttemptRow, 'fault'>>(sql, task, task).map(({ fault }) => fault);
}

export function unendedAttempts(database: Database): AttemptRecord[] {
  return database.all<AttemptRow>("SELECT * FROM attempts WHERE state <> 'ended' ORDER BY rowid").map(recordOf);
}

export function lostWith(
  database: Database,
  fault: string,
  on: { readonly host: string; readonly since: Date },
): AttemptRecord[] {
  const sql = `SELECT * FROM attempts WHERE outcome = 'lost' AND fault = ? AND host = ? AND endedAt > ? ORDER BY rowid`;
  return database.all<AttemptRow>(sql, fault, on.host, on.since.toISOString()).map(recordOf);
}

export function newestAttempts(database: Database): Map<TaskId, AttemptRecord> {
  const sql = 'SELECT attempts.* FROM tasks JOIN attempts ON task = tasks.id AND n = tasks.attempts';
  return new Map(database.all<AttemptRow>(sql).map((row) => [row.task, recordOf(row)]));
}

export function usageByTask(database: Database): Map<TaskId, Usage> {
  const sql = `SELECT task, sum(inputTokens) AS inputTokens, sum(outputTokens) AS outputTokens,
    sum(cacheReadTokens) AS cacheReadTokens, sum(cacheWriteTokens) AS cacheWriteTokens, ${SUM_OF_USD}
    FROM attempts GROUP BY task`;
  return new Map(database.all<UsageRow & Pick<AttemptRow, 'task'>>(sql).map((row) => [row.task, usageFrom(row)]));
}

function findAttempt(database: Database, id: AttemptId): AttemptRecord | null {
  const row = database.get<AttemptRow>('SELECT * FROM attempts WHERE id = ?', id);
  return row === null ? null : recordOf(row);
}

/** False when `fence` is not the newest run's or the machine has no such way. */
function moveAttempt(database: Database, id: AttemptId, fence: number, event: AttemptEvent): boolean {
  const from = database.get<Pick<AttemptRow, 'state'>>('SELECT state FROM attempts WHERE id = ?', id)?.state;
  const to = from === undefined ? null : next(ATTEMPT_MACHINE, from, event);
  if (from === undefined || to === null) return false;
  const sql = 'UPDATE attempts SET state = ? WHERE id = ? AND state = ? AND ? = (SELECT max(fence) FROM runs)';
  return database.run(sql, to, id, from, fence) === 1;
}

export function attemptHosts(database: Database): readonly string[] {
  return database
    .all<{ readonly host: string }>('SELECT DISTINCT host FROM attempts ORDER BY host')
    .map(({ host }) => host);
}

export function renameHost(database: Database, from: string, to: string): void {
  database.transaction(() => database.run('UPDATE attempts SET host = ? WHERE host = ?', to, from));
}

export function recordOf(row: AttemptRow): AttemptRecord {
  // Field by field: much faster than a spread, which thousands of attempts notice.
  return {
    id: row.id,
    task: row.task,
    n: row.n,
    run: row.run,
    state: row.state,
    outcome: row.outcome,
    host: row.host,
    container: row.container,
    engine: row.engine,
    timeoutMs: row.timeoutMs,
    diskBytes: row.diskBytes,
    stopping: row.stopping,
    baseTree: row.baseTree,
    baseCommit: row.baseCommit,
    startedAt: row.startedAt,
    endedAt: row.endedAt,
    exitCode: row.exitCode,
    reason: row.reason,
    fault: row.fault,
    usage: usageFrom(row),
    unsettled: { usd: row.unsettledUsd, tokens: row.unsettledTokens },
    egressDenied: JSON.parse(row.egressDenied) as string[],
    summary: row.summary,
  };
}
