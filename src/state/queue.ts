/**
 * What is claimed next: by priority, then the longest chain of work, then in the order of adding. A task that touches the
 * same files as one at work is held back meanwhile: marked once with that one's id, so that nothing is compared twice.
 */

import { filesOverlap } from '../tasks/overlap.ts';
import type { TaskId } from '../types.ts';
import type { Database } from './database.ts';
import type { tasks } from './schema.ts';

type Row = Pick<typeof tasks.$inferSelect, 'id' | 'files'>;

export interface QueueChoice {
  /** Not given: any task. */
  readonly only?: readonly TaskId[] | undefined;
  /** Tasks that touch the same files run at once as well. Not given: one after the other. */
  readonly allowOverlap?: boolean | undefined;
  /** None while so many patches are pending. Not given, or null: they may pile up. */
  readonly maxPendingReviews?: number | null | undefined;
}

/** How the reason of a task begins that only waits until fewer patches are pending. */
const HELD_FOR_REVIEWS = 'waits for reviews: ';

interface Busy {
  readonly id: TaskId;
  readonly files: readonly string[];
}

/** Marks those in front of it that are held back. Call it within a transaction. */
export function nextQueued(database: Database, choice: QueueChoice): TaskId | null {
  const { only, allowOverlap = false, maxPendingReviews: most = null } = choice;
  if (most !== null && holdForReviews(database, most, only)) return null;
  if (allowOverlap) releaseAll(database);
  const { where, values } = among(only);
  const sql = `SELECT id, files FROM tasks WHERE state = 'queued' AND heldBy IS NULL ${where}
    ORDER BY priority, chain DESC, seq LIMIT 1`;
  let busy: readonly Busy[] | null = null;
  for (;;) {
    const row = database.get<Row>(sql, ...values);
    if (row === null) return null;
    if (allowOverlap || row.files === '[]') return row.id;
    busy ??= tasksAtWork(database);
    if (!holdBack(database, row, busy)) return row.id;
  }
}

/** Whether a queued task (of `only`, where that is given) waits for reviews. */
export function isHeldForReviews(database: Database, only?: readonly TaskId[]): boolean {
  const { where, values } = among(only);
  const sql = `SELECT 1 FROM tasks WHERE state = 'queued' AND reason GLOB '${HELD_FOR_REVIEWS}*' ${where} LIMIT 1`;
  return database.get(sql, ...values) !== null;
}

/** Nothing waits for reviews any more, or no run does. */
export function letGoForReviews(database: Database): void {
  database.run(`UPDATE tasks SET reason = NULL WHERE state = 'queued' AND reason GLOB '${HELD_FOR_REVIEWS}*'`);
}

/** Says so with all that would be next, but for what waits for a task anyway. False where reviews hold nothing back. */
function holdForReviews(database: Database, most: number, only: QueueChoice['only']): boolean {
  const pending = pendingPatches(database);
  if (pending < most) {
    letGoForReviews(database);
    return false;
  }
  const patches = `${pending} ${pending === 1 ? 'patch is' : 'patches are'} pending`;
  const reason = `${HELD_FOR_REVIEWS}${patches} (--max-pending-reviews ${most})`;
  const { where, values } = among(only);
  const sql = `UPDATE tasks SET reason = ? WHERE state = 'queued' AND heldBy IS NULL AND reason IS NOT ? ${where}`;
  database.run(sql, reason, reason, ...values);
  return true;
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
