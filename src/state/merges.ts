/** The journal of merges: what is to land is written down before the branch moves, and closed with its patches. */

import type { AttemptId, ObjectId } from '../types.ts';
import { withdrawRequest } from './change-requests.ts';
import type { Database } from './database.ts';
import { settleAbove } from './foundations.ts';
import type { PatchRecord } from './records.ts';
import { mergeResolved } from './resolutions.ts';
import type { merges } from './schema.ts';

type MergeRow = typeof merges.$inferSelect;

export interface NewMerge {
  /** Full name of the ref that moves; `HEAD` where it is detached. */
  readonly target: string;
  readonly from: ObjectId;
  readonly to: ObjectId;
  /** In the order of merging. */
  readonly commits: readonly MergedCommit[];
  /** Top of the work tree that moves along; null: none has the target checked out. */
  readonly workTree: string | null;
}

export interface MergedCommit {
  readonly patch: AttemptId;
  /** What the patch became; where the target had it already, the commit that it came to. */
  readonly commit: ObjectId;
}

/** A merge that has no end yet. */
export interface OpenMerge extends NewMerge {
  readonly seq: number;
}

/** A patch as it was when it was looked at; without a state: approved. */
export type SeenPatch = Pick<PatchRecord, 'id' | 'baseTree' | 'tree'> & Partial<Pick<PatchRecord, 'state'>>;

/** Null, and nothing is written, where one of the patches is in another state, or is another change by now. */
export function beginMerge(database: Database, merge: NewMerge, seen: readonly SeenPatch[]): number | null {
  return database.transaction(() => {
    const sql = 'SELECT 1 FROM patches WHERE id = ? AND state = ? AND baseTree = ? AND tree = ?';
    for (const { id, state = 'approved', baseTree, tree } of seen) {
      if (database.get(sql, id, state, baseTree, tree) === null) return null;
    }
    const { commits, ...row } = merge;
    const startedAt = new Date().toISOString();
    database.insert('merges', { ...row, commits: JSON.stringify(commits), startedAt });
    return database.get<{ seq: number }>('SELECT max(seq) AS seq FROM merges')?.seq ?? null;
  });
}

/** In the order of beginning. */
export function openMerges(database: Database): OpenMerge[] {
  const rows = database.all<MergeRow>('SELECT * FROM merges WHERE endedAt IS NULL ORDER BY seq');
  return rows.map(({ seq, target, from, to, workTree, commits }) => {
    return { seq, target, from, to, workTree, commits: JSON.parse(commits) as MergedCommit[] };
  });
}

/**
 * Closes a merge. Where it landed, its patches are merged, whatever was said of them since it began: the branch has them, and
 * what followed from a no is taken back.
 */
export function endMerge(database: Database, merge: OpenMerge, landed: boolean): void {
  database.transaction(() => {
    const closed = 'UPDATE merges SET endedAt = ?, landed = ? WHERE seq = ? AND endedAt IS NULL';
    if (database.run(closed, new Date().toISOString(), Number(landed), merge.seq) !== 1 || !landed) return;
    const into = merge.target === 'HEAD' ? null : merge.target.replace(/^refs\/heads\//, '');
    const sql = "UPDATE patches SET state = 'merged', reason = NULL, mergedAs = ?, mergedInto = ? WHERE id = ?";
    for (const { patch, commit } of merge.commits) {
      const before = database.get<Pick<PatchRecord, 'state'>>('SELECT state FROM patches WHERE id = ?', patch)?.state;
      database.run(sql, commit, into, patch);
      if (before === 'rejected') settleAbove(database, patch, false);
      if (before === 'changes-requested') withdrawRequest(database, patch);
      mergeResolved(database, patch);
    }
  });
}

/** Ids of all approved patches, sorted. */
export function approvedPatches(database: Database): AttemptId[] {
  const sql = "SELECT id FROM patches WHERE state = 'approved' ORDER BY id";
  return database.all<{ id: AttemptId }>(sql).map((row) => row.id);
}
