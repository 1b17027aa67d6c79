/** Plans as text and as JSON. */

import type { Estimate } from '../../src/plan/estimate.ts';
import { type Problem, planPhases } from '../../src/plan/graph.ts';
import type { Plan } from '../../src/plan/plan.ts';
import type { StoredPlan } from '../../src/plan/stored.ts';
import { sanitise, sanitiseLine } from '../../src/sanitise.ts';
import { estimateLines } from '../plan/estimate-lines.ts';
import { cut, tableLines, widthOf, wrap } from './fit.ts';

/** Columns of the table that give way on a narrow terminal. */
const [TITLE, AFTER] = [1, 5];
const LEAST_TITLE = 20;
const MOST_AFTER = 16;

/** What there is to say of a plan beside itself. */
export interface Judgement {
  readonly problems: readonly Problem[];
  readonly estimate: Estimate;
}

/** `id` null: it is stored nowhere. */
export type ShownPlan = { readonly plan: Plan } & Partial<
  Pick<StoredPlan, 'id' | 'approvedAt' | 'createdAt' | 'updatedAt'>
>;

export function planJson(shown: ShownPlan, { problems, estimate }: Judgement) {
  const { plan, id = null, approvedAt = null, createdAt = null, updatedAt = null } = shown;
  const phases = planPhases(plan);
  return {
    id,
    goal: plan.goal,
    status: approvedAt === null ? 'draft' : 'approved',
    ...{ createdAt, updatedAt, approvedAt },
    planner: plan.planner,
    approach: plan.approach,
    tasks: plan.tasks.map((task) => ({ ...task, phase: phases.get(task.key) ?? 1 })),
    problems,
    estimate,
  };
}

/** @param width columns that it must fit into; null: it is as wide as it is */
export async function planText(shown: ShownPlan, judgement: Judgement, width: number | null): Promise<string> {
  const { plan } = shown;
  const state = shown.approvedAt ? 'approved' : 'draft';
  const head = shown.id === undefined ? '' : `${shown.id} (${state})\n`;
  const paragraph = (text: string): string => (text === '' ? '' : `${fittedText(text, width)}\n`);
  const problems = judgement.problems.map(({ severity, text }) => paragraph(`${severity}: ${sanitiseLine(text)}`));
  return [
    `${head}${paragraph(plan.goal)}`,
    paragraph(plan.approach),
    await phasesTable(plan, width),
    `${problems.join('')}${paragraph(estimateLines(judgement.estimate).join('\n'))}`,
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function fittedText(text: string, width: number | null): string {
  return width === null ? sanitise(text) : wrap(text, width).join('\n');
}

/** Tasks by phase; what one depends on by its number. */
async function phasesTable(plan: Plan, width: number | null): Promise<string> {
  const phases = planPhases(plan);
  const numbers = new Map(plan.tasks.map((task, index) => [task.key, index + 1]));
  const rows = plan.tasks.map((task) => {
    const after = task.dependsOn.map((key) => numbers.get(key) ?? sanitiseLine(key)).join(', ');
    return {
      phase: phases.get(task.key) ?? 1,
      cells: [
        `  ${numbers.get(task.key)}`,
        sanitiseLine(task.title),
        task.role,
        task.priority === 'normal' ? '' : task.priority,
        task.size,
        after === '' ? '' : `after ${after}`,
      ],
    };
  });
  rows.sort((a, b) => a.phase - b.phase);
  const cells = rows.map((row) => row.cells);
  const lines = await tableLines(width === null ? cells : narrowed(cells, width), width);
  let last = 0;
  return rows
    .map(({ phase }, index) => {
      const heading = phase === last ? '' : `phase ${phase}\n`;
      last = phase;
      return `${heading}${lines[index]}\n`;
    })
    .join('');
}

/** Titles get what the other columns leave, but never so little that they say nothing: then lines are cut at their ends. */
function narrowed(rows: readonly (readonly string[])[], width: number): string[][] {
  const short = rows.map((cells) => cells.map((cell, column) => (column === AFTER ? cut(cell, MOST_AFTER) : cell)));
  const others = [0, 2, 3, 4, AFTER].map((column) =>
    Math.max(0, ...short.map((cells) => widthOf(cells[column] ?? ''))),
  );
  const room = width - others.reduce((sum, wide) => sum + wide + 2, 0);
  return short.map((cells) =>
    cells.map((cell, column) => (column === TITLE ? cut(cell, Math.max(LEAST_TITLE, room)) : cell)),
  );
}
