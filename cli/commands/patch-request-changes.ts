/** `patch request-changes`: the patch's task is done once more, from the patch's own result, with what the person says. */

import { usageError } from '../../src/errors.ts';
import { MESSAGE_LIMIT, requestChanges } from '../../src/review/request-changes.ts';
import { revealLine } from '../../src/sanitise.ts';
import { conflictsOf } from '../conflicts.ts';
import type { Context } from '../context.ts';
import { patchOf, someState } from '../find.ts';
import { readInput } from '../input.ts';
import { liveRun } from '../live-run.ts';
import type { RequestChangesOptions } from '../options.ts';
import { patchJson, taskJsonOf } from '../render/json.ts';

export async function requestPatchChanges(
  context: Context,
  typed: string,
  options: RequestChangesOptions,
): Promise<number> {
  const known = someState(await context.knownState(), typed);
  const { id } = patchOf(known, typed);
  const message = await messageOf(context, options);
  const state = await context.state();
  const patch = requestChanges(state, patchOf(state, id), message);
  const task = state.task(patch.task);
  const isRunning = liveRun(state) !== null;
  if (context.json) {
    context.printJson({
      patches: [patchJson(patch, conflictsOf(state, patch.id))],
      tasks: [taskJsonOf(state, task, isRunning)],
    });
    return 0;
  }
  const waits = task.state === 'blocked' && task.reason !== null ? `; it ${revealLine(task.reason)}` : '';
  const next = isRunning ? 'the run takes it up; follow it with: orchestrate status --watch' : 'orchestrate run';
  context.print(
    `Changes requested of ${patch.id}: ${task.id} is ${task.state} for attempt ${task.attempts + 1}, which goes on with it${waits}\nNext: ${next}\n`,
  );
  return 0;
}

async function messageOf(context: Context, { message, file }: RequestChangesOptions): Promise<string> {
  if ((message === null) === (file === null)) {
    throw usageError('BAD_USAGE', 'say what is to be changed, either with --message or with --file');
  }
  return file === null ? (message ?? '') : readInput(context, file, MESSAGE_LIMIT);
}
