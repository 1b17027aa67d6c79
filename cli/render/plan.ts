/** Plans as text and as JSON. */

import type { Estimate } from '../../src/plan/estimate.ts';
import { type Problem, planPhases } from '../../src/plan/graph.ts';
import type { Plan } from '../../src/plan/plan.ts';
import type { StoredPlan } from '../../src/plan/stored.ts';
import { sanitise, sanitiseLine } from '../../src/sanitise.ts';
import { estimateLines } from '../plan/estimate-lines.ts';
import { tableOf } from './text.ts';

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

export async function planText(shown: ShownPlan, judgement: Judgement): Promise<string> {
  const { plan } = shown;
  const state = shown.approvedAt ? 'approved' : 'draft';
  const head = shown.id === undefined ? '' : `${shown.id} (${state})\n`;
  const approach = plan.approach === '' ? '' : `${sanitise(plan.approach)}\n`;
  const problems = judgement.problems.map(({ severity, text }) => `${severity}: ${sanitiseLine(text)}\n`).join('');
  return [
    `${head}${sanitise(plan.goal)}\n`,
    approach,
    await phasesTable(plan),
    `${problems}${estimateLines(judgement.estimate).join('\n')}\n`,
  ]
    .filter((part) => part !== '')
    .join('\n');
}

/** Tasks by phase; what one depends on by its number. */
async function phasesTable(plan: Plan): Promise<string> {
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
  const lines = (await tableOf(rows.map(({ cells }) => cells))).split('\n');
  let last = 0;
  return rows
    .map(({ phase }, index) => {
      const heading = phase === last ? '' : `phase ${phase}\n`;
      last = phase;
      return `${heading}${lines[index]}\n`;
    })
    .join('');
}
