import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { removeTranscripts, retainTranscripts } from '../../src/tasks/retention.ts';
import type { AttemptId } from '../../src/types.ts';

const NOW = new Date('2026-03-01T00:00:00Z');
const daysBefore = (days: number) => new Date(NOW.getTime() - days * 24 * 3_600_000);

let stateDir: string;

beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'orchestrate-retention-'));
  await mkdir(join(stateDir, 'transcripts'));
});
afterEach(() => rm(stateDir, { recursive: true }));

async function write(name: string, days: number): Promise<void> {
  const file = join(stateDir, 'transcripts', name);
  await writeFile(file, 'x');
  await utimes(file, daysBefore(days), daysBefore(days));
}

const left = () => readdir(join(stateDir, 'transcripts')).then((names) => names.sort());

it('drops transcripts of which no part was written to for 30 days', async () => {
  await write('old.1.log', 31);
  await write('long.2.log', 40);
  await write('long.2.log.1', 50);
  await write('live.1.log', 1);
  await write('live.1.log.1', 60);
  await write('recent.1.log', 29);
  await write('notes.txt', 99);
  expect(await retainTranscripts(stateDir, NOW)).toEqual(['long.2', 'old.1']);
  expect(await left()).toEqual(['live.1.log', 'live.1.log.1', 'notes.txt', 'recent.1.log']);
});

it('drops more of the oldest where all together are too large', async () => {
  for (const [name, days] of Object.entries({
    'oldest.1.log': 3,
    'older.1.log': 2,
    'older.1.log.1': 2,
    'new.1.log': 1,
  })) {
    await write(name, days);
  }
  expect(await retainTranscripts(stateDir, NOW, 4)).toEqual([]);
  expect(await retainTranscripts(stateDir, NOW, 2)).toEqual(['older.1', 'oldest.1']);
  expect(await left()).toEqual(['new.1.log']);
});

it('has nothing to do where no agent ever ran', async () => {
  await rm(join(stateDir, 'transcripts'), { recursive: true });
  expect(await retainTranscripts(stateDir, NOW)).toEqual([]);
});

it('removes all parts of a transcript and no other one', async () => {
  await write('a.1.log', 0);
  await write('a.1.log.1', 0);
  await write('a.11.log', 0);
  await removeTranscripts(stateDir, ['a.1' as AttemptId, 'gone.1' as AttemptId]);
  expect(await left()).toEqual(['a.11.log']);
});
