// What a report reads beside records: the ends of transcripts, and what the folder takes.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { diskOf } from '../../src/report/disk.ts';
import { reportOf } from '../../src/report/figures.ts';
import { withLastLines } from '../../src/report/last-lines.ts';
import { attempt, records, task } from '../support/night-records.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'orchestrate-test-'));
  await mkdir(path.join(folder, 'transcripts'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function lastLinesOf(engine: string, transcript: string | null): Promise<readonly string[] | undefined> {
  const file = path.join(folder, 'transcripts/a.1.log');
  if (transcript !== null) await writeFile(file, transcript);
  const failed = attempt('a.1', [0, 1], { outcome: 'failed', engine });
  const report = reportOf(records({ tasks: [task('a', 'failed')], history: { attempts: [failed] } }));
  return (await withLastLines(report, folder)).failed.items[0]?.lastLines;
}

describe('the last lines', () => {
  it('are the last eight with something in them, without what a terminal would obey', async () => {
    const lines = Array.from({ length: 30 }, (_, n) => `line ${n}`);
    const shown = await lastLinesOf('command', `${lines.join('\n\n')}\n\x1b[31mred\x1b[0m\x1b]0;title\x07\u202e\n\n`);
    expect(shown).toEqual([...lines.slice(-7), 'red']);
  });

  it('are read from the end of a long transcript, and cut where one is long itself', async () => {
    const shown = await lastLinesOf('command', `${'x'.repeat(5_000_000)}\nthe end`);
    expect(shown?.map((line) => line.length)).toEqual([201, 7]);
  });

  it('are what the program said to people where it prints events for programs', async () => {
    const said = { type: 'assistant', message: { id: 'm', content: [{ type: 'text', text: 'I give up' }] } };
    expect(await lastLinesOf('claude', `${JSON.stringify(said)}\n`)).toEqual(['I give up']);
  });

  it('are none where there is no transcript', async () => {
    expect(await lastLinesOf('command', null)).toEqual([]);
  });
});

describe('the disk', () => {
  it('is what transcripts, output of checks and the state take', async () => {
    await mkdir(path.join(folder, 'checks'));
    await writeFile(path.join(folder, 'transcripts/a.1.log'), '12345');
    await writeFile(path.join(folder, 'checks/c.log'), '123');
    await writeFile(path.join(folder, 'state.db'), '1');
    await writeFile(path.join(folder, 'state.db-wal'), '1');
    await writeFile(path.join(folder, 'other'), '1');
    expect(await diskOf(folder)).toEqual({ transcripts: 5, checkLogs: 3, state: 2 });
  });

  it('is nothing where there is nothing yet', async () => {
    expect(await diskOf(path.join(folder, 'none'))).toEqual({ transcripts: 0, checkLogs: 0, state: 0 });
  });
});
