/** `plan "<goal>"`: a first plan, then the person's work on it, then its tasks in the queue. */

import type { Settings } from '../../src/config/settings.ts';
import { EXIT_CODES, usageError } from '../../src/errors.ts';
import type { Ground } from '../../src/plan/planner.ts';
import { loadPlan, type StoredPlan, tasksOf } from '../../src/plan/stored.ts';
import type { TaskRecord } from '../../src/state/records.ts';
import type { State } from '../../src/state/state.ts';
import type { Context } from '../context.ts';
import { readInput } from '../input.ts';
import type { PlanOptions } from '../options.ts';
import { checkGoal, firstPlan, type Planning, planningOf, refuseErrors } from '../planning.ts';
import { columnsOf } from '../render/fit.ts';
import { taskJsonOf } from '../render/json.ts';
import { type Judgement, planJson, planText } from '../render/plan.ts';

const MAX_BYTES = 1024 ** 2;

/** Resolves to the exit code: 0 also for a draft that is saved, 130 when it was left by Ctrl-C. */
export async function plan(context: Context, written: string | null, options: PlanOptions): Promise<number> {
  if (written !== null && options.file !== null) {
    throw usageError('BAD_USAGE', 'give the goal either as an argument or with --file');
  }
  const goal = checkGoal(options.file === null ? (written ?? '') : await readInput(context, options.file, MAX_BYTES));
  const { settings } = await context.settings(options.settings, { trust: options.trust });
  const planning = await planningOf(context, goal, settings);
  // Opened before a model is paid for a plan that could not be kept.
  const state = await context.state();
  const first = await firstPlan(context, planning);
  const { id } = state.addPlan(goal, { document: first, change: `planned by ${first.planner}` });
  return goOn(context, { state, id, planning: async () => planning, options, settings });
}

/** `plan continue`: where the person left it. */
export async function continuePlan(context: Context, typed: string, options: PlanOptions): Promise<number> {
  const state = await context.state();
  const id = state.resolvePlan(typed);
  const { plan: stored, approvedAt } = loadPlan(state, id);
  if (approvedAt !== null) {
    throw usageError('PLAN_APPROVED', `the plan ${id} is approved and its tasks are queued`, {
      hint: `orchestrate plan run ${id}`,
    });
  }
  const { settings } = await context.settings(options.settings, { trust: options.trust });
  const planning = () => planningOf(context, stored.goal, settings);
  return goOn(context, { state, id, planning, options, settings });
}

interface Open {
  readonly state: State;
  readonly id: string;
  /** Who is asked on the screen, and nowhere else. */
  readonly planning: () => Promise<Planning>;
  readonly options: PlanOptions;
  readonly settings: Settings;
}

async function goOn(context: Context, { state, id, planning, options, settings }: Open): Promise<number> {
  const { judge, priceFor } = await import('../judge-plan.ts');
  if (options.yes) {
    const { byName } = await context.roles(settings.base ?? 'HEAD');
    const tasks = approve(state, loadPlan(state, id), { roles: [...byName.values()] });
    return tell(context, { state, id, tasks, judgement: await judge(context, loadPlan(state, id).plan, settings) });
  }
  const { canShowPlan, openPlanScreen } = await import('../plan/open.ts');
  if (context.json || !canShowPlan(context)) {
    const judgement = await judge(context, loadPlan(state, id).plan, settings);
    await tell(context, { state, id, tasks: [], judgement });
    context.note(savedAs(id, judgement));
    return 0;
  }
  const { ground, planner } = await planning();
  const price = await priceFor(context, settings);
  const end = await openPlanScreen(context, { state, id, planner, ground, price, roles: ground.roles });
  const { approvedAt, tasks } = state.plan(id);
  if (end === 'approved') {
    context.note(`Queued ${tasks.length} tasks. Next: orchestrate run`);
    return 0;
  }
  // Another terminal may have approved it meanwhile.
  context.note(
    approvedAt === null
      ? `Saved. Go on with: orchestrate plan continue ${id}`
      : `The plan is approved and its tasks are queued. Next: orchestrate plan run ${id}`,
  );
  return end === 'interrupted' ? EXIT_CODES.interrupted : 0;
}

/** What to do with a draft that nobody was there to approve. */
export function savedAs(id: string, { problems }: Judgement): string {
  const onTerminal = `on a terminal: orchestrate plan continue ${id}`;
  return problems.some(({ severity }) => severity === 'error')
    ? `Saved as a draft, which cannot be approved as it is. Change it ${onTerminal}; or export, edit and import it`
    : `Saved as a draft. Approve and run it: orchestrate plan run ${id}; ${onTerminal}`;
}

/** Queues its tasks. @throws usage BAD_PLAN, PLAN_CHANGED */
export function approve(state: State, stored: StoredPlan, ground: Pick<Ground, 'roles'>): TaskRecord[] {
  refuseErrors(stored.plan, ground);
  const tasks = state.approvePlan(stored.id, stored.revision, tasksOf(stored.plan));
  if (tasks !== null) return tasks;
  throw usageError('PLAN_CHANGED', `the plan ${stored.id} was changed or approved meanwhile`, {
    hint: `orchestrate plan show ${stored.id}`,
  });
}

interface Told {
  readonly state: State;
  readonly id: string;
  readonly tasks: readonly TaskRecord[];
  readonly judgement: Judgement;
}

/** Prints a plan, and what its tasks are queued as. */
export async function tell(context: Context, { state, id, tasks, judgement }: Told): Promise<number> {
  const stored = loadPlan(state, id);
  if (context.json) {
    context.printJson({
      plan: planJson(stored, judgement),
      tasks: tasks.map((task) => taskJsonOf(state, task, false)),
    });
    return 0;
  }
  context.print(await planText(stored, judgement, columnsOf(context.out)));
  if (tasks.length > 0) context.print(`\nQueued ${tasks.length} tasks. Next: orchestrate run\n`);
  return 0;
}
