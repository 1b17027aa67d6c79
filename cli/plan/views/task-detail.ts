/** All of one task. */

import { type PlanTask, taskText } from '../../../src/plan/plan.ts';
import { sanitiseLine } from '../../../src/sanitise.ts';
import { cut, wrap } from '../../render/fit.ts';
import type { Figures } from '../figures.ts';
import type { TextRow } from './rows.tsx';
import type { Tone } from './words.tsx';

export function detailRows(task: PlanTask | undefined, figures: Figures, width: number): readonly TextRow[] {
  if (task === undefined) return [];
  const waits = task.dependsOn.map((key) => `${figures.numberOf(key) ?? '?'} ${figures.titleOf(key)}`);
  const reason = task.roleReason === null || task.roleReason === '' ? '' : ` (${sanitiseLine(task.roleReason)})`;
  const all = (text: string, tone: Tone = 'plain'): TextRow[] =>
    wrap(text, width).map((line) => ({ text: line, tone }));
  return [
    ...all(`${figures.numberOf(task.key) ?? '?'} ${sanitiseLine(task.title)}`, 'strong'),
    ...all(`${task.role}${reason}`, 'named'),
    { text: cut(`${task.priority} priority · ${task.size} · ${task.key}`, width), tone: 'weak' },
    ...(waits.length === 0 ? [] : all(`after ${waits.join(', ')}`)),
    ...figures
      .problemsWith(task.key)
      .flatMap((problem) => all(problem.text, problem.severity === 'error' ? 'bad' : 'warned')),
    { text: '' },
    ...all(taskText(task)),
  ];
}
