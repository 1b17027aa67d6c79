/** What stands before a yes: what the plan will take and what is wrong with it, or what the planner would change. */

import type { Difference } from '../../../src/plan/difference.ts';
import type { PlanTask } from '../../../src/plan/plan.ts';
import { sanitiseLine } from '../../../src/sanitise.ts';
import { wrap } from '../../render/fit.ts';
import type { Figures } from '../figures.ts';
import type { TextRow } from './rows.tsx';
import type { Tone } from './words.tsx';

export function approvalRows(figures: Figures, width: number): readonly TextRow[] {
  const rows = lines(width);
  return [
    ...rows('Proceed to approval', 'strong'),
    ...figures.estimate.flatMap((line) => rows(line)),
    { text: '' },
    ...problemRows(figures, width),
    ...rows(
      figures.errors.length === 0
        ? 'With yes the tasks are queued, and the plan does not change any more.'
        : 'It cannot be approved while there are errors.',
      figures.errors.length === 0 ? 'plain' : 'bad',
    ),
  ];
}

export function differenceRows(difference: Difference, figures: Figures, width: number): readonly TextRow[] {
  const rows = lines(width);
  const { added, removed, changed, approach, isReordered } = difference;
  return [
    ...rows('The planner would have it like this:', 'strong'),
    ...removed.flatMap((task) => rows(`- ${sanitiseLine(task.title)}`, 'bad')),
    ...added.flatMap((task) => [...rows(`+ ${sanitiseLine(task.title)}`, 'good'), ...rows(`    ${task.role}`, 'weak')]),
    ...changed.flatMap(({ before, after, fields }) => [
      ...rows(`~ ${sanitiseLine(before.title)}`, 'warned'),
      ...fields.flatMap((field) => rows(`    ${fieldChange(field, before, after)}`)),
    ]),
    ...(isReordered ? rows('~ in another order', 'warned') : []),
    ...(approach === null ? [] : rows(`~ approach: ${approach}`, 'warned')),
    { text: '' },
    ...problemRows(figures, width),
  ];
}

function problemRows(figures: Figures, width: number): readonly TextRow[] {
  const rows = lines(width);
  return figures.problems.flatMap(({ severity, text }) =>
    rows(`${severity}: ${text}`, severity === 'error' ? 'bad' : 'warned'),
  );
}

function fieldChange(field: string, before: PlanTask, after: PlanTask): string {
  if (field === 'description' || field === 'acceptance' || field === 'files') {
    return `${field}: ${listed(after[field])}`;
  }
  if (field === 'dependsOn') return `waits for: ${listed(before.dependsOn)} → ${listed(after.dependsOn)}`;
  if (field === 'title' || field === 'role' || field === 'priority' || field === 'size') {
    return `${field}: ${sanitiseLine(before[field])} → ${sanitiseLine(after[field])}`;
  }
  return field;
}

function listed(value: string | readonly string[]): string {
  const text = typeof value === 'string' ? value : value.join(', ');
  return text === '' ? 'nothing' : sanitiseLine(text);
}

function lines(width: number): (text: string, tone?: Tone) => TextRow[] {
  return (text, tone = 'plain') => wrap(text, width).map((line) => ({ text: line, tone }));
}
