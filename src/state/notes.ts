/** What agents and people leave for others. */

import type { AttemptId, NoteKind, RunId, TaskId } from '../types.ts';
import type { Database } from './database.ts';
import type { NewNote, NoteRecord, RelevantNote } from './records.ts';
import type { attempts, notes, tasks } from './schema.ts';

type NoteRow = Pick<typeof notes.$inferSelect, 'seq' | 'attempt' | 'kind' | 'text' | 'createdAt'> & {
  readonly task: TaskId | null;
  readonly role: string | null;
};

const SELECT = `SELECT notes.seq, notes.attempt, notes.kind, notes.text, notes.createdAt,
  attempts.task AS task, tasks.agent AS role`;
const WITH_WRITER = 'LEFT JOIN attempts ON attempts.id = notes.attempt LEFT JOIN tasks ON tasks.id = attempts.task';

/** Null where the note of that source is known already. */
export function addNote(database: Database, { attempt, kind, source, text }: NewNote): NoteRecord | null {
  return database.transaction(() => {
    const sql = `INSERT INTO notes (attempt, kind, source, text, createdAt) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (source) DO NOTHING`;
    if (database.run(sql, attempt, kind, source, text, new Date().toISOString()) === 0) return null;
    return findNote(database, newestNote(database));
  });
}

export function allNotes(database: Database): NoteRecord[] {
  return database.all<NoteRow>(`${SELECT} FROM notes ${WITH_WRITER} ORDER BY notes.seq`).map(recordOf);
}

export function findNote(database: Database, id: number): NoteRecord | null {
  const row = database.get<NoteRow>(`${SELECT} FROM notes ${WITH_WRITER} WHERE notes.seq = ?`, id);
  return row === null ? null : recordOf(row);
}

export function knowsNote(database: Database, source: string): boolean {
  return database.get('SELECT 1 FROM notes WHERE source = ?', source) !== null;
}

export function newestNote(database: Database): number {
  return database.get<{ last: number | null }>('SELECT max(seq) AS last FROM notes')?.last ?? 0;
}

export function countNotes(database: Database, attempt: AttemptId, kind: NoteKind | null): number {
  const sql = 'SELECT count(*) AS n FROM notes WHERE attempt = ? AND kind = coalesce(?, kind)';
  return database.get<{ n: number }>(sql, attempt, kind)?.n ?? 0;
}

/**
 * Close are notes of people, of its task's earlier attempts and of all that its task depends on. Then come those of the
 * same plan, of the run that it is of and of the newest one, which may have taken it over.
 */
export function notesFor(database: Database, attempt: AttemptId, most: number): RelevantNote[] {
  const own = database.get<
    Pick<typeof attempts.$inferSelect, 'task' | 'run'> & Pick<typeof tasks.$inferSelect, 'plan'>
  >(
    'SELECT attempts.task, attempts.run, tasks.plan FROM attempts JOIN tasks ON tasks.id = task WHERE attempts.id = ?',
    attempt,
  );
  if (own === null) return [];
  const current = database.get<{ id: RunId }>('SELECT id FROM runs ORDER BY fence DESC LIMIT 1')?.id ?? own.run;
  // Numbers first, texts of the chosen ones last: of 10,000 notes nobody reads the others.
  const sql = `WITH RECURSIVE close (task) AS (
      SELECT ? UNION SELECT dependencies.dependsOn FROM dependencies JOIN close ON dependencies.task = close.task
    ),
    writers (attempt, isClose) AS (
      SELECT id, task IN close FROM attempts WHERE id <> ? AND (task IN close OR run IN (?, ?)
        OR task IN (SELECT id FROM tasks WHERE plan = ?))
    ),
    chosen (seq, isClose) AS (
      SELECT seq, isClose FROM notes JOIN writers USING (attempt)
      UNION ALL SELECT seq, 1 FROM notes WHERE attempt IS NULL
      ORDER BY 2 DESC, 1 DESC LIMIT ?
    )
    ${SELECT}, chosen.isClose FROM chosen JOIN notes ON notes.seq = chosen.seq ${WITH_WRITER}
    ORDER BY chosen.isClose DESC, notes.seq DESC`;
  const rows = database.all<NoteRow & { readonly isClose: number }>(
    sql,
    ...[own.task, attempt, own.run, current, own.plan, most],
  );
  return rows.map((row) => ({ ...recordOf(row), isClose: row.isClose === 1 }));
}

function recordOf({ seq, attempt, task, role, kind, text, createdAt }: NoteRow): NoteRecord {
  const from = attempt === null || task === null || role === null ? null : { attempt, task, role };
  return { id: seq, from, kind, text, createdAt };
}
