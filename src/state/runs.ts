/** Queries and changes of runs, and the fence that keeps an older run's late results out. */

import type { AttemptId, ObjectId, RunId, Spent, Usage } from '../types.ts';
import type { Database } from './database.ts';
import { letGo } from './queue.ts';
import type { RunRecord } from './records.ts';
import { closeRequests } from './requests.ts';
import type { runs } from './schema.ts';
import { SUM_OF_USD, type UsageRow, usageFrom } from './usage.ts';

type RunRow = typeof runs.$inferSelect;

export type NewRun = Omit<RunRecord, 'fence' | 'startedAt' | 'endedAt' | 'isolation' | 'continues'> &
  Partial<Pick<RunRecord, 'isolation' | 'continues'>>;

/** A run and those that it goes on for. */
const CHAIN = `WITH RECURSIVE chain (id) AS (
    SELECT ? UNION SELECT continues FROM runs JOIN chain USING (id) WHERE continues IS NOT NULL) SELECT id FROM chain`;

export function beginRun(database: Database, run: NewRun): RunRecord {
  return database.transaction(() => {
    const startedAt = new Date().toISOString();
    // Whoever holds the coordinator's lock begins a run: one that has no end by now was cut off.
    database.run('UPDATE runs SET endedAt = ? WHERE endedAt IS NULL', startedAt);
    // Asked before this run began, it was not asked of this run.
    closeRequests(database);
    letGo(database);
    const record: RunRecord = {
      isolation: null,
      continues: null,
      ...run,
      fence: newestFence(database) + 1,
      startedAt,
      endedAt: null,
    };
    database.insert('runs', { ...record });
    return record;
  });
}

export function endRun(database: Database, id: RunId): void {
  database.transaction(() => {
    letGo(database);
    database.run('UPDATE runs SET endedAt = ? WHERE id = ? AND endedAt IS NULL', new Date().toISOString(), id);
  });
}

export function currentRun(database: Database): RunRecord | null {
  return database.get<RunRow>('SELECT * FROM runs WHERE endedAt IS NULL ORDER BY fence DESC LIMIT 1');
}

export function cutOffRun(database: Database): RunRecord | null {
  const sql = `SELECT * FROM runs WHERE fence = (SELECT max(fence) FROM runs) AND endedAt IS NULL
    AND NOT EXISTS (SELECT 1 FROM events WHERE run = runs.id AND json_extract(body, '$.type') = 'run.ended')
    AND (EXISTS (SELECT 1 FROM attempts WHERE state <> 'ended')
      OR EXISTS (SELECT 1 FROM attempts JOIN tasks ON tasks.id = attempts.task
        WHERE attempts.run = runs.id AND tasks.state = 'queued'))`;
  return database.get<RunRow>(sql);
}

export function baseOfAttempt(database: Database, attempt: AttemptId): ObjectId | null {
  const sql = 'SELECT base FROM runs JOIN attempts ON run = runs.id WHERE attempts.id = ?';
  return database.get<Pick<RunRow, 'base'>>(sql, attempt)?.base ?? null;
}

export function usageOfRun(database: Database, id: RunId): Usage {
  const sql = `SELECT total(inputTokens) AS inputTokens, total(outputTokens) AS outputTokens,
    total(cacheReadTokens) AS cacheReadTokens, total(cacheWriteTokens) AS cacheWriteTokens, ${SUM_OF_USD}
    FROM attempts WHERE run IN (${CHAIN})`;
  return usageFrom(database.get<UsageRow>(sql, id));
}

export function spentByRun(database: Database, id: RunId): Spent {
  const sql = `SELECT total(usd) + total(CASE state WHEN 'ended' THEN unsettledUsd END) AS usd,
    total(inputTokens + outputTokens + cacheReadTokens + cacheWriteTokens)
      + total(CASE state WHEN 'ended' THEN unsettledTokens END) AS tokens
    FROM attempts WHERE run IN (${CHAIN})`;
  return database.get<Spent>(sql, id) ?? { usd: 0, tokens: 0 };
}

/** 0 before the first run. */
export function newestFence(database: Database): number {
  return database.get<{ fence: number | null }>('SELECT max(fence) AS fence FROM runs')?.fence ?? 0;
}
