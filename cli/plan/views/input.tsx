/** Where something is typed, chosen or decided. */

import { Box } from 'ink';
import { optionsOf } from '../../../src/plan/session/options.ts';
import type { Mode, Setting } from '../../../src/plan/session/state.ts';
import { cut } from '../../render/fit.ts';
import type { Figures } from '../figures.ts';
import { inputRows } from '../input-rows.ts';
import type { Area } from './seen.ts';
import { Row } from './words.tsx';

type Typing = Extract<Mode, { readonly kind: 'typing' }>;
type Choosing = Extract<Mode, { readonly kind: 'choosing' }>;

export function Prompt({ text, width }: { readonly text: string; readonly width: number }) {
  return <Row tone="strong">{cut(text, width)}</Row>;
}

export function TextInput({
  mode,
  label,
  area,
}: {
  readonly mode: Typing;
  readonly label: string;
  readonly area: Area;
}) {
  const { rows, above, below } = inputRows(mode.line, area.width, Math.max(1, area.height - 1));
  const hidden = above + below === 0 ? '' : ` (${above} rows above, ${below} below)`;
  return (
    <Box flexDirection="column" height={area.height} overflow="hidden">
      <Prompt text={`${label}${hidden}`} width={area.width} />
      {rows.map((row, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a row is its place
        <Row key={index}>{row}</Row>
      ))}
    </Box>
  );
}

export function Choices({
  mode,
  setting,
  ...place
}: {
  readonly mode: Choosing;
  readonly setting: Pick<Setting, 'roles'>;
  readonly label: string;
  readonly area: Area;
}) {
  const { width, height } = place.area;
  const options = optionsOf(mode.choice, mode.filter, setting);
  const room = Math.max(1, height - 1);
  const from = Math.max(0, Math.min(options.length - room, mode.index - Math.floor(room / 2)));
  return (
    <Box flexDirection="column" height={height} overflow="hidden">
      <Prompt text={mode.filter === '' ? place.label : `${place.label} ${mode.filter}`} width={width} />
      {options.length === 0 ? <Row tone="weak">None of that name.</Row> : null}
      {options.slice(from, from + room).map(({ value, label, hotkey }, index) => {
        const isChosen = from + index === mode.index;
        const text = cut(`${isChosen ? '>' : ' '} ${hotkey === null ? '' : `${hotkey}  `}${label}`, width);
        return (
          <Row key={value} tone={isChosen ? 'chosen' : 'plain'}>
            {text}
          </Row>
        );
      })}
    </Box>
  );
}

/** What the person is asked for. */
export function labelOf(mode: Mode, figures: Figures): string {
  const about = (key: string): string => `${figures.numberOf(key) ?? '?'} ${figures.titleOf(key)}`;
  if (mode.kind === 'moving') return `Moving: ${about(mode.key)}`;
  if (mode.kind === 'choosing') {
    const { of, key } = mode.choice;
    if (of === 'field') return `Edit ${about(key)}: what?`;
    if (of === 'size') return `Size of ${about(key)}?`;
    if (of === 'role') return `Agent for ${about(key)}? (type to search)`;
    return of === 'splitter' ? `Split ${about(key)}: by whom?` : 'How do the pieces follow each other?';
  }
  if (mode.kind !== 'typing') return '';
  const { purpose } = mode;
  switch (purpose.for) {
    case 'add':
      return 'Add task:';
    case 'ask':
      return 'Ask the planner, or say what should be different:';
    case 'pieces':
      return `Split ${about(purpose.key)}: one line for each piece:`;
    case 'merge':
      return `Merge ${about(purpose.key)} with which (numbers):`;
    case 'dependencies':
      return `${about(purpose.key)} waits for (numbers, such as 1 3 5-7):`;
    case 'field':
      return `${FIELD_LABELS[purpose.field]} of ${about(purpose.key)}:`;
  }
}

const FIELD_LABELS = {
  title: 'Title',
  description: 'Description',
  acceptance: 'What must be true in the end (one a line)',
  files: 'Files (one a line)',
} as const;
