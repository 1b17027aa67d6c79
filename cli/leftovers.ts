/** Which results of finished work can go. */

import type { State } from '../src/state/state.ts';
import type { AttemptId, TaskId, TaskState } from '../src/types.ts';

export interface Removal {
  readonly type: string;
  readonly name: string;
}

const UNFINISHED: readonly TaskState[] = ['queued', 'blocked', 'running', 'paused'];

/**
 * Attempts whose kept result nobody needs: the patch is merged or rejected (with `patches`: in any state), was made
 * before `before`, and no unfinished task is to start from it or to go on with it.
 */
export function finishedRefs(state: State, options: { readonly before: Date; readonly patches: boolean }): AttemptId[] {
  const unfinished = state.tasks().filter((task) => UNFINISHED.includes(task.state));
  const needed = new Set<TaskId>(unfinished.flatMap((task) => task.dependsOn));
  const goneOnWith = new Set(unfinished.map((task) => task.startFrom));
  return state
    .patches()
    .filter((patch) => options.patches || patch.state === 'merged' || patch.state === 'rejected')
    .filter(
      (patch) =>
        Date.parse(patch.createdAt) <= options.before.getTime() && !needed.has(patch.task) && !goneOnWith.has(patch.id),
    )
    .map((patch) => patch.id);
}
