// Commands that change something, killed at any moment: what they said stays true, the rest is as if they had not begun, and
// the same command once more does what is left.
import { mkdirSync, rmSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import Sqlite from 'better-sqlite3';
import { execa } from 'execa';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Database as StateDatabase } from '../../src/state/database.ts';
import { createPrivate } from '../../src/state/exclusive.ts';
import { MIGRATIONS, migrate } from '../../src/state/migrate.ts';
import { expectSound, withState } from '../support/chaos-queue.ts';
import { leftInDocker, seeded, signalTo, times } from '../support/endurance.ts';
import { firstMigrations } from '../support/first-migrations.ts';
import { GitGate } from '../support/git-gate.ts';
import { finishTask } from '../support/queue.ts';
import { CLI, Scratch } from '../support/scratch.ts';

/** Kills of each kind. */
const KILLS = times({ short: 2, long: 40 });
const TIMEOUT_MS = times({ short: 3, long: 60 }) * 60_000;
/** From the start of a command to its end, on a machine that has other things to do. */
const COMMAND_MS = 900;
/** Calls of git that a command makes at most. */
const GIT_CALLS = 12;

let scratch: Scratch;
let gate: GitGate;

beforeEach(async () => {
  scratch = await Scratch.create({ 'README.md': '# Sample\n', mine: 'mine\n' });
  gate = await GitGate.create(path.join(scratch.folder, 'gate'));
});
afterEach(async () => {
  await gate[Symbol.asyncDispose]();
  await scratch[Symbol.asyncDispose]();
});

it('submit --batch queues all of a file or nothing of it', { timeout: TIMEOUT_MS }, () =>
  seeded(async (random) => {
    const file = path.join(scratch.folder, 'queue.jsonl');
    await scratch.must(['submit', 'first']);
    let queued = 1;
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const keys = Array.from({ length: 40 }, (_, at) => `t${kill}-${at}`);
      const lines = keys.map((key, at) =>
        JSON.stringify({ key, title: key, description: key, dependsOn: keys.slice(Math.max(0, at - 2), at) }),
      );
      await writeFile(file, lines.join('\n'));
      const { exitCode } = await killed(['submit', '--batch', file], random);
      const now = withState(scratch, (state) => state.tasks().length);
      expect([queued, queued + keys.length]).toContain(now);
      if (exitCode === 0) expect(now).toBe(queued + keys.length);
      queued = now;
      expectSound(scratch);
    }
  }),
);

it('decisions and landings happen once or not at all', { timeout: TIMEOUT_MS }, () =>
  seeded(async (random) => {
    await scratch.write({ mine: 'changed here\n' });
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const ids = await patches(kill, ['one', 'two', 'three']);
      const [one = '', two = '', three = ''] = ids;
      const landing = random() < 0.5 ? ['patch', 'apply', one, two] : ['merge'];
      const commands = [['patch', 'approve', one, two], ['patch', 'reject', three], landing];
      for (const command of commands) {
        const { exitCode } = await killed(command, random);
        const again = await scratch.orchestrate(command);
        // What has happened already cannot happen again, and says so.
        if (exitCode !== 0 && command !== landing) expect(again).toMatchObject({ exitCode: 0 });
      }
      expectSound(scratch);
      expect(statesOf(ids)).toEqual(['merged', 'merged', 'rejected']);
      const subjects = (await scratch.git('log', '--format=%s')).split('\n');
      for (const name of ['one', 'two', 'three']) {
        const times = subjects.filter((subject) => subject === `${name} ${kill}`).length;
        expect({ name, times }).toEqual({ name, times: name === 'three' ? 0 : 1 });
      }
      expect(await scratch.git('status', '--porcelain', '-uall')).toBe(' M mine');
      expect(await readFile(path.join(scratch.repository, 'mine'), 'utf8')).toBe('changed here\n');
      await expectTidy();
    }
    await scratch.git('fsck', '--strict');
  }),
);

it('cleanup removes in the end what it should, and never what nobody merged', { timeout: TIMEOUT_MS }, () =>
  seeded(async (random) => {
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const [merged = '', open = ''] = await patches(kill, ['gone', 'kept']);
      await scratch.must(['patch', 'apply', merged, '--unreviewed']);
      const { exitCode } = await killed(['cleanup'], random);
      if (exitCode !== 0) await scratch.must(['cleanup']);
      const refs = (await scratch.git('for-each-ref', '--format=%(refname)', 'refs/orchestrate')).split('\n');
      expect(refs).toContain(`refs/orchestrate/${open.replace('.', '/')}/result`);
      expect(refs).not.toContain(`refs/orchestrate/${merged.replace('.', '/')}/result`);
      expect(statesOf([merged, open])).toEqual(['merged', 'pending']);
      expect(await leftInDocker(scratch)).toEqual([]);
      await expectTidy();
    }
    expectSound(scratch);
    await scratch.git('fsck', '--strict');
  }),
);

it('the state is brought up to date wholly or not at all', { timeout: TIMEOUT_MS }, () =>
  seeded(async (random) => {
    const directory = path.join(scratch.repository, '.git/orchestrate');
    const known = (await readdir(MIGRATIONS)).filter((name) => name.endsWith('.sql')).length;
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const old = 1 + Math.floor(random() * (known - 1));
      layState(directory, old);
      const { exitCode } = await killed(
        ['submit', 'one more', '--title', 'one-more'],
        random,
        COMMAND_MS + 60 * (known - old),
      );
      expectSound(scratch);
      const applied = versionIn(directory);
      expect([old, known]).toContain(applied);
      if (exitCode === 0) expect(applied).toBe(known);
      // Whatever changes something does it.
      const commands = [
        ['kill', 'old'],
        ['submit', 'another', '--depends-on', 'old'],
        ['retry', 'old'],
        ['merge'],
        ['cleanup'],
      ];
      const answer = await scratch.orchestrate(commands[kill % commands.length] ?? []);
      expect(answer.stderr).not.toContain('older version');
      expect(versionIn(directory)).toBe(known);
      expectSound(scratch);
      const titles = withState(scratch, (state) => state.tasks().map((task) => task.title));
      expect(titles[0]).toBe('old');
      if (exitCode === 0) expect(titles).toContain('one-more');
    }
  }),
);

interface CommandEnd {
  /** Null: killed. */
  readonly exitCode: number | null;
}

/** Runs a command and kills it, some time after its start or at a call of git, unless it ends before. */
async function killed(args: readonly string[], random: () => number, upToMs = COMMAND_MS): Promise<CommandEnd> {
  const call = {
    words: '',
    at: random() < 0.5 ? 'before' : 'after',
    occurrence: 1 + Math.floor(random() * GIT_CALLS),
  } as const;
  const [atGit, afterMs, wholeGroup, goesOn] = [
    random() < 0.5,
    Math.floor(random() * upToMs),
    random() < 0.5,
    random() < 0.5,
  ];
  const placed = atGit ? await gate.place(call) : null;
  const child = execa(process.execPath, [CLI, ...args], {
    ...{ cwd: scratch.repository, env: { ...scratch.env, ...placed?.env } },
    ...{ extendEnv: false, reject: false, stdin: 'ignore', detached: true },
  });
  const kill = (): void => signalTo(child, 'SIGKILL', wholeGroup ? 'group' : undefined);
  const timer = placed === null ? setTimeout(kill, afterMs) : undefined;
  void placed?.reached.then((held) => {
    kill();
    if (goesOn) held.release();
    else held.drop();
  });
  const { exitCode } = await child;
  clearTimeout(timer);
  placed?.withdraw();
  return { exitCode: exitCode ?? null };
}

/** Finished tasks with patches that wait, in round `n`. */
async function patches(n: number, names: readonly string[]): Promise<string[]> {
  const made: string[] = [];
  for (const name of names) {
    const { id } = await finishTask(scratch, { title: `${name} ${n}`, files: { [`${name}.txt`]: `${n}\n` } });
    made.push(id);
  }
  return made;
}

function statesOf(ids: readonly string[]): (string | undefined)[] {
  return withState(scratch, (state) => {
    const all = new Map<string, string>(state.patches().map((patch) => [patch.id, patch.state]));
    return ids.map((id) => all.get(id));
  });
}

async function expectTidy(): Promise<void> {
  const files = await readdir(path.join(scratch.repository, '.git'), { recursive: true });
  expect(files.filter((name) => name.endsWith('.lock') || name.startsWith('orchestrate/landing/'))).toEqual([]);
}

/** A state as an older version left it, whose migrations take their time. */
function layState(directory: string, version: number): void {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = path.join(directory, 'state.db');
  createPrivate(file);
  const database = new StateDatabase(file, 'write');
  migrate(database, firstMigrations(scratch.folder, version));
  database.client.exec(`
    INSERT INTO tasks (id, title, description, agent, priority, state, phase, createdAt)
      VALUES ('old', 'old', 'old', 'general', 1, 'queued', 1, '2026-01-02T03:04:05.000Z');
    CREATE TRIGGER slowly AFTER INSERT ON __drizzle_migrations BEGIN
      UPDATE meta SET value = value WHERE key = (
        WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up LIMIT 200000) SELECT max(n) FROM up
      );
    END;`);
  database.close();
}

/** How many migrations a state has seen. */
function versionIn(directory: string): number {
  const database = new Sqlite(path.join(directory, 'state.db'), { readonly: true });
  try {
    return (database.prepare('SELECT count(*) AS n FROM __drizzle_migrations').get() as { n: number }).n;
  } finally {
    database.close();
  }
}
