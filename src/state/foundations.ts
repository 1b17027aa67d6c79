/**
 * Which results an attempt was merged from, so that a rejected one takes what stands on it along: such patches become
 * `stale`, and wait for a decision again once it is no longer rejected. What stands on a result that was amended or
 * replaced is stale until it was restacked; that it has to be is written down for attempts under way as well.
 */

import { next, PATCH_MACHINE, USABLE_RESULTS } from '../tasks/machine.ts';
import type { AttemptId, ObjectId, PatchState, TaskId } from '../types.ts';
import type { Database } from './database.ts';

/** Writes down what an attempt that begins now is merged from: the newest result of each dependency, if it is usable. */
export function layFoundations(database: Database, attempt: AttemptId, task: TaskId): void {
  for (const patch of resultsBelow(database, task)) {
    database.run('INSERT INTO foundations (attempt, patch) VALUES (?, ?)', attempt, patch);
  }
}

/** In the order of the dependencies. One that changed nothing hands on the results that it stood on itself. */
function resultsBelow(database: Database, task: TaskId): AttemptId[] {
  const found: AttemptId[] = [];
  const seen = new Set<TaskId>();
  const open = dependenciesOf(database, task).reverse();
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    const newest = newestResult(database, next);
    if (newest === null) open.push(...dependenciesOf(database, next).reverse());
    else if (USABLE_RESULTS.includes(newest.state)) found.push(newest.id);
  }
  return found;
}

function dependenciesOf(database: Database, task: TaskId): TaskId[] {
  const sql = 'SELECT dependsOn FROM dependencies WHERE task = ? ORDER BY rowid';
  return database.all<{ dependsOn: TaskId }>(sql, task).map((row) => row.dependsOn);
}

function newestResult(database: Database, task: TaskId): { id: AttemptId; state: PatchState } | null {
  const sql = `SELECT patches.id, patches.state FROM patches JOIN attempts USING (id)
    WHERE patches.task = ? ORDER BY n DESC LIMIT 1`;
  return database.get<{ id: AttemptId; state: PatchState }>(sql, task);
}

/** What an attempt was merged from, in the order of merging; without what these stand on. */
export function directFoundations(database: Database, attempt: AttemptId): AttemptId[] {
  const sql = 'SELECT patch FROM foundations WHERE attempt = ? ORDER BY rowid';
  return database.all<{ patch: AttemptId }>(sql, attempt).map((row) => row.patch);
}

const BELOW = `WITH RECURSIVE below (id) AS (SELECT patch FROM foundations WHERE attempt = ?
  UNION SELECT patch FROM below JOIN foundations ON attempt = below.id)`;

/** The patches that a patch stands on, and those that these stand on. */
export function foundationsOf(database: Database, patch: AttemptId): AttemptId[] {
  return database.all<{ id: AttemptId }>(`${BELOW} SELECT id FROM below ORDER BY id`, patch).map((row) => row.id);
}

/** A patch that is new: one that stands on a rejected result is stale from the beginning. Call it within a transaction. */
export function settleNew(database: Database, patch: AttemptId): void {
  const why = whyStale(database, patch);
  if (why !== null) makeStale(database, patch, why);
}

/**
 * `patch` was rejected (else: it no longer is), and so what stands on it is stale (else: is pending again unless it
 * stands on another rejected one). Call it within a transaction.
 */
export function settleAbove(database: Database, patch: AttemptId, isRejected: boolean): void {
  for (const above of standingOn(database, patch)) {
    if (isRejected) makeStale(database, above.id, reasonOf(patch));
    else if (above.state === 'stale' && above.reason === reasonOf(patch)) revive(database, above.id);
  }
}

/** A result that is another one now: what was merged from it as it was has to be restacked. */
export interface ChangedFoundation {
  readonly patch: AttemptId;
  readonly tree: ObjectId;
  /** Why what stands on it is stale. */
  readonly reason: string;
}

/** Attempts, and all that stands on them, have to be restacked on `changed`. Call it within a transaction. */
export function outdate(database: Database, attempts: readonly AttemptId[], changed: ChangedFoundation): void {
  const all = new Set(attempts.flatMap((attempt) => [attempt, ...attemptsOn(database, attempt)]));
  for (const attempt of all) {
    const state = stateOf(database, attempt);
    if (state === 'merged' || state === 'salvaged') continue;
    const sql = 'INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)';
    database.run(sql, `${OUTDATED}${attempt}`, JSON.stringify(changed));
    if (state !== 'stale') makeStale(database, attempt, changed.reason);
    else database.run('UPDATE patches SET reason = ? WHERE id = ?', changed.reason, attempt);
  }
}

/** What an attempt has to be restacked on, as it was written down last; null: it stands on what is there. */
export function outdatedBy(database: Database, attempt: AttemptId): ChangedFoundation | null {
  const sql = 'SELECT value FROM meta WHERE key = ?';
  const value = database.get<{ value: string }>(sql, `${OUTDATED}${attempt}`)?.value;
  return value === undefined ? null : (JSON.parse(value) as ChangedFoundation);
}

/** It stands on what is there. Call it within a transaction. */
export function upToDate(database: Database, attempt: AttemptId): void {
  database.run('DELETE FROM meta WHERE key = ?', `${OUTDATED}${attempt}`);
}

/** Keys in `meta` of attempts that were merged from what is another result now. */
const OUTDATED = 'outdated:';

/** Attempts that stand on a patch, and have a patch or are under way. */
export function attemptsOn(database: Database, patch: AttemptId): AttemptId[] {
  const sql = `${ABOVE} SELECT id FROM above JOIN attempts USING (id) LEFT JOIN patches USING (id)
    WHERE patches.id IS NOT NULL OR attempts.state <> 'ended' ORDER BY id`;
  return database.all<{ id: AttemptId }>(sql, patch).map((row) => row.id);
}

interface Standing {
  readonly id: AttemptId;
  readonly state: PatchState;
  readonly reason: string | null;
}

const ABOVE = `WITH RECURSIVE above (id) AS (SELECT attempt FROM foundations WHERE patch = ?
  UNION SELECT attempt FROM above JOIN foundations ON patch = above.id)`;

function standingOn(database: Database, patch: AttemptId): Standing[] {
  const sql = `${ABOVE} SELECT id, state, reason FROM above JOIN patches USING (id) ORDER BY id`;
  return database.all<Standing>(sql, patch);
}

function rejectedBelow(database: Database, patch: AttemptId): AttemptId | null {
  const sql = `${BELOW} SELECT id FROM below JOIN patches USING (id) WHERE state = 'rejected' ORDER BY id LIMIT 1`;
  return database.get<{ id: AttemptId }>(sql, patch)?.id ?? null;
}

/** Null: it is not. */
function whyStale(database: Database, patch: AttemptId): string | null {
  const rejected = rejectedBelow(database, patch);
  return rejected === null ? (outdatedBy(database, patch)?.reason ?? null) : reasonOf(rejected);
}

function stateOf(database: Database, patch: AttemptId): PatchState | null {
  return database.get<Pick<Standing, 'state'>>('SELECT state FROM patches WHERE id = ?', patch)?.state ?? null;
}

/** Nothing happens to a patch that is merged, was rejected itself, or is stale already. */
function makeStale(database: Database, patch: AttemptId, reason: string): void {
  const state = stateOf(database, patch);
  const to = state === null ? null : next(PATCH_MACHINE, state, 'upstream-changed');
  if (to === null) return;
  database.run('UPDATE patches SET state = ?, reason = ? WHERE id = ?', to, reason, patch);
}

function revive(database: Database, patch: AttemptId): void {
  const reason = whyStale(database, patch);
  const to = reason === null ? next(PATCH_MACHINE, 'stale', 'reopened') : 'stale';
  database.run('UPDATE patches SET state = ?, reason = ? WHERE id = ?', to, reason, patch);
}

function reasonOf(rejected: AttemptId): string {
  return `builds on ${rejected}, which was rejected`;
}
