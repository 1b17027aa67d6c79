// The morning report through the built command line, on a state as a night would leave it.

import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { finishTask, PlayedRun } from '../support/queue.ts';
import { Scratch } from '../support/scratch.ts';

interface ReportJson {
  readonly period: { readonly since: string; readonly by: string };
  readonly runs: { readonly items: readonly { readonly id: string; readonly state: string }[] };
  readonly landed: { readonly items: readonly Record<string, unknown>[] };
  readonly waiting: { readonly items: readonly { readonly patch: string; readonly command: string }[] };
  readonly failed: { readonly items: readonly { readonly outcome: string; readonly lastLines: readonly string[] }[] };
}

describe('report', () => {
  let scratch: Scratch;

  beforeAll(async () => {
    scratch = await Scratch.create();
    const weakened = { code: 'weakened-test', path: 'test/sum.test.ts', detail: 'an assertion is gone' };
    await finishTask(scratch, { title: 'Plain', files: { 'a.txt': 'a\n' } });
    await finishTask(scratch, { title: 'Planted', files: { 'b.txt': 'b\n' }, flags: [weakened] });
    await finishTask(scratch, {
      ...{ title: 'Broken', outcome: 'failed', reason: 'the command exited with 3' },
      transcript: 'working\n\x1b]0;owned\x07Error: no such table\n',
    });
    await finishTask(scratch, { title: 'Landed', files: { 'c.txt': 'c\n' } });
    await scratch.must(['patch', 'approve', 'landed']);
    await scratch.must(['patch', 'apply', 'landed']);
  });
  afterAll(() => scratch?.[Symbol.asyncDispose]());

  it('tells of the newest run, and of what is still open from before', async () => {
    const report = await scratch.json<ReportJson>(['report']);
    expect(report.period.by).toBe('run');
    expect(report.runs.items.map(({ id, state }) => [id, state])).toEqual([['RUN-landed', 'ended']]);
    expect(report.waiting.items.map(({ patch }) => patch)).toEqual(['planted.1', 'plain.1']);
    expect(report.landed.items).toMatchObject([{ patch: 'landed.1', branch: 'main', approvedBy: 'person' }]);
    expect(report.failed.items).toEqual([]);
  });

  it('tells of all runs since a time', async () => {
    const report = await scratch.json<ReportJson>(['report', '--since', '1h']);
    expect(report.runs.items).toHaveLength(4);
    expect(report.failed.items).toMatchObject([{ outcome: 'failed', lastLines: ['working', 'Error: no such table'] }]);
  });

  it('shows the planted flag, the failure and the commands, on the terminal and as Markdown', async () => {
    for (const flags of [[], ['--markdown']]) {
      const text = await scratch.must(['report', '--since', 'yesterday', ...flags]);
      for (const said of ['weakened-test', 'test/sum.test.ts', 'no such table', 'orchestrate retry broken']) {
        expect(text).toContain(said);
      }
      expect(text).not.toContain('\x1b');
    }
  });

  it('writes one page for nobody but the person', async () => {
    const { exitCode, stdout, stderr } = await scratch.orchestrate(['report', '--html', 'night.html']);
    const file = path.join(scratch.repository, 'night.html');
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '' });
    expect(stderr).toContain(file);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, 'utf8')).toContain('test/sum.test.ts');
  });

  it('says that a run is under way, and that one was cut off', async () => {
    await scratch.must(['submit', 'More work']);
    {
      await using played = await PlayedRun.begin(scratch);
      const attempt = await played.start();
      const live = await scratch.json<ReportJson>(['report']);
      expect(live.runs.items[0]).toMatchObject({ id: 'RUN-PLAYED', state: 'under-way' });
      expect(await scratch.must(['report'])).toContain('~');
      played.die();
      expect((await scratch.json<ReportJson>(['report'])).runs.items[0]).toMatchObject({ state: 'cut-off' });
      await played.end(attempt, { outcome: 'killed', taskState: 'cancelled' });
    }
    expect((await scratch.json<ReportJson>(['report'])).runs.items[0]).toMatchObject({ state: 'ended' });
  });

  it('refuses a time that is none, and a file that cannot be written', async () => {
    expect(await scratch.orchestrate(['report', '--since', 'noon-ish'])).toMatchObject({ exitCode: 2 });
    const answer = await scratch.orchestrate(['report', '--html', 'no/such/folder/x.html']);
    expect(answer).toMatchObject({ exitCode: 3 });
    expect(answer.stderr).toContain('cannot be written');
  });

  it('says so where there is nothing to report', async () => {
    await using empty = await Scratch.create();
    expect(await empty.orchestrate(['report'])).toMatchObject({
      ...{ exitCode: 0, stdout: expect.stringContaining('Nothing to report') },
    });
    await empty.must(['submit', 'Later']);
    expect(await empty.json(['report'])).toBeNull();
  });
});
