/**
 * Brings a database to the version that this program knows, with guards for what drizzle's migrator gets wrong: it
 * deletes child rows when it rebuilds a table (drizzle-orm#5782) and skips migrations out of time order (#5769).
 */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { environmentError, type OrchestrateError } from '../errors.ts';
import type { Database } from './database.ts';
import { holdsExclusive, tryExclusive } from './exclusive.ts';

/** Beside this file, in the sources as in the build. */
export const MIGRATIONS = fileURLToPath(new URL('./migrations', import.meta.url));

/** The file whose lock the one coordinator of a repository holds. */
export const LOCK_FILE = 'lock.db';

/** How long to wait for the process that is migrating; a coordinator, which holds the lock for hours, is not waited out. */
const MIGRATION_TIMEOUT_MS = 10_000;
const IN_USE_TIMEOUT_MS = 1_000;
const POLL_MS = 10;

/** `none`: an empty database. `newer`: it has migrations that this program does not know. */
export type Version = 'none' | 'older' | 'current' | 'newer';

/** How the database compares with the migrations in `folder`. */
export function versionOf(database: Database, folder: string = MIGRATIONS): Version {
  const known = knownMigrations(folder);
  const applied = appliedMigrations(database);
  if (applied.size === 0) return 'none';
  if ([...applied].some((time) => !known.includes(time))) return 'newer';
  return applied.size < known.length ? 'older' : 'current';
}

/**
 * Applies what is missing, alone: under the lock that a coordinator holds, so that no coordinator (of an older version)
 * is at work meanwhile. Waits for another process that is migrating.
 * Errors (environment): STATE_NEWER, STATE_IN_USE, STATE_UNREADABLE.
 */
export function migrate(database: Database, folder: string = MIGRATIONS): void {
  const lockFile = join(dirname(database.file), LOCK_FILE);
  const started = performance.now();
  for (;;) {
    const version = versionOf(database, folder);
    if (version === 'current') return;
    if (version === 'newer') throw newerState();
    if (holdsExclusive(lockFile)) {
      applyAll(database, folder);
      return;
    }
    const lock = tryExclusive(lockFile);
    if (lock !== null) {
      try {
        // Asked again: another process may have migrated before this one had the lock.
        if (versionOf(database, folder) === version) applyAll(database, folder);
        continue;
      } finally {
        lock.release();
      }
    }
    if (performance.now() - started > (version === 'none' ? MIGRATION_TIMEOUT_MS : IN_USE_TIMEOUT_MS)) throw inUse();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
  }
}

export function newerState(): OrchestrateError {
  return environmentError('STATE_NEWER', 'The state of this repository was made by a newer version of orchestrate.', {
    hint: 'Install that version, or a later one.',
  });
}

export function olderState(): OrchestrateError {
  return environmentError('STATE_OLDER', 'The state of this repository was made by an older version of orchestrate.', {
    hint: 'Any command that changes something brings it up to date, for example `orchestrate run`.',
  });
}

function inUse(): OrchestrateError {
  return environmentError('STATE_IN_USE', 'An older version of orchestrate is at work in this repository.', {
    hint: 'Let it finish or stop it; then this version can bring the state up to date.',
  });
}

function applyAll(database: Database, folder: string): void {
  // Loaded here and by `require`, because it takes longer than the rest of the program and hardly ever is needed.
  const require = createRequire(import.meta.url);
  const { drizzle } = require('drizzle-orm/better-sqlite3') as typeof import('drizzle-orm/better-sqlite3');
  const migrator =
    require('drizzle-orm/better-sqlite3/migrator') as typeof import('drizzle-orm/better-sqlite3/migrator');
  const { client } = database;
  // Inside the migrator's transaction this pragma would do nothing.
  client.pragma('foreign_keys = OFF');
  try {
    migrator.migrate(drizzle(client), { migrationsFolder: folder });
    const orphans = client.pragma('foreign_key_check') as unknown[];
    const applied = appliedMigrations(database);
    const missing = knownMigrations(folder).filter((time) => !applied.has(time)).length;
    if (orphans.length > 0 || missing > 0) {
      throw environmentError(
        'STATE_UNREADABLE',
        `The state of this repository could not be brought up to date: ${database.file} (${orphans.length} orphaned rows, ${missing} missing migrations).`,
        { hint: 'Please report this as a bug of orchestrate and keep the file.' },
      );
    }
  } finally {
    client.pragma('foreign_keys = ON');
  }
}

/** The times that drizzle knows the migrations by, in the order of the journal. */
function knownMigrations(folder: string): number[] {
  const journal = JSON.parse(readFileSync(join(folder, 'meta/_journal.json'), 'utf8')) as {
    entries: { when: number }[];
  };
  return journal.entries.map((entry) => entry.when);
}

function appliedMigrations(database: Database): Set<number> {
  if (database.get("SELECT 1 FROM sqlite_master WHERE name = '__drizzle_migrations'") === null) return new Set();
  return new Set(
    database
      .all<{ time: number }>('SELECT created_at AS time FROM __drizzle_migrations')
      .map((row) => Number(row.time)),
  );
}
