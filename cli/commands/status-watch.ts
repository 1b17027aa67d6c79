/** `status --watch`: redrawn every second on a terminal; in a pipe a line for each change. Ends with Ctrl-C. */

import { setTimeout as sleep } from 'node:timers/promises';
import { safeJson, sanitiseLine } from '../../src/sanitise.ts';
import type { State } from '../../src/state/state.ts';
import type { Context } from '../context.ts';
import { clock, coloursOf } from '../render/text.ts';
import { type Status, type StatusJson, statusOf, statusText } from '../status-of.ts';

const INTERVAL_MS = 1000;
const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';
const CLEAR_SCREEN = '\x1b[2J';

export async function watchStatus(context: Context): Promise<number> {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  const isScreen = context.out.isTTY === true && !context.json;
  if (isScreen) context.print(HIDE_CURSOR + CLEAR_SCREEN);
  try {
    let state: State | null = null;
    let before: StatusJson | null = null;
    while (!stop.signal.aborted) {
      state ??= await context.readState();
      const now = statusOf(state);
      if (isScreen) context.print(await screen(context, now));
      else context.print(changes(before, now.json, context.json));
      before = now.json;
      await sleep(INTERVAL_MS, undefined, { signal: stop.signal }).catch(() => {});
    }
  } finally {
    if (isScreen) context.print(`${SHOW_CURSOR}\n`);
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
  return 130;
}

/** As much of the status as fits, each line cut to the width, drawn over the last one without flicker. */
async function screen(context: Context, now: Status): Promise<string> {
  const text = await statusText(now, coloursOf(false));
  const lines = text.trimEnd().split('\n');
  const height = Math.max(3, (context.out.rows || 24) - 1);
  const width = Math.max(20, context.out.columns || 80);
  const shown = lines.length <= height ? lines : [...lines.slice(0, height - 1), `… ${lines.length - height + 1} more`];
  const cut = shown.map((line) => (line.length <= width ? line : `${line.slice(0, width - 1)}…`));
  return HOME + cut.map((line) => `${line}${CLEAR_LINE}\n`).join('') + CLEAR_BELOW;
}

/** One line for each task whose state or patch is not what it was; the first time: one for each task. */
function changes(before: StatusJson | null, now: StatusJson, json: boolean): string {
  const known = new Map(before?.tasks.map((task) => [task.id, task]));
  const at = new Date().toISOString();
  return now.tasks
    .map((task) => {
      const was = known.get(task.id);
      if (was !== undefined && was.status === task.status && was.patch?.status === task.patch?.status) return '';
      if (json) return `${safeJson({ at, ...task })}\n`;
      const from = was === undefined || was.status === task.status ? '' : `${was.status} → `;
      const patch = task.patch === null ? '' : `, patch ${task.patch.status}`;
      const why = task.reason === null ? '' : ` (${sanitiseLine(task.reason)})`;
      return `${clock(at)} ${task.id}  ${from}${task.status}${patch}${why}\n`;
    })
    .join('');
}
