/** From a goal to a first plan: settings, the planner that they choose, what it gets to know, and the plan, checked. */

import type { Settings } from '../src/config/settings.ts';
import { OrchestrateError, usageError } from '../src/errors.ts';
import { problemsOf } from '../src/plan/graph.ts';
import { MAX_GOAL, type Plan } from '../src/plan/plan.ts';
import type { Ground, Planner } from '../src/plan/planner.ts';
import { sanitise } from '../src/sanitise.ts';
import type { Context } from './context.ts';
import { cost } from './render/text.ts';

export interface Planning {
  readonly planner: Planner;
  readonly ground: Ground;
}

/** @throws usage BAD_GOAL */
export function checkGoal(written: string): string {
  const goal = sanitise(written).trim();
  if (goal === '') throw usageError('BAD_GOAL', 'the goal is empty', { hint: 'orchestrate plan "<goal>"' });
  if (goal.length > MAX_GOAL) throw usageError('BAD_GOAL', `the goal is longer than ${MAX_GOAL} characters`);
  return goal;
}

/** Errors as `plannerOf` has them, and those of the base. */
export async function planningOf(context: Context, goal: string, settings: Settings): Promise<Planning> {
  const [{ plannerOf }, { readMap }, repository] = await Promise.all([
    import('./planner.ts'),
    import('../src/plan/map.ts'),
    context.repository(),
  ]);
  const base = settings.base ?? 'HEAD';
  const [planner, map, roles] = await Promise.all([
    plannerOf(context, settings),
    readMap(repository, base),
    context.roles(base),
  ]);
  const cards = [...roles.byName.values()].map(({ name, description }) => ({ name, description }));
  return { planner, ground: { goal, map, roles: cards } };
}

/** The planner's first plan. @throws what the planner throws, usage BAD_PLAN, and interrupted PLANNING_STOPPED after Ctrl-C */
export async function firstPlan(context: Context, { planner, ground }: Planning): Promise<Plan> {
  if (planner.name !== 'heuristic') context.note(`planning with ${planner.name} …`);
  const plan = await interruptible((signal) => planner.plan(ground, signal));
  if (planner.used !== undefined) context.note(`the plan cost ${cost(planner.used)}`);
  refuseErrors(plan, ground);
  return plan;
}

/** @throws usage BAD_PLAN with what keeps it from being approved */
export function refuseErrors(plan: Plan, { roles }: Pick<Ground, 'roles'>): void {
  const errors = problemsOf(
    plan,
    roles.map(({ name }) => name),
  ).filter(({ severity }) => severity === 'error');
  if (errors.length === 0) return;
  throw usageError('BAD_PLAN', errors.map(({ text }) => text).join('\n'), {
    hint: 'change it with: orchestrate plan continue, or export, edit and import it',
  });
}

async function interruptible<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const interruption = new AbortController();
  const stopped = new OrchestrateError('interrupted', 'PLANNING_STOPPED', 'planning was stopped');
  const onSignal = () => interruption.abort(stopped);
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  try {
    return await work(interruption.signal);
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}
