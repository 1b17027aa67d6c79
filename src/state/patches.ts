/** Queries and changes of patches. */

import { eventBetween, PATCH_MACHINE } from '../tasks/machine.ts';
import type { AttemptId, Decider, Flag, ObjectId, PatchState, TaskId } from '../types.ts';
import { withdrawRequest } from './change-requests.ts';
import { allChecks, checksOf } from './checks.ts';
import type { Database, Value } from './database.ts';
import { settleAbove, settleNew } from './foundations.ts';
import type { AttemptEnd, CheckRecord, PatchRecord } from './records.ts';
import { mergeResolved } from './resolutions.ts';
import type { patches } from './schema.ts';

type PatchRow = typeof patches.$inferSelect;

export interface PatchChange {
  readonly reason?: string;
  /** Not given: stays as it is. */
  readonly decidedBy?: Decider;
  readonly mergedAs?: ObjectId;
  readonly mergedInto?: string;
}

const IN_ORDER = 'FROM patches JOIN attempts USING (id) JOIN tasks ON tasks.id = patches.task';

export function allPatches(database: Database): PatchRecord[] {
  const checked = allChecks(database);
  const rows = database.all<PatchRow>(`SELECT patches.* ${IN_ORDER} ORDER BY tasks.seq, n`);
  return rows.map((row) => recordOf(row, checked.get(row.id) ?? []));
}

export function findPatch(database: Database, id: string): PatchRecord | null {
  const row = database.get<PatchRow>('SELECT * FROM patches WHERE id = ?', id);
  return row === null ? null : recordOf(row, checksOf(database, id));
}

/** The id of the patch of the task's newest attempt that has one. */
export function newestPatch(database: Database, task: string): AttemptId | null {
  const sql = 'SELECT patches.id FROM patches JOIN attempts USING (id) WHERE patches.task = ? ORDER BY n DESC LIMIT 1';
  return database.get<Pick<PatchRow, 'id'>>(sql, task)?.id ?? null;
}

/** All ids of patches with their tasks, in the order of tasks and attempts. */
export function patchIds(database: Database): { id: AttemptId; task: TaskId }[] {
  return database.all(`SELECT patches.id, patches.task ${IN_ORDER} ORDER BY tasks.seq, n`);
}

/** What waits for a person, by what it is now. */
export function pendingTrees(database: Database): Pick<PatchRow, 'id' | 'task' | 'tree'>[] {
  return database.all("SELECT id, task, tree FROM patches WHERE state = 'pending' ORDER BY rowid");
}

export function insertPatch(database: Database, patch: NonNullable<AttemptEnd['patch']>): void {
  const { size, flags, ...rest } = patch;
  const row = { ...rest, ...size, flags: JSON.stringify(flags), createdAt: new Date().toISOString() };
  database.insert('patches', row);
  settleNew(database, patch.id);
}

/** In place of what was salvaged of the attempt before, or where nothing was. False: it is the same, or no salvage any more. */
export function salvageLate(database: Database, patch: NonNullable<AttemptEnd['patch']>): boolean {
  return database.transaction(() => {
    const found = findPatch(database, patch.id);
    if (found === null) {
      insertPatch(database, patch);
      return true;
    }
    const { tree, commit, size, flags } = patch;
    const sql = `UPDATE patches SET tree = ?, "commit" = ?, files = ?, insertions = ?, deletions = ?, flags = ?
      WHERE id = ? AND state = 'salvaged' AND tree <> ?`;
    const { files, insertions, deletions } = size;
    const values = [tree, commit, files, insertions, deletions, JSON.stringify(flags), patch.id, tree];
    return database.run(sql, ...values) === 1;
  });
}

export function setPatchState(
  database: Database,
  id: AttemptId,
  way: { readonly from: readonly PatchState[]; readonly to: PatchState },
  change: PatchChange,
): boolean {
  return database.transaction(() => {
    const from = database.get<Pick<PatchRow, 'state'>>('SELECT state FROM patches WHERE id = ?', id)?.state;
    if (from === undefined || !way.from.includes(from)) return false;
    if (eventBetween(PATCH_MACHINE, from, way.to) === null) return false;
    const { reason, mergedAs, mergedInto, decidedBy } = change;
    const values: Value[] = [way.to, reason ?? null, mergedAs ?? null, mergedInto ?? null, decidedBy ?? null];
    const sql = `UPDATE patches SET state = ?, reason = ?, mergedAs = ?, mergedInto = ?,
      decidedBy = coalesce(?, decidedBy) WHERE id = ? AND state = ?`;
    if (database.run(sql, ...values, id, from) !== 1) return false;
    if (from === 'rejected' || way.to === 'rejected') settleAbove(database, id, way.to === 'rejected');
    if (way.to === 'merged') mergeResolved(database, id);
    if (from === 'changes-requested') withdrawRequest(database, id);
    return true;
  });
}

function recordOf(row: PatchRow, checked: readonly CheckRecord[]): PatchRecord {
  // Field by field: much faster than a spread, which thousands of patches notice.
  return {
    id: row.id,
    task: row.task,
    state: row.state,
    baseTree: row.baseTree,
    baseCommit: row.baseCommit,
    tree: row.tree,
    commit: row.commit,
    size: { files: row.files, insertions: row.insertions, deletions: row.deletions },
    flags: JSON.parse(row.flags) as Flag[],
    checks: checked,
    reason: row.reason,
    createdAt: row.createdAt,
    mergedAs: row.mergedAs,
    mergedInto: row.mergedInto,
    original:
      row.originalTree === null || row.originalCommit === null
        ? null
        : { tree: row.originalTree, commit: row.originalCommit },
    decidedBy: row.decidedBy,
  };
}
