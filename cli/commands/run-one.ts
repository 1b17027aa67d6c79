/** `run "<description>"`, the short way: queue one task, work it alone, show its patch, offer to approve and apply it. */

import { wantedHosts } from '../../src/sandbox/docker/hosts.ts';
import type { Context } from '../context.ts';
import { thinkingOf } from '../engines.ts';
import type { RunOptions } from '../options.ts';
import { roleChooser, roleText } from '../role-of.ts';
import { workWatched } from '../work.ts';

/** Resolves to the exit code: 0 also when the user does not want the patch now. */
export async function runOne(
  context: Context,
  options: RunOptions & { readonly description: string },
): Promise<number> {
  const { taskFrom } = await import('./submit.ts');
  const typed = { ...options, title: null, priority: 'normal' } as const;
  const wanted = await taskFrom(typed, roleChooser(context, options.settings));
  const { settings } = await context.settings(options.settings, { trust: options.trust });
  if (options.dryRun) {
    const { dryRun } = await import('./run-dry.ts');
    if (!context.json) context.print(`Would queue “${wanted.title}” for ${roleText(wanted)} and work it alone.\n`);
    await dryRun(context, settings, [{ ...wanted, id: null, phase: 1 }]);
    return 0;
  }
  if (settings.end !== null) {
    const { CLOCK, deadlineOf } = await import('../../src/tasks/deadline.ts');
    deadlineOf(settings.end, null, CLOCK);
  }
  // Nothing is queued that could not be worked.
  wantedHosts(settings);
  const { engine } = await thinkingOf(context, settings, [wanted.agent]);
  const state = await context.state();
  const [task] = state.addTasks([wanted]);
  if (task === undefined) return 0;
  if (!context.json) context.note(`Role: ${roleText(task)}`);
  if (options.detach) {
    const { startDetached } = await import('./run-detached.ts');
    return startDetached(context, { ...options, only: [task.id], engine: engine.name });
  }
  const { exitCode } = await workWatched(context, {
    ...{ state, settings, only: [task.id] },
    allowRedBase: options.allowRedBase,
  });
  const patch = state.patchOf(task.id);
  if (patch === null) {
    if (!context.json) context.note(state.task(task.id).reason ?? 'The agent changed nothing: there is no patch.');
    return exitCode;
  }
  if (context.json) return exitCode;
  const { showPatch } = await import('./patch-show.ts');
  await showPatch(context, patch.id, { stat: context.out.isTTY !== true, output: null, hunks: false, rejected: false });
  const next = `orchestrate patch approve ${patch.id} && orchestrate patch apply ${patch.id}`;
  if (exitCode !== 0 || !(await context.confirm('Approve this patch and apply it to the current branch?'))) {
    context.note(exitCode === 0 ? `Later: ${next}` : `What the agent left is kept: orchestrate patch show ${patch.id}`);
    return exitCode;
  }
  const [{ approvePatches }, { apply }] = await Promise.all([import('./patch-decide.ts'), import('./patch-apply.ts')]);
  await approvePatches(context, [patch.id]);
  return apply(context, [patch.id], { branch: null, commit: true, withDependencies: false, unreviewed: false });
}
