/** What happened since a moment, for the report: must stay quick with 10,000 tasks, so the timeline is read in parts. */

import type { OrchestrateEvent } from '../events.ts';
import type { AttemptId, RunId } from '../types.ts';
import { recordOf as attemptOf } from './attempts.ts';
import type { Database } from './database.ts';
import type { AttemptRecord, RunRecord } from './records.ts';
import type { attempts, checks, merges, runs } from './schema.ts';

type CheckRow = typeof checks.$inferSelect;

/** A merge that moved its target. */
export interface Landing {
  /** Null: the merge was cut off after its target moved. */
  readonly endedAt: string | null;
  readonly patches: readonly AttemptId[];
}

export interface History {
  /** At work at some time since then, oldest first. */
  readonly runs: readonly RunRecord[];
  /** Ended since then or not ended, in the order of claiming. */
  readonly attempts: readonly AttemptRecord[];
  /** Of those runs: what happened to a whole run, pauses, what was refused, warnings. In order. */
  readonly events: readonly OrchestrateEvent[];
  readonly landings: readonly Landing[];
  /** Ended since then, red or flaky, newest first: of patches, and of merges that a patch made red. */
  readonly alarms: readonly CheckAlarm[];
  readonly checksPassed: number;
}

export interface CheckAlarm {
  readonly patch: AttemptId;
  readonly command: string;
  readonly exitCode: number;
  readonly isFlaky: boolean;
  /** Name of the file in the state's folder that has its output. */
  readonly log: string | null;
  readonly endedAt: string;
  /** Not of the patch's own result as it is now: of a merged tree, or of an earlier result. */
  readonly isElsewhere: boolean;
}

/** What a report tells; the rest of the timeline says what the attempts' own rows say. */
const TOLD = `('run.started', 'run.ready', 'run.paused', 'run.resumed', 'run.stopping', 'run.ended',
  'task.paused', 'task.resumed', 'egress.denied', 'warning')`;

export function newestRun(database: Database): RunRecord | null {
  return database.get<typeof runs.$inferSelect>('SELECT * FROM runs ORDER BY fence DESC LIMIT 1');
}

/** Why a run starts nothing: `cause` as in the event that said so; `isOver`: nothing more will be. */
export interface Standstill {
  readonly cause: string;
  readonly reason: string;
  readonly isOver: boolean;
}

/** Null: nothing stands in its way. Cheap enough for every `status`. */
export function standstillOf(database: Database, run: RunId): Standstill | null {
  // What belongs to no task is found by the index; what ends a run stays true.
  const sql = `SELECT body FROM events WHERE task IS NULL AND run = ?
    AND json_extract(body, '$.type') IN ('run.paused', 'run.resumed', 'run.stopping')
    ORDER BY json_extract(body, '$.type') = 'run.stopping' DESC, seq DESC LIMIT 1`;
  const found = database.get<{ body: string }>(sql, run);
  const event = found === null ? null : (JSON.parse(found.body) as OrchestrateEvent);
  if (event?.type !== 'run.paused' && event?.type !== 'run.stopping') return null;
  return { cause: event.cause ?? 'unknown', reason: event.reason, isOver: event.type === 'run.stopping' };
}

/** `since`: ISO 8601, UTC, as the columns have it. `mostEvents`: the newest of them. */
export function historySince(database: Database, since: string, mostEvents: number): History {
  const runsSql = 'SELECT * FROM runs WHERE endedAt IS NULL OR endedAt >= ? ORDER BY fence';
  const attemptsSql = "SELECT * FROM attempts WHERE state <> 'ended' OR endedAt >= ? ORDER BY rowid";
  const eventsSql = `SELECT body FROM events WHERE run IN (SELECT id FROM runs WHERE endedAt IS NULL OR endedAt >= ?)
    AND json_extract(body, '$.type') IN ${TOLD} ORDER BY seq DESC LIMIT ?`;
  const landingsSql = 'SELECT * FROM merges WHERE landed = 1 AND coalesce(endedAt, startedAt) >= ? ORDER BY seq';
  const alarmsSql = `SELECT checks.*, checks.tree IS NOT patches.tree AS isElsewhere
    FROM checks JOIN patches ON patches.id = checks.patch
    WHERE checks.endedAt >= ? AND (exitCode <> 0 OR isFlaky) ORDER BY seq DESC`;
  const passedSql = 'SELECT count(*) AS count FROM checks WHERE endedAt >= ? AND exitCode = 0';
  return {
    runs: database.all<typeof runs.$inferSelect>(runsSql, since),
    attempts: database.all<typeof attempts.$inferSelect>(attemptsSql, since).map(attemptOf),
    events: database
      .all<{ body: string }>(eventsSql, since, mostEvents)
      .reverse()
      .map(({ body }) => JSON.parse(body) as OrchestrateEvent),
    landings: database.all<typeof merges.$inferSelect>(landingsSql, since).map(({ endedAt, commits }) => ({
      endedAt,
      patches: (JSON.parse(commits) as { readonly patch: AttemptId }[]).map(({ patch }) => patch),
    })),
    alarms: database.all<CheckRow & { isElsewhere: number }>(alarmsSql, since).map(alarmOf),
    checksPassed: database.get<{ count: number }>(passedSql, since)?.count ?? 0,
  };
}

function alarmOf(row: CheckRow & { isElsewhere: number }): CheckAlarm {
  const { patch, command, exitCode, log, endedAt } = row;
  // As SQLite has it, whatever drizzle says: 0 or 1.
  return {
    patch,
    command,
    exitCode,
    log,
    endedAt,
    isFlaky: Number(row.isFlaky) === 1,
    isElsewhere: row.isElsewhere === 1,
  };
}
