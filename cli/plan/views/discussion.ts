/** What was said about the plan: the planner's approach first, then questions and answers. */

import { isUnanswered } from '../../../src/plan/session/browse.ts';
import { sanitiseLine } from '../../../src/sanitise.ts';
import { cut, wrap } from '../../render/fit.ts';
import type { TextRow } from './rows.tsx';
import type { Seen } from './seen.ts';
import type { Tone } from './words.tsx';

/** Somebody's words under their name. */
function said(who: string, text: string, { width, tone }: { readonly width: number; readonly tone: Tone }): TextRow[] {
  const lines = wrap(text, width - 2).map((line) => ({ text: `  ${line}` }));
  return [{ text: cut(`${who}:`, width), tone }, ...lines, { text: '' }];
}

/** What the planner said last. */
export function lastAnswerRows({ state, plannerName }: Seen, width: number): readonly TextRow[] {
  const last = state.messages.at(-1);
  return last?.from === 'planner' ? said(plannerName, last.text, { width, tone: 'named' }) : [];
}

export function discussionRows(seen: Seen, width: number): readonly TextRow[] {
  const { state, figures, plannerName } = seen;
  const { plan } = state.stored;
  const phases = figures.phases.map(
    (keys, index) => `Phase ${index + 1}: ${cut(keys.map((key) => figures.titleOf(key)).join(', '), (width - 4) * 2)}`,
  );
  const approach = plan.approach === '' ? 'This is how I would go about it.' : plan.approach;
  const rows = [
    ...said(sanitiseLine(plan.planner), [approach, ...phases].join('\n'), { width, tone: 'named' }),
    ...state.messages.flatMap(({ from, text }) =>
      from === 'you' ? said('You', text, { width, tone: 'strong' }) : said(plannerName, text, { width, tone: 'named' }),
    ),
  ];
  if (state.work?.of === 'question') {
    rows.push({ text: `${seen.spinner} ${plannerName} is thinking. Esc stops it.`, tone: 'weak' });
  } else if (isUnanswered(state)) rows.push({ text: 'Not answered yet. Enter asks again.', tone: 'warned' });
  else if (state.messages.length === 0) {
    rows.push({ text: cut('Change it with the keys below, ? to discuss it, p when it is good.', width), tone: 'weak' });
  }
  return rows;
}
