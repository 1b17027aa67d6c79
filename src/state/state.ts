/**
 * The state of a repository: tasks, runs, attempts, patches and the timeline, in one SQLite file. Each change is one
 * transaction, on disk when the call returns. The command line and a running coordinator use it at the same time.
 */

import { accessSync, chmodSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Database, explained } from './database.ts';
import { createPrivate } from './exclusive.ts';
import { migrate, newerState, olderState, versionOf } from './migrate.ts';
import { State } from './writer.ts';

export type { State } from './writer.ts';

const FILE = 'state.db';

/**
 * Opens the state in `directory`, which is created (0700, files 0600) where it does not exist, and brings it up to date.
 * Errors (environment): STATE_NEWER made by a newer version; STATE_IN_USE it needs to be brought up to date while a
 * coordinator of an older version works; STATE_READ_ONLY, STATE_UNREADABLE, STATE_DISK_FULL, STATE_BUSY.
 */
export function openState(directory: string): State {
  const file = join(directory, FILE);
  explained(file, () => {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    if ((statSync(directory).mode & 0o077) !== 0) chmodSync(directory, 0o700);
    createPrivate(file);
    accessSync(file, constants.R_OK | constants.W_OK);
  });
  const database = new Database(file, 'write');
  try {
    explained(file, () => migrate(database));
    return new State(directory, database);
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Opens the state in `directory` to look at it; null where there is none yet. Nothing is created or brought up to date.
 * Errors (environment): STATE_NEWER, STATE_OLDER, STATE_READ_ONLY, STATE_UNREADABLE.
 */
export function openStateForReading(directory: string): State | null {
  const file = join(directory, FILE);
  if (!existsSync(file)) return null;
  const database = new Database(file, 'read');
  try {
    const version = versionOf(database);
    if (version === 'newer') throw newerState();
    if (version === 'older') throw olderState();
    if (version === 'current') return new State(directory, database);
  } catch (error) {
    database.close();
    throw error;
  }
  database.close();
  return null;
}
