/**
 * Which results do not merge with each other. A row of two ids is a conflict; a row of one id with itself says that this
 * result, as it was, has been looked at beside all others that had been by then.
 */

import type { AttemptId, ObjectId, PatchState, TaskId } from '../types.ts';
import type { Database } from './database.ts';
import type { forecasts } from './schema.ts';

/** What is compared: the change from one tree to the other, as a patch or as much of it as a snapshot has. */
export interface Result {
  readonly id: AttemptId;
  readonly task: TaskId;
  readonly baseTree: ObjectId;
  readonly tree: ObjectId;
}

/** Two results that do not merge. */
export interface Conflict {
  /** The smaller id. */
  readonly left: AttemptId;
  readonly right: AttemptId;
  /** Printable, sorted, at least one. */
  readonly paths: readonly string[];
}

/** What was found out about some results, each looked at beside all others. */
export interface Forecast {
  readonly looked: readonly Result[];
  /** Of these results, and beside them. */
  readonly conflicts: readonly (Conflict & { readonly results: readonly [left: Result, right: Result] })[];
}

/** Patches in these states may still be merged. */
const MERGEABLE: readonly PatchState[] = ['pending', 'approved', 'changes-requested', 'conflict', 'set-aside'];
const STATES = MERGEABLE.map((state) => `'${state}'`).join(', ');

/** Of each task the newest patch that may still be merged, newest first. */
const NEWEST = `p.state IN (${STATES}) AND NOT EXISTS (SELECT 1 FROM patches newer JOIN attempts na ON na.id = newer.id
  WHERE newer.task = p.task AND newer.state IN (${STATES}) AND na.n > a.n)`;

export function mergeableResults(database: Database, most: number): Result[] {
  const sql = `SELECT p.id, p.task, p.baseTree, p.tree FROM patches p JOIN attempts a ON a.id = p.id
    WHERE ${NEWEST} ORDER BY p.createdAt DESC, p.id LIMIT ?`;
  return database.all<Result>(sql, most);
}

/** How results were when they were looked at, by id. */
export function lookedAt(database: Database): Map<AttemptId, string> {
  type Row = Pick<typeof forecasts.$inferSelect, 'left' | 'leftTrees'>;
  const rows = database.all<Row>('SELECT left, leftTrees FROM forecasts WHERE left = right');
  return new Map(rows.map((row) => [row.left, row.leftTrees]));
}

export function addForecast(database: Database, { looked, conflicts }: Forecast): void {
  database.transaction(() => {
    for (const result of looked) {
      database.run('DELETE FROM forecasts WHERE left = ? OR right = ?', result.id, result.id);
      insert(database, { results: [result, result], paths: [] });
    }
    for (const conflict of conflicts) insert(database, conflict);
  });
}

/** These were left out, so that others were not looked at beside them: what was said of them counts no more. */
export function forget(database: Database, ids: readonly AttemptId[]): void {
  if (ids.length === 0) return;
  database.transaction(() => {
    for (const id of ids) database.run('DELETE FROM forecasts WHERE left = ? OR right = ?', id, id);
  });
}

function insert(
  database: Database,
  { results, paths }: { readonly results: readonly [Result, Result]; readonly paths: readonly string[] },
): void {
  const [left, right] = results;
  const sql = 'INSERT OR REPLACE INTO forecasts (left, right, leftTrees, rightTrees, paths) VALUES (?, ?, ?, ?, ?)';
  database.run(sql, left.id, right.id, treesOf(left), treesOf(right), JSON.stringify(paths));
}

/** `<base tree>:<result tree>`. */
export function treesOf({ baseTree, tree }: Pick<Result, 'baseTree' | 'tree'>): string {
  return `${baseTree}:${tree}`;
}

/** Those between patches that are as they were, and snapshots of attempts under way. */
export function conflicts(database: Database): Conflict[] {
  const side = (
    name: string,
  ): string => `(EXISTS (SELECT 1 FROM attempts a WHERE a.id = f.${name} AND a.state <> 'ended')
    OR EXISTS (SELECT 1 FROM patches p JOIN attempts a ON a.id = p.id
      WHERE p.id = f.${name} AND p.baseTree || ':' || p.tree = f.${name}Trees AND ${NEWEST}))`;
  const sql = `SELECT f.left, f.right, f.paths FROM forecasts f WHERE f.left <> f.right
    AND ${side('left')} AND ${side('right')} ORDER BY f.left, f.right`;
  const rows = database.all<Pick<typeof forecasts.$inferSelect, 'left' | 'right' | 'paths'>>(sql);
  return rows.map(({ left, right, paths }) => ({ left, right, paths: JSON.parse(paths) as string[] }));
}
