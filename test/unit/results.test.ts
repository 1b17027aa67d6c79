import { afterEach, beforeEach, expect, it } from 'vitest';
import { findRepository } from '../../src/git/repository.ts';
import { dropOldResults } from '../../src/tasks/results.ts';
import type { AttemptId } from '../../src/types.ts';
import { type FinishedTask, finishTask, stateOf } from '../support/queue.ts';
import { Scratch } from '../support/scratch.ts';

const inDays = (days: number) => new Date(Date.now() + days * 24 * 3_600_000);

let scratch: Scratch;

beforeEach(async () => {
  scratch = await Scratch.create();
});
afterEach(() => scratch[Symbol.asyncDispose]());

async function drop(now: Date): Promise<string[]> {
  const state = stateOf(scratch);
  try {
    await dropOldResults(await findRepository(scratch.repository, scratch.env), state, now);
  } finally {
    state.close();
  }
  const refs = await scratch.git('for-each-ref', '--format=%(refname:lstrip=2)', 'refs/orchestrate');
  return refs.split('\n').filter(Boolean);
}

async function patch(title: string, become: 'merged' | 'rejected' | null, more: Partial<FinishedTask> = {}) {
  const { id } = await finishTask(scratch, { title, files: { [`${title}.txt`]: title }, ...more });
  if (become === null) return;
  const state = stateOf(scratch);
  state.setPatchState(id as AttemptId, ['pending'], 'approved');
  state.setPatchState(
    id as AttemptId,
    ['pending', 'approved'],
    become,
    become === 'merged' ? { mergedInto: 'main' } : {},
  );
  state.close();
}

it('keeps what was merged or rejected for 30 days, and what nobody decided about for good', async () => {
  await patch('merged', 'merged');
  await patch('rejected', 'rejected');
  await patch('pending', null);
  await patch('salvaged', null, { outcome: 'failed' });
  expect(await drop(inDays(29))).toHaveLength(4);
  expect(await drop(inDays(31))).toEqual(['pending/1/result', 'salvaged/1/result']);
  expect(await drop(inDays(10_000))).toEqual(['pending/1/result', 'salvaged/1/result']);
});

it('keeps what an unfinished task is to start from', async () => {
  await patch('below', 'merged');
  const state = stateOf(scratch);
  const above = {
    title: 'Above',
    description: 'x',
    agent: 'test-engineer',
    priority: 'low',
    dependsOn: ['below'],
  } as const;
  const [task] = state.addTasks([above]);
  expect(await drop(inDays(31))).toEqual(['below/1/result']);
  if (task !== undefined) state.cancelTask(task.id);
  state.close();
  expect(await drop(inDays(31))).toEqual([]);
});

it('drops snapshots of attempts that ended, and no others', async () => {
  await patch('ended', null);
  for (const name of ['ended/1/wip', 'unknown/1/wip', 'unknown/1/result']) {
    await scratch.git('update-ref', `refs/orchestrate/${name}`, 'HEAD');
  }
  expect(await drop(inDays(0))).toEqual(['ended/1/result', 'unknown/1/result', 'unknown/1/wip']);
});
