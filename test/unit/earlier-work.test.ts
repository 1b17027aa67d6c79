// What an attempt is told of the work that it goes on with, from the state and from what the earlier agent printed.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { State } from '../../src/state/state.ts';
import { earlierWork } from '../../src/tasks/earlier.ts';
import { transcriptFile } from '../../src/tasks/retention.ts';
import type { AttemptId, TaskId } from '../../src/types.ts';
import { finishTask, PLACE, stateOf } from '../support/queue.ts';
import { Scratch } from '../support/scratch.ts';

const FIRST = 'first.1' as AttemptId;
const TASK = 'first' as TaskId;

let scratch: Scratch;
let state: State;
beforeEach(async () => {
  scratch = await Scratch.create();
  state = stateOf(scratch);
});
afterEach(async () => {
  state.close();
  await scratch[Symbol.asyncDispose]();
});

function printed(text: string): Promise<void> {
  const file = transcriptFile(state.directory, FIRST);
  return mkdir(path.dirname(file), { recursive: true }).then(() => writeFile(file, text));
}

it('is nothing where the task starts afresh, or with the work of another task', async () => {
  await finishTask(scratch, { title: 'First', files: { x: 'x\n' } });
  expect(await earlierWork(state, TASK)).toBeUndefined();
  const told = { description: 'x', agent: 'general', priority: 'normal', dependsOn: [] } as const;
  state.addTasks([{ ...told, title: 'Other', startFrom: FIRST }]);
  expect(await earlierWork(state, 'other' as TaskId)).toBeUndefined();
});

it('is what people and the agent said, the same at every asking while the next attempt works', async () => {
  await finishTask(scratch, { title: 'First', files: { x: 'x\n' }, summary: 'added x' });
  await printed('line one\nline two\n');
  state.requestChanges(FIRST, 'and y');
  const before = await earlierWork(state, TASK);
  expect(before).toEqual({
    attempt: 1,
    requests: [{ attempt: 1, message: 'and y' }],
    ...{ reason: null, summary: 'added x', transcript: 'line one\nline two\n', isEdited: false },
  });
  const nothing = { deadline: null, budgetUsd: null, budgetTokens: null };
  const base = state.patch(FIRST)?.baseCommit as never;
  const run = state.beginRun({ id: 'RUN-2' as never, pid: 1, base, ...nothing });
  state.claimNext(run, PLACE);
  expect(await earlierWork(state, TASK)).toEqual(before);
});

it('is why it was cut off, and the end of what it printed, from the beginning of a line', async () => {
  await finishTask(scratch, { title: 'First', outcome: 'timeout', reason: 'too slow', files: { x: 'x\n' } });
  await printed(`${'a long line\n'.repeat(50_000)}the end\n`);
  state.retryTask(TASK, { from: FIRST });
  const { reason, requests, transcript } = (await earlierWork(state, TASK)) ?? {};
  expect([reason, requests]).toEqual(['too slow', []]);
  expect(transcript).toMatch(/^a long line\n[\s\S]*\nthe end\n$/);
  expect(transcript?.length).toBeLessThan(300_000);
  await rm(transcriptFile(state.directory, FIRST));
  expect((await earlierWork(state, TASK))?.transcript).toBeNull();
});
