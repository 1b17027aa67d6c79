/** What just happened, else the first thing that is wrong with the plan. */

import { Box } from 'ink';
import { sanitiseLine } from '../../../src/sanitise.ts';
import { cut, wrap } from '../../render/fit.ts';
import { count } from '../../render/text.ts';
import type { Area, Seen } from './seen.ts';
import { Row, type Tone } from './words.tsx';

export function NoticeLine({ seen, area }: { readonly seen: Seen; readonly area: Area }) {
  const { text, tone } = contentOf(seen);
  const lines = wrap(sanitiseLine(text), area.width);
  const shown =
    lines.length <= area.height ? lines : [...lines.slice(0, area.height - 1), lines.slice(area.height - 1).join(' ')];
  return (
    <Box flexDirection="column" height={area.height} overflow="hidden">
      {shown.map((line) => (
        <Row key={line} tone={tone}>
          {cut(line, area.width)}
        </Row>
      ))}
    </Box>
  );
}

function contentOf({ state, figures, spinner, plannerName }: Seen): { readonly text: string; readonly tone: Tone } {
  const { work, notice } = state;
  if (notice !== null) return { text: notice.text, tone: notice.kind === 'refused' ? 'bad' : 'good' };
  if (work !== null) {
    const doing = work.isStopping ? 'is being stopped' : work.of === 'split' ? 'splits the task' : 'is thinking';
    return { text: `${spinner} ${plannerName} ${doing}. Esc stops it.`, tone: 'weak' };
  }
  const [first] = [...figures.problems].sort((a, b) => a.severity.localeCompare(b.severity));
  if (first === undefined) return { text: '', tone: 'plain' };
  const more = figures.problems.length - 1;
  return {
    text: `${first.severity}: ${first.text}${more > 0 ? ` (and ${count(more, 'more problem')})` : ''}`,
    tone: first.severity === 'error' ? 'bad' : 'warned',
  };
}
