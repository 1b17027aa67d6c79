/** The foot of the screen: the keys that do something now. */

import { Box } from 'ink';
import { KEYS } from '../../../src/plan/session/browse.ts';
import type { SessionState } from '../../../src/plan/session/state.ts';
import { isMultiline } from '../../../src/plan/session/type.ts';
import { widthOf } from '../../render/fit.ts';
import type { Area } from './seen.ts';
import { Row } from './words.tsx';

export function Footer({ state, area }: { readonly state: SessionState; readonly area: Area }) {
  if (area.height === 0) return null;
  return (
    <Box flexDirection="column" height={area.height} overflow="hidden">
      {footerRows(state, area).map((row) => (
        <Row key={row} tone="weak">
          {row}
        </Row>
      ))}
    </Box>
  );
}

/** As many as fit; where it is about all keys, the ways out and to the rest of them are never left out. */
function footerRows(state: SessionState, { width, height }: Area): string[] {
  const words = hints(state);
  const rows: string[] = [''];
  for (const word of words) {
    const now = rows.at(-1) ?? '';
    const joined = now === '' ? word : `${now}  ${word}`;
    if (widthOf(joined) <= width || now === '') rows[rows.length - 1] = joined;
    else rows.push(word);
  }
  if (rows.length <= height) return rows;
  if (state.mode.kind !== 'browsing') return rows.slice(0, height);
  return [...rows.slice(0, height - 1), 'w leave  p proceed  h all keys'];
}

function hints({ mode }: SessionState): readonly string[] {
  switch (mode.kind) {
    case 'browsing':
      return KEYS.map(([key, what]) => `${key} ${what}`);
    case 'typing':
      return [
        'Enter done',
        'Esc cancel',
        ...(isMultiline(mode.purpose) ? ['Ctrl-J new line'] : []),
        'Ctrl-O your editor',
        'Ctrl-U Ctrl-K Ctrl-W delete',
      ];
    case 'choosing':
      return ['↑ ↓ or the letter', 'Enter choose', 'Esc cancel'];
    case 'moving':
      return ['↑ ↓ move the task', 'Enter done'];
    case 'approving':
    case 'judging':
      return ['y yes', 'n no', '↑ ↓ scroll'];
  }
}
