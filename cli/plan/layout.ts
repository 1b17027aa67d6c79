/** Which part of the screen has how many rows and columns. */

import { optionsOf } from '../../src/plan/session/options.ts';
import type { SessionState, Setting } from '../../src/plan/session/state.ts';
import { wrap } from '../render/fit.ts';
import { inputRows } from './input-rows.ts';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Rows of each part from top to bottom, and columns of the two that may stand beside each other. */
export interface Layout {
  readonly width: number;
  readonly header: number;
  readonly list: number;
  readonly pane: number;
  /** The list stands left of the pane, each as high as the body. */
  readonly isBeside: boolean;
  readonly listWidth: number;
  readonly paneWidth: number;
  readonly notice: number;
  readonly input: number;
  readonly footer: number;
}

/** From here on a list and a text have room side by side. */
const WIDE = 120;
const GAP = 2;
const MOST_NOTICE = 4;

export function layoutOf(state: SessionState, size: Size, setting: Pick<Setting, 'roles'>): Layout {
  const width = Math.max(10, size.columns);
  const rows = Math.max(3, size.rows);
  const header = rows >= 10 ? 2 : 1;
  const footer = rows >= 16 ? 2 : rows >= 7 ? 1 : 0;
  const notice = rows >= 5 ? noticeHeight(state, { columns: width, rows }) : 0;
  const spare = rows - header - footer - notice;
  const input = Math.min(inputHeight(state, { columns: width, rows }, setting), Math.max(1, spare - 2));
  const body = Math.max(0, spare - input);
  const parts = { width, header, notice, input, footer };
  if (!hasList(state)) {
    return { ...parts, list: 0, pane: body, isBeside: false, listWidth: 0, paneWidth: width };
  }
  if (width >= WIDE && body >= 4) {
    const listWidth = Math.floor((width - GAP) * 0.55);
    return { ...parts, list: body, pane: body, isBeside: true, listWidth, paneWidth: width - GAP - listWidth };
  }
  const share = body < 7 ? 1 : state.view === 'tasks' ? 0.6 : 0.45;
  const list = share === 1 ? body : Math.max(3, Math.min(state.stored.plan.tasks.length, Math.floor(body * share)));
  return { ...parts, list, pane: body - list, isBeside: false, listWidth: width, paneWidth: width };
}

/** Whether the tasks are there to be seen; else one text has all the room. */
function hasList({ view, mode }: SessionState): boolean {
  if (mode.kind === 'approving' || mode.kind === 'judging') return false;
  return view === 'tasks' || view === 'discussion';
}

/** A reason is worth more than a row, where there is room for it. */
function noticeHeight({ notice }: SessionState, { columns, rows }: Size): number {
  if (notice === null || rows < 16) return 1;
  return Math.min(MOST_NOTICE, wrap(notice.text, columns).length);
}

function inputHeight({ mode }: SessionState, { columns, rows }: Size, setting: Pick<Setting, 'roles'>): number {
  if (mode.kind === 'browsing') return 0;
  if (mode.kind === 'choosing') {
    const options = Math.max(1, optionsOf(mode.choice, mode.filter, setting).length);
    return 1 + Math.min(options, Math.max(1, Math.floor(rows / 3)));
  }
  if (mode.kind !== 'typing') return 1;
  const most = rows >= 16 ? 6 : 2;
  return 1 + inputRows(mode.line, columns, most).rows.length;
}
