/** The text beside or below the list, or in its place: which one it is, and which part of it is seen. */

import { differenceOf } from '../../src/plan/difference.ts';
import { taskOf } from '../../src/plan/edits.ts';
import { KEYS } from '../../src/plan/session/browse.ts';
import type { Layout } from './layout.ts';
import { isOnPath, phasesText } from './phases-text.ts';
import { discussionRows, lastAnswerRows } from './views/discussion.ts';
import { approvalRows, differenceRows } from './views/judgement.ts';
import type { TextRow } from './views/rows.tsx';
import type { Seen } from './views/seen.ts';
import { detailRows } from './views/task-detail.ts';

export interface Pane {
  readonly title: string;
  readonly rows: readonly TextRow[];
  /** The first row that is seen. */
  readonly from: number;
  /** How far it can be scrolled. */
  readonly end: number;
  readonly height: number;
}

/** Under the list the pane has a rule with its title above it. */
export function paneOf(seen: Seen, layout: Layout): Pane {
  const isBelow = layout.list > 0 && !layout.isBeside;
  const height = Math.max(0, layout.pane - (isBelow ? 1 : 0));
  const { title, rows, isFromEnd } = contentOf(seen, layout.paneWidth);
  const end = Math.max(0, rows.length - height);
  const scroll = Math.min(end, seen.state.scroll);
  return { title, rows, end, height, from: isFromEnd ? end - scroll : scroll };
}

interface Content {
  readonly title: string;
  readonly rows: readonly TextRow[];
  readonly isFromEnd?: boolean;
}

function contentOf(seen: Seen, width: number): Content {
  const { state, figures } = seen;
  const { plan } = state.stored;
  if (state.mode.kind === 'approving') return { title: 'Approval', rows: approvalRows(figures, width) };
  if (state.mode.kind === 'judging' && seen.proposed !== null) {
    const difference = differenceOf(plan, state.mode.proposal);
    const rows = [...lastAnswerRows(seen, width), ...differenceRows(difference, seen.proposed, width)];
    return { title: 'Proposal', rows };
  }
  if (state.view === 'phases') return { title: 'Phases', rows: phasesRows(seen, width) };
  if (state.view === 'keys') return { title: 'Keys', rows: keyRows(width) };
  if (state.view === 'discussion') return { title: 'Discussion', rows: discussionRows(seen, width), isFromEnd: true };
  const task = state.selected === null ? undefined : taskOf(plan, state.selected);
  return { title: 'Task', rows: detailRows(task, figures, width) };
}

function phasesRows({ state }: Seen, width: number): readonly TextRow[] {
  return phasesText(state.stored.plan, width)
    .trimEnd()
    .split('\n')
    .map((text) => ({ text, tone: /^Phase \d/.test(text) ? 'strong' : isOnPath(text) ? 'named' : 'plain' }));
}

const MORE_KEYS: readonly (readonly [key: string, what: string])[] = [
  ['↑ ↓ j k', 'the task above, below'],
  ['PgUp PgDn', 'ten at once; in the discussion: scroll'],
  ['Home End', 'the first, the last'],
  ['Enter', 'all of the task; in the discussion: ask again'],
  ['Tab', 'the task or the discussion'],
  ['space', 'mark for merging'],
  ['Esc', 'back; stops the planner'],
  ['Ctrl-L', 'draw the screen again'],
  ['Ctrl-Z', 'suspend'],
  ['Ctrl-C', 'leave; everything is saved'],
];

/** The keys of the foot in two columns where there is room. */
function keyRows(width: number): readonly TextRow[] {
  const described = ([key, what]: readonly [string, string]): string => `${key.padEnd(12)}${what}`;
  const half = Math.ceil(KEYS.length / 2);
  const first =
    width < 60
      ? KEYS.map(described)
      : KEYS.slice(0, half).map((key, index) => {
          const beside = KEYS[half + index];
          return `${described(key).padEnd(34)}${beside === undefined ? '' : described(beside)}`;
        });
  return [...first, '', ...MORE_KEYS.map(described)].map((text) => ({ text }));
}
