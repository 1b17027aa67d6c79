/** Which results and transcripts of finished work can go. */

import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { State } from '../src/state/state.ts';
import type { AttemptId, TaskId, TaskState } from '../src/types.ts';

export interface Removal {
  readonly type: string;
  readonly name: string;
}

const UNFINISHED: readonly TaskState[] = ['queued', 'blocked', 'running', 'paused'];

/**
 * Attempts whose kept result nobody needs: the patch is merged or rejected (with `patches`: in any state), was made
 * before `before`, and no unfinished task is to start from it.
 */
export function finishedRefs(state: State, options: { readonly before: Date; readonly patches: boolean }): AttemptId[] {
  const needed = new Set<TaskId>();
  for (const task of state.tasks())
    if (UNFINISHED.includes(task.state)) for (const id of task.dependsOn) needed.add(id);
  return state
    .patches()
    .filter((patch) => options.patches || patch.state === 'merged' || patch.state === 'rejected')
    .filter((patch) => Date.parse(patch.createdAt) <= options.before.getTime() && !needed.has(patch.task))
    .map((patch) => patch.id);
}

/** Transcripts last written before `before` whose attempt is not under way. */
export async function oldTranscripts(state: State, before: Date): Promise<string[]> {
  const underWay = new Set<string>(state.unendedAttempts().map((attempt) => attempt.id));
  const folder = folderOf(state);
  const names = await readdir(folder).catch(() => []);
  const old: string[] = [];
  for (const name of names.sort()) {
    const attempt = /^(.+)\.log$/.exec(name)?.[1];
    if (attempt === undefined || underWay.has(attempt)) continue;
    const file = await stat(join(folder, name)).catch(() => null);
    if (file !== null && file.mtimeMs <= before.getTime()) old.push(attempt);
  }
  return old;
}

export async function removeTranscripts(state: State, attempts: readonly string[]): Promise<void> {
  for (const attempt of attempts) await rm(join(folderOf(state), `${attempt}.log`), { force: true });
}

function folderOf(state: State): string {
  return join(state.directory, 'transcripts');
}
