import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { retainRunLogs } from '../../src/tasks/retention.ts';
import { RunLog, runLogFile } from '../../src/tasks/run-log.ts';
import type { RunId } from '../../src/types.ts';

const RUN = '01RUN' as RunId;
const AT = new Date(2026, 2, 1, 19, 2, 11);

let stateDir: string;

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'orchestrate-run-log-'));
});
afterEach(() => rm(stateDir, { recursive: true }));

it('has each line after the time, without what acts on a terminal, for its owner alone', async () => {
  const log = new RunLog(stateDir, RUN);
  log.say('first\n  \x1b]0;title\x07more\x1b[2J\u202e', AT);
  expect(await readFile(log.file, 'utf8')).toBe('2026-03-01 19:02:11 first\n2026-03-01 19:02:11   more\n');
  expect((await stat(log.file)).mode & 0o777).toBe(0o600);
  expect((await stat(join(stateDir, 'runs'))).mode & 0o777).toBe(0o700);
});

it('goes on with what is there, and keeps two parts at most', async () => {
  for (const line of ['one', 'two', 'three', 'four']) new RunLog(stateDir, RUN, 50).say(line, AT);
  const log = new RunLog(stateDir, RUN, 50);
  log.say('five', AT);
  expect(await readdir(join(stateDir, 'runs'))).toEqual([`${RUN}.log`, `${RUN}.log.1`]);
  const parts = await Promise.all([`${log.file}.1`, log.file].map((file) => readFile(file, 'utf8')));
  expect(parts.join('').replace(/^.* /gm, '')).toBe('three\nfour\nfive\n');
  log.remove();
  expect(await readdir(join(stateDir, 'runs'))).toEqual([]);
});

it('does not end a run where it cannot be written', async () => {
  const log = new RunLog(stateDir, RUN);
  await rm(join(stateDir, 'runs'), { recursive: true });
  await writeFile(join(stateDir, 'runs'), 'in the way');
  log.say('lost');
  expect(await readFile(join(stateDir, 'runs'), 'utf8')).toBe('in the way');
});

it('is kept as long as transcripts are', async () => {
  const now = new Date('2026-03-01T00:00:00Z');
  for (const [name, days] of [
    ['OLD', 31],
    ['NEW', 29],
  ] as const) {
    new RunLog(stateDir, name as RunId).say(name);
    const then = new Date(now.getTime() - days * 24 * 3_600_000);
    await utimes(runLogFile(stateDir, name as RunId), then, then);
  }
  await retainRunLogs(stateDir, now);
  expect(await readdir(join(stateDir, 'runs'))).toEqual(['NEW.log']);
});
