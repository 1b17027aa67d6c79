/** `plan run`: queues a plan's tasks unless they are, and works them. */

import { EXIT_CODES } from '../../src/errors.ts';
import { commitOf } from '../../src/git/base.ts';
import { loadPlan } from '../../src/plan/stored.ts';
import type { State } from '../../src/state/state.ts';
import type { TaskId } from '../../src/types.ts';
import type { Context } from '../context.ts';
import { thinkingOf } from '../engines.ts';
import type { PlanRunOptions } from '../options.ts';
import { workWatched } from '../work.ts';
import { approve } from './plan.ts';

/** Resolves to the exit code: 0 when all of the plan's tasks have succeeded. */
export async function runPlan(context: Context, typed: string, options: PlanRunOptions): Promise<number> {
  const { settings } = await context.settings(options.settings, { trust: options.trust });
  const state = await context.state();
  const id = state.resolvePlan(typed);
  // Nothing is queued that could not be worked.
  await thinkingOf(context, settings);
  await commitOf(await context.repository(), settings.base ?? 'HEAD');
  const stored = loadPlan(state, id);
  if (stored.approvedAt === null) {
    const { byName } = await context.roles(settings.base ?? 'HEAD');
    const queued = approve(state, stored, { roles: [...byName.values()] });
    if (!context.json) context.note(`Queued ${queued.length} tasks of the plan ${id}.`);
  }
  const { tasks } = state.plan(id);
  const open = tasks.filter((task) => !isOver(state, task));
  if (open.length === 0) {
    const left = tasks.filter((task) => state.task(task).state !== 'succeeded');
    if (!context.json) {
      context.note(
        left.length === 0
          ? `All tasks of the plan ${id} are done. Look at the results with: orchestrate review`
          : `Nothing is left to start. Did not succeed: ${left.join(', ')}; try again with: orchestrate retry <task>`,
      );
    }
    return left.length === 0 ? 0 : EXIT_CODES.failure;
  }
  const others = waitedFor(state, tasks);
  if (others.length > 0 && !context.json) {
    context.note(`It waits for tasks that are not of the plan: ${others.join(', ')}. Work those too: orchestrate run`);
  }
  const { exitCode } = await workWatched(context, { state, settings, only: tasks, allowRedBase: options.allowRedBase });
  const undone = tasks.filter((task) => state.task(task).state !== 'succeeded');
  if (!context.json) {
    const done = tasks.length - undone.length;
    context.note(`${done} of ${tasks.length} tasks of the plan are done. Look at the results with: orchestrate review`);
  }
  return exitCode === 0 && undone.length > 0 ? EXIT_CODES.failure : exitCode;
}

/** Tasks that are not of the plan, and have to be done before all of it can be. */
function waitedFor(state: State, tasks: readonly TaskId[]): readonly TaskId[] {
  const before = new Set(tasks.flatMap((task) => state.task(task).dependsOn));
  return [...before].filter((task) => !tasks.includes(task) && state.task(task).state !== 'succeeded');
}

function isOver(state: State, task: TaskId): boolean {
  return ['succeeded', 'failed', 'cancelled'].includes(state.task(task).state);
}
