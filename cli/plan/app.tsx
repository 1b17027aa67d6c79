/** The whole screen: which view has which part of it. */

import { Box } from 'ink';
import { differenceOf } from '../../src/plan/difference.ts';
import { taskOf } from '../../src/plan/edits.ts';
import { KEYS } from '../../src/plan/session/browse.ts';
import { cut, widthOf } from '../render/fit.ts';
import type { Layout } from './layout.ts';
import { isOnPath, phasesText } from './phases-text.ts';
import { discussionRows } from './views/discussion.ts';
import { Footer } from './views/footer.tsx';
import { Header } from './views/header.tsx';
import { Choices, labelOf, Prompt, TextInput } from './views/input.tsx';
import { approvalRows, differenceRows } from './views/judgement.ts';
import { NoticeLine } from './views/notice-line.tsx';
import { Rows, type TextRow } from './views/rows.tsx';
import type { Seen } from './views/seen.ts';
import { detailRows } from './views/task-detail.ts';
import { TaskList } from './views/task-list.tsx';
import { Row, Styled } from './views/words.tsx';

/** The text beside or below the list, or in its place. */
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
    return { title: 'Proposal', rows: differenceRows(difference, seen.proposed, width) };
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

export interface AppProps {
  readonly seen: Seen;
  readonly layout: Layout;
  readonly pane: Pane;
  /** Whether words may have colours. */
  readonly isStyled: boolean;
}

export function App({ seen, layout, pane, isStyled }: AppProps) {
  const { width } = layout;
  return (
    <Styled.Provider value={isStyled}>
      <Box flexDirection="column" width={width}>
        <Header seen={seen} area={{ width, height: layout.header }} />
        <Body seen={seen} layout={layout} pane={pane} />
        {layout.notice > 0 ? <NoticeLine seen={seen} width={width} /> : null}
        <Input seen={seen} layout={layout} />
        <Footer state={seen.state} area={{ width, height: layout.footer }} />
      </Box>
    </Styled.Provider>
  );
}

function Body({ seen, layout, pane }: Omit<AppProps, 'isStyled'>) {
  const text = <Rows rows={pane.rows} from={pane.from} height={pane.height} />;
  if (layout.list === 0) return text;
  const list = <TaskList seen={seen} area={{ width: layout.listWidth, height: layout.list }} />;
  if (layout.isBeside) {
    return (
      <Box height={layout.list} columnGap={layout.width - layout.listWidth - layout.paneWidth}>
        {list}
        <Box flexDirection="column" width={layout.paneWidth}>
          {text}
        </Box>
      </Box>
    );
  }
  return (
    <>
      {list}
      {layout.pane > 0 ? <Row tone="weak">{rule(pane.title, layout.width)}</Row> : null}
      {text}
    </>
  );
}

function rule(title: string, width: number): string {
  const begun = `── ${title} `;
  return cut(begun + '─'.repeat(Math.max(0, width - widthOf(begun))), width);
}

function Input({ seen, layout }: { readonly seen: Seen; readonly layout: Layout }) {
  const { state, figures, setting } = seen;
  const { mode } = state;
  const area = { width: layout.width, height: layout.input };
  const label = labelOf(mode, figures);
  switch (mode.kind) {
    case 'browsing':
      return null;
    case 'typing':
      return <TextInput mode={mode} label={label} area={area} />;
    case 'choosing':
      return <Choices mode={mode} setting={setting} label={label} area={area} />;
    case 'moving':
      return <Prompt text={label} width={area.width} />;
    case 'approving':
      return <Prompt text={`Queue ${state.stored.plan.tasks.length} tasks? y/n`} width={area.width} />;
    case 'judging':
      return <Prompt text="Take this plan over? y/n" width={area.width} />;
  }
}
