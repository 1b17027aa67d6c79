/**
 * Which task resolves the conflict of which patch. Kept as long as the task: whatever it starts from later, its patch stands
 * in the place of that one.
 */

import { next, PATCH_MACHINE } from '../tasks/machine.ts';
import type { AttemptId, ObjectId, PatchState, TaskId } from '../types.ts';
import type { Database } from './database.ts';

const PREFIX = 'resolves:';

export function addResolution(database: Database, task: TaskId, patch: AttemptId): void {
  database.insert('meta', { key: `${PREFIX}${task}`, value: patch });
}

export function resolvedBy(database: Database, task: TaskId): AttemptId | null {
  const sql = 'SELECT value FROM meta WHERE key = ?';
  return database.get<{ value: AttemptId }>(sql, `${PREFIX}${task}`)?.value ?? null;
}

export function resolutionsOf(database: Database, patch: AttemptId): TaskId[] {
  const sql = 'SELECT id FROM meta JOIN tasks ON key = ? || id WHERE value = ? ORDER BY seq';
  return database.all<{ id: TaskId }>(sql, PREFIX, patch).map((row) => row.id);
}

interface Merged {
  readonly id: AttemptId;
  readonly task: TaskId;
  readonly state: PatchState;
  readonly mergedAs: ObjectId | null;
  readonly mergedInto: string | null;
}

/** `id` is merged, and with it the patch whose conflict it resolves: by the same commit. Call it within a transaction. */
export function mergeResolved(database: Database, id: AttemptId): void {
  const find = (patch: AttemptId): Merged | null =>
    database.get<Merged>('SELECT id, task, state, mergedAs, mergedInto FROM patches WHERE id = ?', patch);
  const merged = find(id);
  const wanted = merged === null ? null : resolvedBy(database, merged.task);
  const resolved = wanted === null ? null : find(wanted);
  if (merged === null || resolved === null || next(PATCH_MACHINE, resolved.state, 'merged') === null) return;
  const sql = "UPDATE patches SET state = 'merged', reason = ?, mergedAs = ?, mergedInto = ? WHERE id = ?";
  database.run(sql, `merged with ${id}, which resolves its conflict`, merged.mergedAs, merged.mergedInto, resolved.id);
  mergeResolved(database, resolved.id);
}
