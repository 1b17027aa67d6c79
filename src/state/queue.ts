/**
 * What is claimed next: by priority, then the longest chain of work, then in the order of adding. A task that touches the
 * same files as one at work is held back meanwhile: marked once with that one's id, so that nothing is compared twice.
 */

import { filesOverlap } from '../tasks/overlap.ts';
import type { TaskId } from '../types.ts';
import type { Database } from './database.ts';
import type { tasks } from './schema.ts';

type TaskRow = typeof tasks.$inferSelect;
type Row = Pick<TaskRow, 'id' | 'files'>;

export interface QueueChoice {
  /** Not given: any task. */
  readonly only?: readonly TaskId[] | undefined;
  /** Tasks that touch the same files run at once as well. Not given: one after the other. */
  readonly allowOverlap?: boolean | undefined;
  /** None while so many patches are pending. Not given, or null: they may pile up. */
  readonly maxPendingReviews?: number | null | undefined;
  /** Why nothing may be started just now, as a phrase. Not given, or null: nothing stands in the way. */
  readonly hold?: string | null | undefined;
}

/** How the reason of a task begins that would be started, were not everything held back. */
const HELD = 'held: ';

interface Busy {
  readonly id: TaskId;
  readonly files: readonly string[];
}

/** Marks those in front of it that are held back. Call it within a transaction. */
export function nextQueued(database: Database, choice: QueueChoice): TaskId | null {
  const { only, allowOverlap = false } = choice;
  const hold = choice.hold ?? reviewsInTheWay(database, choice.maxPendingReviews ?? null);
  if (hold !== null) {
    holdAll(database, hold, only);
    return null;
  }
  letGo(database);
  if (allowOverlap) releaseAll(database);
  const { where, values } = among(only);
  const sql = `SELECT id, files FROM tasks WHERE state = 'queued' AND heldBy IS NULL
    AND (notBefore IS NULL OR notBefore <= ?) ${where} ORDER BY priority, chain DESC, seq LIMIT 1`;
  const now = new Date().toISOString();
  let busy: readonly Busy[] | null = null;
  for (;;) {
    const row = database.get<Row>(sql, now, ...values);
    if (row === null) return null;
    if (allowOverlap || row.files === '[]') return row.id;
    busy ??= tasksAtWork(database);
    if (!holdBack(database, row, busy)) return row.id;
  }
}

/**
 * Why queued tasks (of `only`, where that is given) were passed over that will be started later: everything is held back,
 * or they are not to be started yet. Null: there is none.
 */
export function heldBack(database: Database, only?: readonly TaskId[]): string | null {
  const { where, values } = among(only);
  const sql = `SELECT reason FROM tasks WHERE state = 'queued' AND (reason GLOB '${HELD}*' OR notBefore > ?) ${where}
    ORDER BY reason GLOB '${HELD}*' DESC LIMIT 1`;
  const row = database.get<Pick<TaskRow, 'reason'>>(sql, new Date().toISOString(), ...values);
  return row === null ? null : (row.reason ?? '').replace(HELD, '');
}

/** Nothing is held back any more, or no run is there that would. */
export function letGo(database: Database): void {
  // The planner would go through all that is queued.
  const sql = `UPDATE tasks INDEXED BY tasks_held_back SET reason = NULL WHERE reason GLOB '${HELD}*' AND state = 'queued'`;
  database.run(sql);
}

/** Says so with all that would be next, but for what waits for a task anyway. */
function holdAll(database: Database, hold: string, only: QueueChoice['only']): void {
  const reason = `${HELD}${hold}`;
  const { where, values } = among(only);
  const sql = `UPDATE tasks SET reason = ? WHERE state = 'queued' AND heldBy IS NULL AND reason IS NOT ? ${where}`;
  database.run(sql, reason, reason, ...values);
}

function reviewsInTheWay(database: Database, most: number | null): string | null {
  const pending = most === null ? 0 : pendingPatches(database);
  if (most === null || pending < most) return null;
  return `${pending} ${pending === 1 ? 'patch is' : 'patches are'} pending (--max-pending-reviews ${most})`;
}

/** How many patches wait for a person; salvaged ones do not. */
function pendingPatches(database: Database): number {
  return database.get<{ n: number }>("SELECT count(*) AS n FROM patches WHERE state = 'pending'")?.n ?? 0;
}

/** The condition that a task is one of these; not given: any. */
function among(only: QueueChoice['only']): { readonly where: string; readonly values: readonly string[] } {
  if (only === undefined) return { where: '', values: [] };
  return { where: 'AND id IN (SELECT value FROM json_each(?))', values: [JSON.stringify(only)] };
}

/** What `holder` held back is no longer: it is not at work any more. */
export function release(database: Database, holder: TaskId): void {
  database.run('UPDATE tasks SET heldBy = NULL, reason = NULL WHERE heldBy = ?', holder);
}

function releaseAll(database: Database): void {
  database.run('UPDATE tasks SET heldBy = NULL, reason = NULL WHERE heldBy IS NOT NULL');
}

function holdBack(database: Database, row: Row, busy: readonly Busy[]): boolean {
  const files = filesOf(row);
  for (const holder of busy) {
    const path = filesOverlap(files, holder.files);
    if (path === null) continue;
    const reason = `waits for ${holder.id}: both touch ${path}`;
    database.run('UPDATE tasks SET heldBy = ?, reason = ? WHERE id = ?', holder.id, reason, row.id);
    return true;
  }
  return false;
}

/** Those with likely files. */
function tasksAtWork(database: Database): Busy[] {
  const sql = "SELECT id, files FROM tasks WHERE state IN ('running', 'paused') AND files <> '[]' ORDER BY seq";
  return database.all<Row>(sql).map((row) => ({ id: row.id, files: filesOf(row) }));
}

function filesOf(row: Row): string[] {
  return JSON.parse(row.files) as string[];
}
