/** `submit --decompose`: has a goal planned and queues the tasks of the plan, without anybody asked in between. */

import { usageError } from '../../src/errors.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { parsed, tasksOf } from '../../src/plan/stored.ts';
import type { NewTask } from '../../src/state/records.ts';
import type { Context } from '../context.ts';
import { judge } from '../judge-plan.ts';
import type { SubmitOptions } from '../options.ts';
import { checkGoal, firstPlan, planningOf } from '../planning.ts';
import { columnsOf } from '../render/fit.ts';
import { planJson, planText } from '../render/plan.ts';
import { tell } from './plan.ts';

/** @param dependsOn ids of tasks that all of it comes after */
export async function decompose(
  context: Context,
  written: string,
  options: SubmitOptions,
  dependsOn: readonly string[],
): Promise<number> {
  if (options.title !== null || options.agent !== null) {
    throw usageError('BAD_USAGE', '--decompose finds titles and roles itself: leave out --title and --agent');
  }
  const goal = checkGoal(written);
  const { settings } = await context.settings(options.settings, { trust: false });
  const planning = await planningOf(context, goal, settings);
  // Opened before a model is paid for a plan that could not be kept.
  const state = options.dryRun ? null : await context.state();
  const plan = withPriority(await firstPlan(context, planning), options.priority);
  const judgement = await judge(context, plan, settings);
  if (state === null) {
    if (context.json) context.printJson({ dryRun: true, plan: planJson({ plan }, judgement), tasks: [] });
    else context.print(`Would queue:\n\n${await planText({ plan }, judgement, columnsOf(context.out))}`);
    return 0;
  }
  const draft = parsed(state.addPlan(goal, { document: plan, change: `planned by ${plan.planner}` }));
  const tasks = state.approvePlan(draft.id, draft.revision, after(tasksOf(draft.plan), dependsOn)) ?? [];
  return tell(context, { state, id: draft.id, tasks, judgement });
}

/** What was asked for all of it counts for each. */
function withPriority(plan: Plan, priority: SubmitOptions['priority']): Plan {
  if (priority === 'normal') return plan;
  return { ...plan, tasks: plan.tasks.map((task) => ({ ...task, priority })) };
}

function after(tasks: readonly NewTask[], ids: readonly string[]): NewTask[] {
  return tasks.map((task) => (task.dependsOn.length === 0 ? { ...task, dependsOn: ids } : task));
}
