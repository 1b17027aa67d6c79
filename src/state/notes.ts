/** What agents want each other to know. */

import type { Database } from './database.ts';

export interface Note {
  readonly text: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
}

/** An agent that writes without end must not fill the others' prompts. */
const LONGEST_NOTE = 4_000;
const MOST_NOTES = 200;

export function addNote(database: Database, text: string): void {
  const kept = text.slice(0, LONGEST_NOTE);
  const sql = 'INSERT INTO notes (text, createdAt) SELECT ?, ? WHERE NOT EXISTS (SELECT 1 FROM notes WHERE text = ?)';
  database.run(sql, kept, new Date().toISOString(), kept);
}

export function newestNotes(database: Database): Note[] {
  return database.all<Note>('SELECT text, createdAt FROM notes ORDER BY seq DESC LIMIT ?', MOST_NOTES).reverse();
}
