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
}

interface Busy {
  readonly id: TaskId;
  readonly files: readonly string[];
}

/** Marks those in front of it that are held back. Call it within a transaction. */
export function nextQueued(database: Database, { only, allowOverlap = false }: QueueChoice): TaskId | null {
  if (allowOverlap) releaseAll(database);
  const among = only === undefined ? '' : 'AND id IN (SELECT value FROM json_each(?))';
  const sql = `SELECT id, files FROM tasks WHERE state = 'queued' AND heldBy IS NULL ${among}
    ORDER BY priority, chain DESC, seq LIMIT 1`;
  const values = only === undefined ? [] : [JSON.stringify(only)];
  let busy: readonly Busy[] | null = null;
  for (;;) {
    const row = database.get<Row>(sql, ...values);
    if (row === null) return null;
    if (allowOverlap || row.files === '[]') return row.id;
    busy ??= tasksAtWork(database);
    if (!holdBack(database, row, busy)) return row.id;
  }
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
