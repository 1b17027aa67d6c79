/** Opens the screen on which a person works on a plan. */

import { environmentError } from '../../src/errors.ts';
import type { Ending, PlanScreenOptions, PlanTerminal } from './plan-screen.ts';

/** Whether there is a terminal to show it on. */
export function canShowPlan({ in: input, out, env }: Pick<PlanTerminal, 'in' | 'out' | 'env'>): boolean {
  return input.isTTY === true && out.isTTY === true && env.TERM !== 'dumb';
}

/**
 * Shows the plan as it was left, and stores every change at once. `approved`: its tasks are queued; `saved`: the person
 * left; `interrupted`: Ctrl-C, a signal, or the terminal is gone. In each case the terminal is as before.
 * @throws environment NO_TERMINAL; usage UNKNOWN_PLAN, failure PLAN_UNREADABLE
 */
export async function openPlanScreen(context: PlanTerminal, options: PlanScreenOptions): Promise<Ending> {
  if (!canShowPlan(context)) {
    throw environmentError('NO_TERMINAL', 'A plan is edited on a terminal, and this is none that can show it.', {
      hint: `Use \`orchestrate plan show ${options.id}\`, \`plan export\` and \`plan import\`, or \`plan run\`.`,
    });
  }
  // React's build for developers keeps a record of every drawing, for ever.
  process.env.NODE_ENV ??= 'production';
  const { PlanScreen } = await import('./plan-screen.ts');
  using screen = new PlanScreen(context, options);
  return await screen.ending;
}
