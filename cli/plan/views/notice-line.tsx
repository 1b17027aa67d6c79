/** One line for what just happened, else for what is wrong with the plan. */

import { sanitiseLine } from '../../../src/sanitise.ts';
import { cut } from '../../render/fit.ts';
import { count } from '../../render/text.ts';
import type { Seen } from './seen.ts';
import { Row, type Tone } from './words.tsx';

export function NoticeLine({ seen, width }: { readonly seen: Seen; readonly width: number }) {
  const { text, tone } = contentOf(seen);
  return <Row tone={tone}>{cut(sanitiseLine(text), width)}</Row>;
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
