// A conflict as a task: an agent resolves it in a real sandbox, and its patch is merged in the place of the one in conflict.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { conflictTask } from '../../src/merge/conflict-task.ts';
import type { AttemptId } from '../../src/types.ts';
import { finishTask, stateOf } from '../support/queue.ts';
import { Scratch } from '../support/scratch.ts';

interface Listed {
  readonly patches: readonly {
    readonly id: string;
    readonly status: string;
    readonly mergedAs: string | null;
    readonly flags: readonly { readonly code: string }[];
  }[];
}

let scratch: Scratch;
beforeEach(async () => {
  scratch = await Scratch.create({ 'a.txt': 'one\n' });
});
afterEach(() => scratch[Symbol.asyncDispose]());

/** Two results that do not merge, the second of them merged already, and the task that resolves it. */
async function conflict(): Promise<void> {
  const mine = await finishTask(scratch, { title: 'Shout', files: { 'a.txt': 'ONE\n', 'mine.txt': 'mine\n' } });
  const other = await finishTask(scratch, { title: 'Translate', files: { 'a.txt': 'uno\n' } });
  const state = stateOf(scratch);
  state.setPatchState(mine.id as AttemptId, ['pending'], 'approved');
  state.setPatchState(mine.id as AttemptId, ['approved'], 'conflict');
  const [patch, against] = [mine.id as AttemptId, other.id as AttemptId];
  state.addTasks([conflictTask(state, { patch, with: against, paths: ['a.txt'] })]);
  state.close();
}

async function patchNamed(id: string): Promise<Listed['patches'][number] | undefined> {
  const { patches } = await scratch.json<Listed>(['patch', 'list']);
  return patches.find((patch) => patch.id === id);
}

it('its patch has what both want, and merges for both', async () => {
  await conflict();
  await scratch.must(['run', '--engine-command', 'test -f mine.txt && sed -i "/^[<=>]\\{7\\}/d" a.txt']);
  const resolution = 'resolve-the-conflict-of-shout-with.1';
  expect(await patchNamed(resolution)).toMatchObject({ status: 'pending', flags: [] });
  await scratch.must(['patch', 'approve', 'translate', resolution]);
  await scratch.must(['patch', 'apply', resolution, '--with-dependencies']);
  expect(await scratch.git('show', 'HEAD:a.txt')).toBe('uno\nONE');
  expect(await scratch.git('show', 'HEAD:mine.txt')).toBe('mine');
  const head = await scratch.git('rev-parse', 'HEAD');
  expect(await patchNamed('shout.1')).toMatchObject({ status: 'merged', mergedAs: head });
});

it('a patch with markers left in it is flagged, and rejected it leaves the conflict as it was', async () => {
  await conflict();
  await scratch.must(['run', '--engine-command', 'echo "gave up" >note.txt']);
  const resolution = 'resolve-the-conflict-of-shout-with';
  expect((await patchNamed(`${resolution}.1`))?.flags.map(({ code }) => code)).toEqual(['conflict-markers']);
  await scratch.must(['patch', 'reject', resolution]);
  expect(await patchNamed('shout.1')).toMatchObject({ status: 'conflict', mergedAs: null });
});
