/** The steps that the parts of the session have in common. */

import type { Edited } from '../edits.ts';
import { moveTask } from '../edits.ts';
import type { Key } from './key.ts';
import type { Notice, SessionState, Step, Work } from './state.ts';

/** Lines or tasks that a page key goes. */
export const PAGE = 10;

export function just(state: SessionState): Step {
  return { state, effects: [] };
}

export function told(state: SessionState, kind: Notice['kind'], text: string): Step {
  return just({ ...state, notice: { kind, text } });
}

export function refused(state: SessionState, text: string): Step {
  return told(state, 'refused', text);
}

/** The change is made once it is stored; what was typed for it stays until then. */
export function edited(state: SessionState, result: Edited): Step {
  if ('refused' in result) return refused(state, result.refused);
  const { plan, change, select } = result;
  return { state, effects: [{ type: 'change', plan, change, select }] };
}

export function moved(state: SessionState, by: number): Step {
  return state.selected === null ? just(state) : edited(state, moveTask(state.stored.plan, state.selected, by));
}

/** Only the planner's answer ends its work, even if it is that it was stopped. */
export function stopped(state: SessionState, work: Work): Step {
  return { state: { ...state, work: { ...work, isStopping: true } }, effects: [{ type: 'stop' }] };
}

export function indexOf({ stored, selected }: Pick<SessionState, 'stored' | 'selected'>): number {
  return Math.max(
    0,
    stored.plan.tasks.findIndex((task) => task.key === selected),
  );
}

/** For views that are longer than the screen. */
export function scrolled(state: SessionState, key: Key): Step {
  const name = key.kind === 'press' ? key.name : key.text;
  const by = name === 'j' ? 1 : name === 'k' ? -1 : (SCROLLS[name] ?? 0);
  const scroll = Math.max(0, Math.min(100_000, state.scroll + by));
  return just({ ...state, scroll });
}

const SCROLLS: Readonly<Record<string, number>> = {
  up: -1,
  down: 1,
  'page-up': -PAGE,
  'page-down': PAGE,
  home: Number.NEGATIVE_INFINITY,
  end: Number.POSITIVE_INFINITY,
};
