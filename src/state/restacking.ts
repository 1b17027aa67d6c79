/** Patches that become others: amended by a person, restacked on another foundation, or to be done again. */

import { eventBetween, PATCH_MACHINE, USABLE_RESULTS } from '../tasks/machine.ts';
import type { AttemptId, Decider, Flag, ObjectId, PatchSize, PatchState, TaskId } from '../types.ts';
import { withdrawRequest } from './change-requests.ts';
import type { Database } from './database.ts';
import {
  attemptsOn,
  type ChangedFoundation,
  foundationsOf,
  outdate,
  outdatedBy,
  settleAbove,
  upToDate,
} from './foundations.ts';
import type { PatchRecord } from './records.ts';
import { queueTask, stateOf } from './tasks.ts';

/** What a patch is from now on. */
export interface PatchContent {
  readonly tree: ObjectId;
  readonly commit: ObjectId;
  readonly size: PatchSize;
  readonly flags: readonly Flag[];
}

export interface Amendment extends PatchContent {
  readonly state: PatchState;
  /** Null: it waits for a decision. */
  readonly decidedBy: Decider | null;
}

export interface Restacking extends PatchContent, Pick<PatchRecord, 'baseTree' | 'baseCommit' | 'original'> {
  readonly reason: string | null;
}

type Seen = Pick<PatchRecord, 'id' | 'state' | 'tree' | 'baseTree'>;

export function amendPatch(database: Database, seen: Seen, to: Amendment): boolean {
  return database.transaction(() => {
    const { id } = seen;
    if (isLanding(database, id)) return false;
    if (to.state !== seen.state && eventBetween(PATCH_MACHINE, seen.state, to.state) === null) return false;
    // What the agent left is kept once, and forgotten where the patch is that again.
    const sql = `UPDATE patches SET state = ?, reason = CASE ? WHEN state THEN reason END, decidedBy = ?,
      originalCommit = CASE coalesce(originalTree, tree) WHEN ? THEN NULL ELSE coalesce(originalCommit, "commit") END,
      originalTree = nullif(coalesce(originalTree, tree), ?), ${CONTENT}
      WHERE id = ? AND state = ? AND tree = ? AND baseTree = ?`;
    const values = [to.state, to.state, to.decidedBy, to.tree, to.tree, ...contentOf(to)];
    if (database.run(sql, ...values, id, seen.state, seen.tree, seen.baseTree) !== 1) return false;
    outdate(database, attemptsOn(database, id), {
      ...{ patch: id, tree: to.tree, reason: `builds on ${id}, which was amended` },
    });
    if (seen.state === 'rejected' && to.state !== 'rejected') settleAbove(database, id, false);
    if (seen.state === 'changes-requested' && to.state !== seen.state) withdrawRequest(database, id);
    return true;
  });
}

/** A merge that has it as it was is under way, or was cut off: what has landed must not be called something else. */
function isLanding(database: Database, id: AttemptId): boolean {
  const sql = `SELECT 1 FROM merges, json_each(commits) AS one
    WHERE endedAt IS NULL AND json_extract(one.value, '$.patch') = ?`;
  return database.get(sql, id) !== null;
}

/** Older results of the same task that are no longer what others should stand on. */
const REPLACEABLE = "('rejected', 'changes-requested', 'stale')";

export function replaceFoundations(database: Database, task: TaskId): AttemptId | null {
  return database.transaction(() => {
    const newest = `SELECT id, n, tree FROM patches JOIN attempts USING (id)
      WHERE patches.task = ? AND patches.state IN (SELECT value FROM json_each(?)) ORDER BY n DESC LIMIT 1`;
    const heir = database.get<{ id: AttemptId; n: number; tree: ObjectId }>(
      newest,
      task,
      JSON.stringify(USABLE_RESULTS),
    );
    if (heir === null) return null;
    const sql = `SELECT attempt, patch FROM foundations
      JOIN patches AS old ON old.id = patch JOIN attempts AS made ON made.id = patch
      JOIN attempts AS above ON above.id = attempt LEFT JOIN patches AS own ON own.id = attempt
      WHERE old.task = ? AND made.n < ? AND old.state IN ${REPLACEABLE}
      AND CASE WHEN own.id IS NULL THEN above.state <> 'ended'
        ELSE own.state NOT IN ('merged', 'rejected', 'salvaged') END`;
    for (const row of database.all<{ attempt: AttemptId; patch: AttemptId }>(sql, task, heir.n)) {
      const { attempt, patch } = row;
      database.run(
        'UPDATE OR IGNORE foundations SET patch = ? WHERE attempt = ? AND patch = ?',
        heir.id,
        attempt,
        patch,
      );
      database.run('DELETE FROM foundations WHERE attempt = ? AND patch = ?', attempt, patch);
      const reason = `builds on ${patch}, which ${heir.id} replaces`;
      outdate(database, [attempt], { patch: heir.id, tree: heir.tree, reason });
    }
    return heir.id;
  });
}

/**
 * Whether a patch is stale, or waits for the changes that were requested of it on a foundation that is another one now, and
 * nothing stands in the way of restacking it.
 */
export function isRestackable(database: Database, id: AttemptId): boolean {
  const row = database.get<{ state: PatchState; task: TaskId; n: number }>(
    'SELECT patches.state, patches.task, n FROM patches JOIN attempts USING (id) WHERE id = ?',
    id,
  );
  if (row === null) return false;
  const isLeft = row.state === 'changes-requested' && outdatedBy(database, id) !== null;
  if (row.state !== 'stale' && !isLeft) return false;
  const newer = `SELECT 1 FROM patches JOIN attempts USING (id)
    WHERE patches.task = ? AND n > ? AND patches.state <> 'salvaged'`;
  if (database.get(newer, row.task, row.n) !== null) return false;
  const unusable = `SELECT 1 FROM patches WHERE id IN (SELECT value FROM json_each(?))
    AND state NOT IN (SELECT value FROM json_each(?))`;
  const below = JSON.stringify(foundationsOf(database, id));
  return database.get(unusable, below, JSON.stringify(USABLE_RESULTS)) === null;
}

export function restackPatch(database: Database, seen: Seen, on: ChangedFoundation | null, to: Restacking): boolean {
  return database.transaction(() => {
    const { id } = seen;
    if (!isRestackable(database, id) || !isStill(database, id, on)) return false;
    const sql = `UPDATE patches SET baseTree = ?, baseCommit = ?, originalTree = ?, originalCommit = ?, ${CONTENT}
      WHERE id = ? AND state = ? AND tree = ? AND baseTree = ?`;
    const { original } = to;
    const values = [to.baseTree, to.baseCommit, original?.tree ?? null, original?.commit ?? null, ...contentOf(to)];
    if (database.run(sql, ...values, id, seen.state, seen.tree, seen.baseTree) !== 1) return false;
    // What a person wants changed of it still is to be changed.
    const reopen =
      "UPDATE patches SET state = 'pending', reason = ?, decidedBy = NULL WHERE id = ? AND state = 'stale'";
    database.run(reopen, to.reason, id);
    upToDate(database, id);
    return true;
  });
}

/** The patch stays stale with this reason, and its task is queued again unless it waits or is at work already. */
export function redoStale(database: Database, seen: Seen, on: ChangedFoundation | null, reason: string): boolean {
  return database.transaction(() => {
    const { id } = seen;
    if (!isRestackable(database, id) || !isStill(database, id, on)) return false;
    const sql = "UPDATE patches SET reason = ? WHERE id = ? AND state = 'stale' AND tree = ? AND baseTree = ?";
    if (database.run(sql, reason, id, seen.tree, seen.baseTree) !== 1) return false;
    const task = database.get<{ task: TaskId }>('SELECT task FROM patches WHERE id = ?', id)?.task;
    if (task !== undefined && stateOf(database, task) === 'succeeded') queueTask(database, task, reason);
    return true;
  });
}

/** Whether nothing below it changed again since that was read. */
function isStill(database: Database, id: AttemptId, on: ChangedFoundation | null): boolean {
  const now = outdatedBy(database, id);
  return now?.patch === on?.patch && now?.tree === on?.tree;
}

const CONTENT = 'tree = ?, "commit" = ?, files = ?, insertions = ?, deletions = ?, flags = ?';

function contentOf({ tree, commit, size, flags }: PatchContent): (string | number)[] {
  return [tree, commit, size.files, size.insertions, size.deletions, JSON.stringify(flags)];
}
