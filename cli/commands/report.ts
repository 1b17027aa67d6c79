/** `report`: what happened, what waits and what it took, on the terminal, as Markdown, as one page, or as data. */

import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { environmentError } from '../../src/errors.ts';
import { diskOf } from '../../src/report/disk.ts';
import { type Report, reportOf } from '../../src/report/figures.ts';
import { withLastLines } from '../../src/report/last-lines.ts';
import { type Period, periodOfRun, periodSince } from '../../src/report/period.ts';
import type { State } from '../../src/state/state.ts';
import type { Context } from '../context.ts';
import { liveRun } from '../live-run.ts';
import type { ReportOptions } from '../options.ts';

/** Of pauses, refusals and warnings: more than the report can show. */
const MOST_EVENTS = 20_000;

export async function report(context: Context, options: ReportOptions): Promise<number> {
  const now = new Date();
  const asked = options.since === null ? null : periodSince(options.since, now);
  const state = await context.readState();
  const made = state === null ? null : await reportFrom(state, asked, now);
  if (made === null) {
    if (context.json) context.printJson(null);
    else context.print('Nothing to report: no run has been at work here yet. Type: orchestrate run\n');
    return 0;
  }
  if (options.html !== null) await writePage(context, made, options.html);
  if (context.json) context.printJson(made);
  else if (options.markdown) context.print((await import('../../src/report/markdown.ts')).markdownOf(made));
  else if (options.html === null) context.print(await (await import('../render/report.ts')).reportText(made, context));
  return 0;
}

/** Null: no run has begun, and the person did not say since when. */
async function reportFrom(state: State, asked: Period | null, now: Date): Promise<Report | null> {
  const newest = state.newestRun();
  if (newest === null) return null;
  const period = asked ?? periodOfRun(newest, now);
  const made = reportOf({
    period,
    history: state.historySince(period.since, MOST_EVENTS),
    tasks: state.summaries(),
    patches: state.patches(),
    conflicts: state.conflicts(),
    liveRun: liveRun(state)?.id ?? null,
    stateDir: state.directory,
    disk: await diskOf(state.directory),
  });
  return withLastLines(made, state.directory);
}

async function writePage(context: Context, made: Report, file: string): Promise<void> {
  const { htmlOf } = await import('../../src/report/html.ts');
  const path = resolve(context.cwd, file);
  try {
    // It tells of the person's code: nobody else's to read.
    await writeFile(path, htmlOf(made), { mode: 0o600 });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw environmentError('CANNOT_WRITE', `The report cannot be written: ${reason}`, { cause: error });
  }
  context.note(`report written to ${path}`);
}
