/**
 * A lock between processes: an open exclusive transaction on a SQLite file of its own. The kernel frees it with the
 * process, however that ends, and it holds while the process is stopped.
 */

import { closeSync, openSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { explained } from './database.ts';

export interface Exclusive {
  /** Frees the lock; again does nothing. */
  release(): void;
  isHeld(): boolean;
}

/** Files locked by this process. */
const held = new Set<string>();

/**
 * Takes the lock of `file`, which is created (0600) where it does not exist; its folder must. Never waits: null while
 * another process, or this one, holds it. The file must not be opened in any other way: POSIX locks of a process go
 * with the first descriptor of the file that it closes. Errors (environment): STATE_READ_ONLY, STATE_DISK_FULL.
 */
export function tryExclusive(file: string): Exclusive | null {
  return explained(file, () => take(canonical(file)));
}

function take(path: string): Exclusive | null {
  if (held.has(path)) return null;
  createPrivate(path);
  const database = new Sqlite(path, { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY')) return null;
    throw error;
  }
  held.add(path);
  return {
    isHeld: () => database.open,
    release() {
      if (!database.open) return;
      database.close();
      held.delete(path);
    },
  };
}

/** Whether this process holds the lock of `file`. */
export function holdsExclusive(file: string): boolean {
  return held.has(canonical(file));
}

/** Creates an empty file that only its owner can read, unless it exists; an existing one is not opened. */
export function createPrivate(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function canonical(file: string): string {
  return join(realpathSync(dirname(file)), basename(file));
}
