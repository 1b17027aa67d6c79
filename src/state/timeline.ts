/** The timeline: lifecycle events as they were emitted. */

import type { OrchestrateEvent, Readiness } from '../events.ts';
import type { RunId, TaskId } from '../types.ts';
import type { Database } from './database.ts';

/** What comes in floods and is kept elsewhere: output in the logs, usage with the attempt. */
const NOT_KEPT: ReadonlySet<OrchestrateEvent['type']> = new Set(['agent.output', 'agent.tool', 'usage']);

export function appendEvent(database: Database, event: OrchestrateEvent, run: RunId): void {
  if (NOT_KEPT.has(event.type)) return;
  const task = ('task' in event && event.task) || null;
  database.insert('events', { run, task, body: JSON.stringify(event) });
}

/** An event with its place in the timeline: later ones have greater numbers. */
export interface PlacedEvent {
  readonly seq: number;
  readonly event: OrchestrateEvent;
}

/** Of one run, after a place (0: from its beginning), in order, at most so many. */
export function eventsOfRun(database: Database, run: RunId, after: number, most: number): PlacedEvent[] {
  const sql = 'SELECT seq, body FROM events WHERE seq > ? AND run = ? ORDER BY seq LIMIT ?';
  const rows = database.all<{ seq: number; body: string }>(sql, after, run, most);
  return rows.map(({ seq, body }) => ({ seq, event: JSON.parse(body) as OrchestrateEvent }));
}

export function eventsOf(database: Database, task: TaskId): OrchestrateEvent[] {
  const rows = database.all<{ body: string }>('SELECT body FROM events WHERE task = ? ORDER BY seq', task);
  return rows.map((row) => JSON.parse(row.body) as OrchestrateEvent);
}

/** What a run found before its first agent; null: it never was ready. */
export function readinessOf(database: Database, run: RunId): Readiness | null {
  const sql = "SELECT body FROM events WHERE run = ? AND json_extract(body, '$.type') = 'run.ready' LIMIT 1";
  const row = database.get<{ body: string }>(sql, run);
  return row === null ? null : (JSON.parse(row.body) as Readiness);
}
