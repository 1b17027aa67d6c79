/** `orchestrate run`: works the queue until it is empty. */

import type { Settings } from '../../src/config/settings.ts';
import type { RunSummary } from '../../src/coordinator.ts';
import { EXIT_CODES } from '../../src/errors.ts';
import { uncheckedBy } from '../../src/review/verdict.ts';
import { wantedHosts } from '../../src/sandbox/docker/hosts.ts';
import type { State } from '../../src/state/state.ts';
import type { Context } from '../context.ts';
import type { RunOptions } from '../options.ts';

const EXIT_CODE_DONE = 0;

/** Resolves to the exit code: 0 all done, 1 some task failed or cannot start, 130 interrupted. */
export async function run(context: Context, options: RunOptions): Promise<number> {
  if (options.description !== null) {
    const { runOne } = await import('./run-one.ts');
    return runOne(context, { ...options, description: options.description });
  }
  const { settings } = await context.settings(options.settings, { trust: options.trust });
  // Usage first: a word of --host or --on that is wrong is told though there is nothing to do.
  wantedHosts(settings);
  const state = await context.state();
  await refusePastEnd(state, settings);
  const waiting = state.tasks().filter((task) => task.state === 'queued' || task.state === 'blocked');
  if (options.dryRun) {
    const { dryRun } = await import('./run-dry.ts');
    const { inOrderOfWork } = await import('../../src/tasks/work-order.ts');
    await dryRun(context, settings, inOrderOfWork(waiting));
    return EXIT_CODE_DONE;
  }
  const { recoverable } = await import('../../src/tasks/recovery.ts');
  if (!waiting.some((task) => task.state === 'queued') && !recoverable(state) && !leftUnchecked(state, settings)) {
    const { clearUp } = await import('../clear-up.ts');
    await clearUp(context, state);
    if (!context.json) context.note(nothingToDo(waiting.length));
    return waiting.length === 0 ? EXIT_CODE_DONE : EXIT_CODES.failure;
  }
  if (options.detach) {
    const { runDetached } = await import('./run-detached.ts');
    return runDetached(context, { ...options, only: null }, settings);
  }
  const { workWatched } = await import('../work.ts');
  const ended = await workWatched(context, { state, settings, allowRedBase: options.allowRedBase });
  if (!context.json) context.note(ending(ended.summary));
  return ended.exitCode;
}

/** Usage error BAD_VALUE where it would have to end before it begins. */
async function refusePastEnd(state: State, { end }: Settings): Promise<void> {
  if (end === null) return;
  const { CLOCK, deadlineOf } = await import('../../src/tasks/deadline.ts');
  deadlineOf(end, state.cutOffRun(), CLOCK);
}

/** A run was cut off when nothing but checks was left to do. */
function leftUnchecked(state: State, { checks }: Settings): boolean {
  if (checks.length === 0 || state.currentRun() === null) return false;
  return state.patches().some((patch) => patch.state === 'pending' && uncheckedBy(patch, checks).length > 0);
}

function nothingToDo(blocked: number): string {
  if (blocked === 0) return 'The queue is empty. Queue work with: orchestrate submit "…"';
  return `${blocked} ${blocked === 1 ? 'task is' : 'tasks are'} blocked and none can start; see: orchestrate status`;
}

function ending(summary: RunSummary): string {
  const parts = [`${summary.succeeded} succeeded`, `${summary.failed} failed`];
  if (summary.redPatches > 0) parts.push(`${summary.redPatches} with a failed check`);
  if (summary.blocked > 0) parts.push(`${summary.blocked} blocked`);
  return `${parts.join(', ')}. Look at the results with: orchestrate review`;
}
