import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkLogName, lastLines, oldCheckLogs, retainCheckLogs } from '../../src/review/check-logs.ts';

const NOW = new Date('2026-03-01T00:00:00Z');
const daysBefore = (days: number) => new Date(NOW.getTime() - days * 24 * 3_600_000);

let stateDir: string;

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'orchestrate-check-logs-'));
  await mkdir(join(stateDir, 'checks'));
});
afterEach(() => rm(stateDir, { recursive: true }));

async function write(name: string, days: number, content = 'x'): Promise<void> {
  const file = join(stateDir, 'checks', name);
  await writeFile(file, content);
  await utimes(file, daysBefore(days), daysBefore(days));
}

it('go after 30 days, and the oldest of them before that where all together are too large', async () => {
  await write('old.log', 31);
  await write('a.log', 3);
  await write('b.log', 2);
  await write('b.log.1', 1);
  await write('notes.txt', 99);
  expect(await oldCheckLogs(stateDir, daysBefore(30))).toEqual(['checks/old.log']);
  expect(await retainCheckLogs(stateDir, NOW)).toEqual(['checks/old.log']);
  expect(await retainCheckLogs(stateDir, NOW, 2)).toEqual(['checks/a.log']);
  expect((await readdir(join(stateDir, 'checks'))).sort()).toEqual(['b.log', 'b.log.1', 'notes.txt']);
});

it('are read from their end, however long they are, and are empty where they are gone', async () => {
  const lines = Array.from({ length: 50_000 }, (_, at) => `line ${at}`);
  await write('long.log', 0, `${lines.join('\r\n')}\n`);
  await write('empty.log', 0, '');
  expect(await lastLines(stateDir, checkLogName('long'), 2)).toEqual(['line 49998', 'line 49999']);
  expect(await lastLines(stateDir, checkLogName('empty'), 2)).toEqual([]);
  expect(await lastLines(stateDir, checkLogName('gone'), 2)).toEqual([]);
});
