/** States as older versions of the program left them. */

import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MIGRATIONS } from '../../src/state/migrate.ts';

export interface Journal {
  entries: { idx: number; when: number; tag: string; version: string; breakpoints: boolean }[];
}

export function journalOf(folder: string): Journal {
  return JSON.parse(readFileSync(join(folder, 'meta/_journal.json'), 'utf8')) as Journal;
}

/** A copy of the first `count` migrations, in a new folder below `temporary`. */
export function firstMigrations(temporary: string, count: number): string {
  const folder = mkdtempSync(join(temporary, 'migrations-'));
  cpSync(MIGRATIONS, folder, { recursive: true });
  const journal = journalOf(folder);
  const entries = journal.entries.slice(0, count);
  writeFileSync(join(folder, 'meta/_journal.json'), JSON.stringify({ ...journal, entries }));
  return folder;
}
