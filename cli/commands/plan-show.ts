/** `plan show`: one plan by phases, what is wrong with it, and what was said about it. */

import { loadPlan } from '../../src/plan/stored.ts';
import { sanitise } from '../../src/sanitise.ts';
import type { Context } from '../context.ts';
import { judge } from '../judge-plan.ts';
import { columnsOf } from '../render/fit.ts';
import { planJson, planText } from '../render/plan.ts';
import { somePlans } from '../some-plans.ts';

export async function showPlan(context: Context, typed: string): Promise<number> {
  const state = await somePlans(context, typed);
  const stored = loadPlan(state, state.resolvePlan(typed));
  const { settings } = await context.settings({}, { trust: false, ask: false });
  const judgement = await judge(context, stored.plan, settings);
  const messages = state.planMessages(stored.id);
  if (context.json) {
    context.printJson({ plan: { ...planJson(stored, judgement), queuedAs: stored.tasks }, discussion: messages });
    return 0;
  }
  context.print(await planText(stored, judgement, columnsOf(context.out)));
  const said = messages.map(({ from, text }) => `${from}: ${sanitise(text)}\n`).join('');
  if (said !== '') context.print(`\n${said}`);
  const next = stored.approvedAt === null ? 'continue' : 'run';
  context.print(`\nNext: orchestrate plan ${next} ${stored.id}\n`);
  return 0;
}
