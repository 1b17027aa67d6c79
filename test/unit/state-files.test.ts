/** The state on disk: who may read it, how it is migrated, and what several processes do to it at once. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OrchestrateError } from '../../src/errors.ts';
import { Database } from '../../src/state/database.ts';
import { createPrivate } from '../../src/state/exclusive.ts';
import { MIGRATIONS, migrate, versionOf } from '../../src/state/migrate.ts';
import { openState, openStateForReading } from '../../src/state/state.ts';
import { addTasks, allTasks } from '../../src/state/tasks.ts';
import { acquireLock } from '../../src/tasks/lock.ts';
import { type AttemptId, NO_USAGE, type ObjectId, type RunId, type TaskId } from '../../src/types.ts';
import { firstMigrations, journalOf } from '../support/first-migrations.ts';

const ROOT = join(import.meta.dirname, '../..');
const TASK = { description: '', agent: 'general', priority: 'normal', dependsOn: [] } as const;
const HOLDER = { pid: process.pid, startedAt: '2026-01-02T03:04:05.000Z', command: 'orchestrate run' };

let temporary: string;
let directory: string;
let file: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  temporary = mkdtempSync(join(tmpdir(), 'orchestrate-files-'));
  directory = join(temporary, 'git/orchestrate');
  file = join(directory, 'state.db');
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    const running = child.exitCode === null && child.signalCode === null;
    if (running && child.kill('SIGKILL')) await once(child, 'exit');
  }
  rmSync(temporary, { recursive: true });
});

function errorOf(act: () => unknown): Partial<OrchestrateError> {
  try {
    act();
  } catch (error) {
    return error as OrchestrateError;
  }
  throw new Error('nothing was thrown');
}

/** Runs a module in a process of its own; `source` sees `state` (the module) and `directory`. Resolves with its stdout. */
async function inProcess(source: string): Promise<string> {
  const imports = `const state = await import(${JSON.stringify(join(ROOT, 'src/state/state.ts'))});
    const directory = process.argv[1];`;
  const argv = ['--import', 'tsx', '--input-type=module', '-e', `${imports}\n${source}`, directory];
  const child = spawn(process.execPath, argv, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  expect(code).toBe(0);
  return output;
}

function addMigration(folder: string, sql: string, when?: number): void {
  const journal = journalOf(folder);
  const idx = journal.entries.length;
  const tag = `${String(idx).padStart(4, '0')}_added`;
  writeFileSync(join(folder, `${tag}.sql`), sql);
  const last = journal.entries.at(-1)?.when ?? 0;
  journal.entries.push({ idx, when: when ?? last + 1, tag, version: '6', breakpoints: true });
  writeFileSync(join(folder, 'meta/_journal.json'), JSON.stringify(journal));
}

/** A database with only the migrations in `folder`. */
function databaseWith(folder: string): Database {
  mkdirSync(directory, { recursive: true });
  createPrivate(file);
  const database = new Database(file, 'write');
  migrate(database, folder);
  return database;
}

describe('the files', () => {
  it('are for their owner alone, also when the folder was open to others', () => {
    mkdirSync(directory, { recursive: true, mode: 0o755 });
    const state = openState(directory);
    state.addTasks([{ ...TASK, title: 'a' }]);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    const modes = readdirSync(directory).map((name) => [name, statSync(join(directory, name)).mode & 0o777]);
    expect(Object.fromEntries(modes)).toMatchObject({ 'state.db': 0o600, 'state.db-wal': 0o600, 'lock.db': 0o600 });
    expect(modes.filter(([, mode]) => mode !== 0o600)).toEqual([]);
    state.close();
  });

  it('are durable and checked: WAL, synchronous FULL, foreign keys on', () => {
    openState(directory).close();
    const { client } = new Database(file, 'write');
    const pragmas = ['journal_mode', 'synchronous', 'foreign_keys', 'busy_timeout'];
    expect(pragmas.map((name) => client.pragma(name, { simple: true }))).toEqual(['wal', 2, 1, 5000]);
    client.close();
  });

  it('keep one installation id', () => {
    const first = openState(directory);
    const { installation } = first;
    first.close();
    const again = openState(directory);
    expect(again.installation).toBe(installation);
    expect(installation).toMatch(/^[0-9a-f]{12}$/);
    again.close();
  });

  it('are not made by reading', () => {
    expect(openStateForReading(directory)).toBeNull();
    expect(existsSync(directory)).toBe(false);
    mkdirSync(directory, { recursive: true });
    writeFileSync(file, '');
    expect(openStateForReading(directory)).toBeNull();
    expect(statSync(file).size).toBe(0);
  });

  it('that are no database are said to be unreadable', () => {
    mkdirSync(directory, { recursive: true });
    writeFileSync(file, 'not a database, but long enough to be taken for one'.repeat(100));
    for (const open of [openState, openStateForReading]) {
      expect(errorOf(() => open(directory))).toMatchObject({ kind: 'environment', code: 'STATE_UNREADABLE' });
    }
  });

  it('in the way of the folder are said to be unreadable', () => {
    mkdirSync(join(temporary, 'git'));
    writeFileSync(directory, '');
    expect(errorOf(() => openState(directory))).toMatchObject({ code: 'STATE_UNREADABLE' });
  });

  it('that cannot be written are said to be so', () => {
    // Permissions do not stop root, who becomes somebody else for the while.
    const root = process.getuid?.() === 0;
    openState(directory).close();
    const seen: Partial<OrchestrateError>[] = [];
    for (const folder of [directory, join(temporary, 'git/missing')]) {
      if (root) {
        chmodSync(temporary, 0o755);
        chmodSync(join(temporary, 'git'), 0o755);
        process.seteuid?.(65534);
      } else chmodSync(join(temporary, 'git'), 0o500);
      if (!root && existsSync(folder)) chmodSync(folder, 0o500);
      try {
        seen.push(errorOf(() => openState(folder)));
      } finally {
        if (root) process.seteuid?.(0);
        else for (const path of [join(temporary, 'git'), directory]) chmodSync(path, 0o700);
      }
    }
    const refusal = { kind: 'environment', code: 'STATE_READ_ONLY' };
    expect(seen).toEqual([expect.objectContaining(refusal), expect.objectContaining(refusal)]);
  });

  it('that found no room on the disk hold nothing half done', () => {
    openState(directory).close();
    const database = new Database(file, 'write');
    const pages = database.client.pragma('page_count', { simple: true });
    database.client.pragma(`max_page_count = ${pages}`);
    const big = Array.from({ length: 20 }, (_, i) => ({ ...TASK, title: `t${i}`, description: 'x'.repeat(4000) }));
    expect(errorOf(() => addTasks(database, big))).toMatchObject({ kind: 'environment', code: 'STATE_DISK_FULL' });
    expect(allTasks(database)).toEqual([]);
    database.close();
  });
});

describe('migrations', () => {
  it('are what drizzle-kit makes of the schema', { timeout: 60_000 }, () => {
    const folder = firstMigrations(temporary, 99);
    // It takes the folder relative to where it runs, and ends with 0 also when it fails.
    const where = ['--schema', './src/state/schema.ts', '--out', relative(ROOT, folder)];
    const kit = join(ROOT, 'node_modules/.bin/drizzle-kit');
    const said = execFileSync(kit, ['generate', '--dialect', 'sqlite', ...where], { cwd: ROOT, encoding: 'utf8' });
    expect(said).toContain('No schema changes');
    expect(readdirSync(folder).sort()).toEqual(readdirSync(MIGRATIONS).sort());
  });

  it('rise strictly in time and are all listed', () => {
    const { entries } = journalOf(MIGRATIONS);
    const times = entries.map((entry) => entry.when);
    expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
    const files = readdirSync(MIGRATIONS).filter((name) => name.endsWith('.sql'));
    expect(entries.map((entry) => `${entry.tag}.sql`)).toEqual(files.sort());
  });

  it('bring an older state up to date and keep what it holds', () => {
    const older = databaseWith(firstMigrations(temporary, 1));
    const what = { title: 'kept', description: 'kept', agent: 'general', priority: 1, state: 'queued', phase: 1 };
    older.insert('tasks', { seq: 1, id: 'kept', ...what, createdAt: '2026-01-01T00:00:00.000Z' });
    expect(versionOf(older)).toBe('older');
    older.close();
    expect(errorOf(() => openStateForReading(directory))).toMatchObject({ kind: 'environment', code: 'STATE_OLDER' });
    const state = openState(directory);
    expect(state.tasks()).toMatchObject([{ id: 'kept', files: [], size: 'medium', routing: null, chain: 3 }]);
    expect(state.installation).toMatch(/^[0-9a-f]{12}$/);
    state.close();
  });

  it('find out how much work waits for each task, up to a bound', () => {
    const older = databaseWith(firstMigrations(temporary, 2));
    const add = (seq: number, id: string, dependsOn: readonly string[]) => {
      const what = { title: id, description: id, agent: 'general', priority: 1, state: 'queued', phase: 1 };
      older.insert('tasks', { seq, id, ...what, createdAt: '2026-01-01T00:00:00.000Z' });
      for (const on of dependsOn) older.insert('dependencies', { task: id, dependsOn: on });
    };
    for (const [i, [id, on]] of [
      ['a', ''],
      ['b', ''],
      ['c', 'ab'],
      ['d', 'ac'],
    ].entries())
      add(i, `${id}`, [...`${on}`]);
    for (let i = 0; i < 150; i += 1) add(10 + i, `n${i}`, i === 0 ? [] : [`n${i - 1}`]);
    older.close();
    const state = openState(directory);
    const chain = (id: string) => state.task(id as TaskId).chain;
    expect(['a', 'b', 'c', 'd'].map(chain)).toEqual([9, 9, 6, 3]);
    expect(['n149', 'n148', 'n51', 'n50', 'n0'].map(chain)).toEqual([3, 6, 297, 300, 300]);
    state.close();
  });

  it('find out what earlier attempts stand on', () => {
    const older = databaseWith(firstMigrations(temporary, 2));
    const at = (second: number) => `2026-01-01T00:00:0${second}.000Z`;
    older.insert('runs', { id: 'r', fence: 1, pid: 1, startedAt: at(0), base: 'c' });
    const work = (task: string, n: number, second: number) => {
      const id = `${task}.${n}`;
      const trees = { baseTree: 't', baseCommit: 'c', tree: 't', commit: 'c', files: 1, insertions: 1, deletions: 0 };
      const where = { run: 'r', state: 'ended', host: 'local', container: id, engine: 'demo', startedAt: at(second) };
      older.insert('attempts', { id, task, n, ...where });
      older.insert('patches', { id, task, state: 'pending', ...trees, createdAt: at(second + 1) });
    };
    for (const [i, id] of ['a', 'b', 'c'].entries()) {
      const what = { title: id, description: id, agent: 'general', priority: 1, state: 'succeeded', phase: 1 };
      older.insert('tasks', { seq: i + 1, id, ...what, attempts: 1, createdAt: at(0) });
    }
    for (const task of ['b', 'c']) older.insert('dependencies', { task, dependsOn: 'a' });
    work('a', 1, 1);
    work('b', 1, 2);
    work('a', 2, 4);
    work('c', 1, 6);
    older.run("UPDATE patches SET state = 'rejected' WHERE id = 'a.2'");
    older.close();
    const state = openState(directory);
    expect(['b.1', 'c.1'].map((id) => state.foundationsOf(id as AttemptId))).toEqual([['a.1'], []]);
    state.close();
  });

  it('that rebuild a table leave the rows that refer to it', () => {
    const folder = firstMigrations(temporary, 2);
    addMigration(
      folder,
      `CREATE TABLE parent (id integer PRIMARY KEY);--> statement-breakpoint
       CREATE TABLE child (parent integer REFERENCES parent(id) ON DELETE CASCADE);--> statement-breakpoint
       INSERT INTO parent VALUES (1);--> statement-breakpoint
       INSERT INTO child VALUES (1);`,
    );
    databaseWith(folder).close();
    addMigration(
      folder,
      `CREATE TABLE __new_parent (id integer PRIMARY KEY, name text);--> statement-breakpoint
       INSERT INTO __new_parent (id) SELECT id FROM parent;--> statement-breakpoint
       DROP TABLE parent;--> statement-breakpoint
       ALTER TABLE __new_parent RENAME TO parent;`,
    );
    const database = databaseWith(folder);
    expect(database.all('SELECT * FROM child')).toEqual([{ parent: 1 }]);
    expect(database.client.pragma('foreign_keys', { simple: true })).toBe(1);
    database.close();
  });

  it('that leave rows without what they refer to are refused', () => {
    const folder = firstMigrations(temporary, 2);
    addMigration(folder, "INSERT INTO dependencies VALUES ('no', 'body');");
    expect(errorOf(() => databaseWith(folder))).toMatchObject({ code: 'STATE_UNREADABLE' });
  });

  it('that were skipped are noticed', () => {
    const folder = firstMigrations(temporary, 2);
    databaseWith(folder).close();
    addMigration(folder, 'CREATE TABLE late (id integer);', (journalOf(folder).entries[0]?.when ?? 0) + 1);
    expect(errorOf(() => databaseWith(folder))).toMatchObject({ code: 'STATE_UNREADABLE' });
  });

  it('of a newer version are refused', () => {
    const folder = firstMigrations(temporary, 99);
    addMigration(folder, 'CREATE TABLE future (id integer);');
    databaseWith(folder).close();
    for (const open of [openState, openStateForReading]) {
      expect(errorOf(() => open(directory))).toMatchObject({ kind: 'environment', code: 'STATE_NEWER' });
    }
  });

  it('wait for no coordinator: not under one of an older version, but once it is gone', async () => {
    databaseWith(firstMigrations(temporary, 1)).close();
    const holder = spawn(
      process.execPath,
      [
        ...['--import', 'tsx', '--input-type=module', '-e'],
        `const { acquireLock } = await import(${JSON.stringify(join(ROOT, 'src/tasks/lock.ts'))});
         acquireLock(process.argv[1], { pid: process.pid, startedAt: '', command: 'old' });
         console.log('held'); setInterval(() => {}, 1e6);`,
        directory,
      ],
      { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    children.push(holder);
    await once(holder.stdout, 'data');
    expect(errorOf(() => openState(directory))).toMatchObject({ kind: 'environment', code: 'STATE_IN_USE' });
    expect(errorOf(() => openStateForReading(directory))).toMatchObject({ code: 'STATE_OLDER' });
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    openState(directory).close();
    const reading = openStateForReading(directory);
    expect(reading?.tasks()).toEqual([]);
    reading?.close();
  });

  it('run under the lock that this process already holds', () => {
    mkdirSync(directory, { recursive: true });
    const lock = acquireLock(directory, HOLDER);
    openState(directory).close();
    expect('heldBy' in lock).toBe(false);
    expect(acquireLock(directory, HOLDER)).toEqual({ heldBy: HOLDER });
    if ('release' in lock) lock.release();
  });
});

describe('several processes', () => {
  it('that create the state at once all get the same one', { timeout: 60_000 }, async () => {
    const open = `const s = state.openState(directory);
      s.addTasks([{ title: 'same', description: '', agent: 'general', priority: 'normal', dependsOn: [] }]);
      console.log(s.installation);`;
    const ids = await Promise.all(Array.from({ length: 6 }, () => inProcess(open)));
    expect(new Set(ids).size).toBe(1);
    const state = openState(directory);
    expect(state.tasks().map((task) => task.id)).toEqual(['same', 'same-2', 'same-3', 'same-4', 'same-5', 'same-6']);
    state.close();
  });

  it('add, read and work at once without losing or doubling anything', { timeout: 60_000 }, async () => {
    const state = openState(directory);
    const budget = { deadline: null, budgetUsd: null, budgetTokens: null };
    const run = state.beginRun({ id: 'r' as RunId, pid: 1, base: 'c'.repeat(40) as ObjectId, ...budget });
    const adding = inProcess(`const s = state.openState(directory);
      for (let i = 0; i < 100; i += 1) {
        s.addTasks([{ title: 'task ' + i, description: '', agent: 'general', priority: 'normal', dependsOn: i % 3 === 0 ? [] : ['task-' + (i - 1)] }]);
      }`);
    const reading = inProcess(`let tasks = [];
      while (tasks.length < 100) {
        const s = state.openStateForReading(directory);
        tasks = s.tasks();
        if (tasks.some((task, i) => task.seq !== i + 1)) throw new Error('a gap');
        s.close();
      }`);
    const worked: TaskId[] = [];
    while (worked.length < 100) {
      const claim = state.claimNext(run, {
        ...{ host: 'local', engine: 'demo', timeoutMs: 60_000, diskBytes: 2 ** 30 },
        container: (task) => task,
      });
      if (claim === null) {
        await new Promise(setImmediate);
        continue;
      }
      const end = { exitCode: 0, reason: null, usage: NO_USAGE, egressDenied: [], summary: null, patch: null };
      const ended = { outcome: 'no-changes', taskState: 'succeeded', ...end } as const;
      expect(state.endAttempt(claim.attempt.id, run.fence, ended)).toBe(true);
      worked.push(claim.task.id);
    }
    await Promise.all([adding, reading]);
    expect(new Set(worked).size).toBe(100);
    expect(state.counts()).toMatchObject({ succeeded: 100, queued: 0, blocked: 0, running: 0 });
    state.close();
  });

  it('lose nothing acknowledged when one is killed', { timeout: 60_000 }, async () => {
    openState(directory).close();
    const child = spawn(
      process.execPath,
      [
        ...['--import', 'tsx', '--input-type=module', '-e'],
        `const { openState } = await import(${JSON.stringify(join(ROOT, 'src/state/state.ts'))});
         const s = openState(process.argv[1]);
         const task = { title: 't', description: '', agent: 'general', priority: 'normal', dependsOn: [] };
         for (;;) { process._rawDebug(s.addTasks([task])[0].id); }`,
        directory,
      ],
      { cwd: ROOT, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    children.push(child);
    let output = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
      if (output.includes('t-40\n')) child.kill('SIGKILL');
    });
    await once(child, 'close');
    const acknowledged = output.slice(0, output.lastIndexOf('\n')).split('\n');
    const state = openState(directory);
    const kept = new Set(state.tasks().map((task) => task.id as string));
    expect(acknowledged.length).toBeGreaterThanOrEqual(40);
    expect(acknowledged.filter((id) => !kept.has(id))).toEqual([]);
    state.close();
  });
});
