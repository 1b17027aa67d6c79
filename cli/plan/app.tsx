/** The whole screen: which view has which part of it. */

import { Box } from 'ink';
import { cut, widthOf } from '../render/fit.ts';
import { count } from '../render/text.ts';
import type { Figures } from './figures.ts';
import type { Layout } from './layout.ts';
import type { Pane } from './pane.ts';
import { Footer } from './views/footer.tsx';
import { Header } from './views/header.tsx';
import { Choices, labelOf, Prompt, TextInput } from './views/input.tsx';
import { NoticeLine } from './views/notice-line.tsx';
import { Rows } from './views/rows.tsx';
import type { Seen } from './views/seen.ts';
import { TaskList } from './views/task-list.tsx';
import { Row, Styled } from './views/words.tsx';

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
        {layout.notice > 0 ? <NoticeLine seen={seen} area={{ width, height: layout.notice }} /> : null}
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
      return <Prompt text={approvalQuestion(figures, state.stored.plan.tasks.length)} width={area.width} />;
    case 'judging':
      return <Prompt text="Take this plan over? y/n" width={area.width} />;
  }
}

function approvalQuestion(figures: Figures, tasks: number): string {
  if (figures.errors.length > 0) return 'Not yet. n goes back.';
  return `Queue ${count(tasks, 'task')}? y/n`;
}
