/** Queries and changes of checks. Every one that was done stays; only the newest on a patch's present tree counts. */

import type { AttemptId } from '../types.ts';
import type { Database } from './database.ts';
import type { CheckRecord } from './records.ts';
import type { checks } from './schema.ts';

type CheckRow = typeof checks.$inferSelect;

/** Of each patch that counts, in the order in which they ended; `where` is about `checks`. */
const counting = (where: string): string => `SELECT checks.* FROM checks
  JOIN patches ON patches.id = checks.patch AND patches.tree = checks.tree
  WHERE ${where} NOT EXISTS (SELECT 1 FROM checks AS newer WHERE newer.patch = checks.patch
    AND newer.tree = checks.tree AND newer.command = checks.command AND newer.seq > checks.seq)
  ORDER BY checks.seq`;

export function addChecks(database: Database, patch: AttemptId, records: readonly CheckRecord[]): void {
  const endedAt = new Date().toISOString();
  database.transaction(() => {
    for (const { isFlaky, ...record } of records) {
      database.insert('checks', { patch, ...record, isFlaky: isFlaky ? 1 : 0, endedAt });
    }
  });
}

export function checksOf(database: Database, patch: string): CheckRecord[] {
  return database.all<CheckRow>(counting('checks.patch = ? AND'), patch).map(recordOf);
}

export function allChecks(database: Database): ReadonlyMap<AttemptId, readonly CheckRecord[]> {
  const checked = new Map<AttemptId, CheckRecord[]>();
  for (const row of database.all<CheckRow>(counting(''))) {
    const known = checked.get(row.patch);
    if (known === undefined) checked.set(row.patch, [recordOf(row)]);
    else known.push(recordOf(row));
  }
  return checked;
}

/** In one step: somebody may amend the patch meanwhile, and what passed is not what would be approved then. */
export function approveChecked(database: Database, id: AttemptId, tree: string): boolean {
  const sql = `UPDATE patches SET state = 'approved', reason = NULL, decidedBy = 'policy'
    WHERE id = ? AND state = 'pending' AND tree = ?`;
  return database.run(sql, id, tree) === 1;
}

function recordOf({ command, exitCode, durationMs, tree, isFlaky, log }: CheckRow): CheckRecord {
  // As SQLite has it, whatever drizzle says: 0 or 1.
  return { command, exitCode, durationMs, tree, isFlaky: Number(isFlaky) === 1, log };
}
