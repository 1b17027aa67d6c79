/** The tasks, one a row, around the selected one. */

import { Box } from 'ink';
import type { PlanTask } from '../../../src/plan/plan.ts';
import { sanitiseLine } from '../../../src/sanitise.ts';
import { cut, fitted } from '../../render/fit.ts';
import type { Area, Seen } from './seen.ts';
import { Row, type Tone } from './words.tsx';

export function TaskList({ seen, area }: { readonly seen: Seen; readonly area: Area }) {
  const { state } = seen;
  const { tasks } = state.stored.plan;
  const at = Math.max(
    0,
    tasks.findIndex((task) => task.key === state.selected),
  );
  const from = Math.max(0, Math.min(tasks.length - area.height, at - Math.floor(area.height / 2)));
  return (
    <Box flexDirection="column" width={area.width} height={area.height} overflow="hidden">
      {tasks.length === 0 ? <Row tone="weak">No tasks yet. a adds one, ? asks the planner.</Row> : null}
      {tasks.slice(from, from + area.height).map((task, index) => (
        <Row key={task.key} tone={toneOf(task, seen)}>
          {rowOf(task, from + index + 1, { seen, width: area.width })}
        </Row>
      ))}
    </Box>
  );
}

function toneOf(task: PlanTask, { state, figures }: Seen): Tone {
  if (task.key === state.selected) return 'chosen';
  const severity = figures.severityOf(task.key);
  if (severity === 'error') return 'bad';
  return severity === 'warning' ? 'warned' : 'plain';
}

/** `>* 12 ! Build the API      backend-systems…  high M  after 1 3`, with less where there is no room. */
function rowOf(
  task: PlanTask,
  number: number,
  { seen, width }: { readonly seen: Seen; readonly width: number },
): string {
  const { state, figures } = seen;
  const isMoving = state.mode.kind === 'moving' && state.mode.key === task.key;
  const cursor = task.key === state.selected ? (isMoving ? '↕' : '>') : ' ';
  const mark = state.marked.includes(task.key) ? '*' : ' ';
  const problem = { error: '✗', warning: '!', none: ' ' }[figures.severityOf(task.key) ?? 'none'];
  const digits = String(state.stored.plan.tasks.length).length;
  const head = `${cursor}${mark}${String(number).padStart(digits)} ${problem} `;
  const role = width >= 100 ? 24 : width >= 70 ? 16 : 0;
  const after = task.dependsOn.map((key) => figures.numberOf(key) ?? '?').join(' ');
  const dependencies = after === '' ? '' : `←${after}`;
  const last = width >= 60 ? 14 : width >= 40 ? 8 : 0;
  const priority = task.priority === 'normal' ? '' : task.priority;
  const tail = [
    ...(role > 0 ? [fitted(task.role, role)] : []),
    ...(width >= 60 ? [`${fitted(priority, 4)} ${task.size.slice(0, 1).toUpperCase()}`] : []),
    ...(last > 0 ? [fitted(dependencies, last)] : []),
  ].join(' ');
  const title = Math.max(1, width - head.length - tail.length - 1);
  return cut(`${head}${fitted(sanitiseLine(task.title), title)} ${tail}`, width);
}
