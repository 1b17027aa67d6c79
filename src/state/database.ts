/** One connection to the state's SQLite file: how it is opened, its prepared statements, and its failures in words. */

import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import Sqlite from 'better-sqlite3';
import { environmentError, OrchestrateError } from '../errors.ts';

export type Value = string | number | null;

const BUSY_TIMEOUT_MS = 5000;

export class Database {
  /** Called when the disk is full; true: there is more room now, and the change is tried once more. */
  makeRoom: () => boolean = () => false;
  /** The driver's connection, for the migrations. */
  readonly client: Sqlite.Database;
  readonly #statements = new Map<string, Sqlite.Statement<Value[]>>();
  readonly #raw = new Map<string, { statement: Sqlite.Statement<Value[]>; names: string[] }>();

  /** Opens an existing file. A connection for reading changes nothing, not even the journal mode. */
  constructor(
    readonly file: string,
    mode: 'read' | 'write',
  ) {
    this.client = explained(file, () => {
      const client = new Sqlite(file, { fileMustExist: true, readonly: mode === 'read', timeout: BUSY_TIMEOUT_MS });
      try {
        if (mode === 'write') {
          if (client.pragma('journal_mode', { simple: true }) !== 'wal') client.pragma('journal_mode = WAL');
          client.pragma('synchronous = FULL');
          client.pragma('foreign_keys = ON');
        }
        return client;
      } catch (error) {
        client.close();
        throw error;
      }
    });
  }

  close(): void {
    this.client.close();
  }

  /** The first row, or null. `Row` is what the caller knows of the statement. */
  get<Row>(sql: string, ...values: Value[]): Row | null {
    return explained(this.file, () => (this.#prepare(sql).get(...values) as Row | undefined) ?? null);
  }

  all<Row>(sql: string, ...values: Value[]): Row[] {
    return explained(this.file, () => {
      const { statement, names } = this.#prepareRaw(sql);
      return (statement.all(...values) as Value[][]).map((row) => {
        const named: Record<string, Value> = {};
        let i = 0;
        for (const name of names) named[name] = row[i++] ?? null;
        return named as Row;
      });
    });
  }

  /** The number of rows changed. */
  run(sql: string, ...values: Value[]): number {
    return this.#changed(() => this.#prepare(sql).run(...values).changes);
  }

  /** Inserts one row whose columns are the keys of `row`. */
  insert(table: string, row: Readonly<Record<string, Value>>): void {
    const columns = Object.keys(row);
    const names = columns.map((column) => `"${column}"`).join(', ');
    this.run(`INSERT INTO ${table} (${names}) VALUES (${columns.map(() => '?').join(', ')})`, ...Object.values(row));
  }

  /** All of `change` or nothing of it, alone among writers from its start. What it throws is thrown after undoing it. */
  transaction<Result>(change: () => Result): Result {
    return this.#changed(() => this.client.transaction(change).immediate());
  }

  #changed<Result>(change: () => Result): Result {
    const isWhole = !this.client.inTransaction;
    try {
      return explained(this.file, change);
    } catch (error) {
      const isFull = error instanceof OrchestrateError && error.code === 'STATE_DISK_FULL';
      // A part of a transaction cannot be tried alone: the whole of it is undone.
      if (!isFull || !isWhole || !this.makeRoom()) throw error;
      return explained(this.file, change);
    }
  }

  /** For many rows: the driver takes three times as long to name the values of each row as we do. */
  #prepareRaw(sql: string): { readonly statement: Sqlite.Statement<Value[]>; readonly names: readonly string[] } {
    let prepared = this.#raw.get(sql);
    if (prepared === undefined) {
      const statement = this.client.prepare<Value[]>(sql).raw();
      prepared = { statement, names: statement.columns().map((column) => column.name) };
      this.#raw.set(sql, prepared);
    }
    return prepared;
  }

  #prepare(sql: string): Sqlite.Statement<Value[]> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.client.prepare<Value[]>(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/** Does `act`; failures of SQLite or of the file system become errors for people, all others stay what they are. */
export function explained<Result>(file: string, act: () => Result): Result {
  try {
    return act();
  } catch (error) {
    throw inWords(file, error);
  }
}

function inWords(file: string, error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (error instanceof OrchestrateError || code === '') return error;
  const is = (...prefixes: string[]) => prefixes.some((prefix) => code.startsWith(prefix));
  if (is('SQLITE_READONLY', 'SQLITE_CANTOPEN', 'SQLITE_PERM', 'SQLITE_AUTH', 'EACCES', 'EPERM', 'EROFS')) {
    return environmentError('STATE_READ_ONLY', `The state of this repository cannot be written: ${file}.`, {
      hint: 'Give yourself write permission to the repository’s git directory, or work in a clone that you own.',
      cause: error,
    });
  }
  // A full disk shows as an I/O error too, when the file beside the database cannot grow.
  if (is('SQLITE_FULL', 'ENOSPC', 'EDQUOT', 'SQLITE_IOERR_SHMSIZE') || (is('SQLITE_IOERR') && isDiskFull(file))) {
    return environmentError(
      'STATE_DISK_FULL',
      `There is no room on the disk for the state of this repository: ${file}.`,
      {
        hint: 'Free some space and run the command again; nothing was half done.',
        cause: error,
      },
    );
  }
  if (is('SQLITE_BUSY', 'SQLITE_LOCKED')) {
    return environmentError('STATE_BUSY', 'Another process was writing the state of this repository for too long.', {
      hint: 'Run the command again.',
      cause: error,
    });
  }
  if (is('SQLITE_NOTADB', 'SQLITE_CORRUPT', 'SQLITE_IOERR', 'ENOTDIR', 'EEXIST', 'EISDIR')) {
    return environmentError('STATE_UNREADABLE', `The state of this repository cannot be read: ${file} (${code}).`, {
      hint: 'Move its folder away to start with an empty one; results stay under refs/orchestrate/.',
      cause: error,
    });
  }
  return error;
}

function isDiskFull(file: string): boolean {
  try {
    return statfsSync(dirname(file)).bavail === 0;
  } catch {
    return false;
  }
}
