/** Opens the screen on which a person works on a plan. */

import { environmentError } from '../../src/errors.ts';
import type { Ending, PlanScreenOptions, PlanScreen as PlanScreenType, PlanTerminal } from './plan-screen.ts';

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
  const PlanScreen = await loaded();
  using screen = new PlanScreen(context, options);
  return await screen.ending;
}

/** React's build for developers keeps a record of every drawing and prints warnings; Ink with DEV connects to a debugger. */
async function loaded(): Promise<typeof PlanScreenType> {
  const { NODE_ENV, DEV } = process.env;
  process.env.NODE_ENV = 'production';
  delete process.env.DEV;
  try {
    return (await import('./plan-screen.ts')).PlanScreen;
  } finally {
    if (NODE_ENV === undefined) delete process.env.NODE_ENV;
    else process.env.NODE_ENV = NODE_ENV;
    if (DEV !== undefined) process.env.DEV = DEV;
  }
}
