/** `plan list`: all plans, the one that was changed last in front. */

import { sanitiseLine } from '../../src/sanitise.ts';
import type { Context } from '../context.ts';
import { columnsOf, cut, tableLines } from '../render/fit.ts';
import { age, count } from '../render/text.ts';

const LONGEST_GOAL = 60;

export async function listPlans(context: Context): Promise<number> {
  const plans = (await context.readState())?.plans() ?? [];
  if (context.json) {
    context.printJson({
      plans: plans.map(({ id, goal, createdAt, updatedAt, approvedAt, taskCount }) => ({
        ...{ id, goal, status: statusOf(approvedAt), tasks: taskCount, createdAt, updatedAt, approvedAt },
      })),
    });
    return 0;
  }
  if (plans.length === 0) {
    context.print('There are no plans. Make one: orchestrate plan "<goal>"\n');
    return 0;
  }
  const rows = plans.map(({ id, goal, updatedAt, approvedAt, taskCount }) => [
    ...[
      id,
      statusOf(approvedAt),
      count(taskCount, 'task'),
      age(Date.now() - Date.parse(updatedAt)),
      cut(sanitiseLine(goal), LONGEST_GOAL),
    ],
  ]);
  const header = ['PLAN', 'STATE', 'TASKS', 'CHANGED', 'GOAL'];
  const lines = await tableLines([header, ...rows], columnsOf(context.out));
  context.print(lines.map((line) => `${line}\n`).join(''));
  return 0;
}

function statusOf(approvedAt: string | null): string {
  return approvedAt === null ? 'draft' : 'approved';
}
