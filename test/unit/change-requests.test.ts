// Changes that people request of patches, and tasks that resolve conflicts, as the state keeps them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AttemptEnd, NewTask, RunRecord } from '../../src/state/records.ts';
import { openState, type State } from '../../src/state/state.ts';
import { type AttemptId, NO_USAGE, type ObjectId, type PatchState, type RunId, type TaskId } from '../../src/types.ts';

const OID = 'a'.repeat(40) as ObjectId;
const BOUNDS = { timeoutMs: 60_000, diskBytes: 2 ** 30 };
const PLACE = { ...BOUNDS, host: 'local', engine: 'demo', container: (task: string, n: number) => `o-${task}-${n}` };
const A1 = 'a.1' as AttemptId;
const A2 = 'a.2' as AttemptId;

let directory: string;
let state: State;
let run: RunRecord;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'orchestrate-changes-'));
  state = openState(directory);
  const budget = { deadline: null, budgetUsd: null, budgetTokens: null };
  run = state.beginRun({ id: 'run-1' as RunId, pid: 1, base: OID, ...budget });
});

afterEach(() => {
  state.close();
  rmSync(directory, { recursive: true });
});

function add(title: string, more: Partial<NewTask> = {}): TaskId {
  const told = { title, description: title, agent: 'general', priority: 'normal', dependsOn: [] } as const;
  return state.addTasks([{ ...told, ...more }])[0]?.id as TaskId;
}

/** Claims the next task and ends its attempt with a patch; the patch it was to go on with. */
function work(outcome: 'succeeded' | 'failed' = 'succeeded'): AttemptId | null {
  const claim = state.claimNext(run, PLACE);
  if (claim === null) throw new Error('nothing was queued');
  const { id, task } = claim.attempt;
  const size = { files: 1, insertions: 1, deletions: 1 };
  const left: PatchState = outcome === 'succeeded' ? 'pending' : 'salvaged';
  const trees = { baseTree: OID, baseCommit: OID, tree: OID, commit: OID };
  const end: AttemptEnd = {
    ...{ outcome, taskState: outcome, exitCode: 0, reason: null, usage: NO_USAGE, egressDenied: [], summary: null },
    patch: { id, task, state: left, ...trees, size, flags: [], reason: null },
  };
  expect(state.endAttempt(id, run.fence, end)).toBe(true);
  return claim.task.startFrom;
}

describe('requesting changes', () => {
  it('keeps the message, queues the task to go on with the patch, and tells the timeline', () => {
    add('a');
    work();
    expect(state.requestChanges(A1, 'use the helper\nin lib/')).toBe(true);
    expect(state.patch(A1)).toMatchObject({
      state: 'changes-requested',
      reason: 'use the helper\nin lib/',
      decidedBy: 'person',
    });
    expect(state.task('a' as TaskId)).toMatchObject({
      state: 'queued',
      reason: 'changes requested: use the helper…',
      startFrom: A1,
    });
    const told = { type: 'changes.requested', task: 'a', attempt: A1, message: 'use the helper\nin lib/' };
    expect(state.eventsOf('a' as TaskId)).toMatchObject([told]);
    expect(work()).toBe(A1);
    expect(state.task('a' as TaskId)).toMatchObject({ state: 'succeeded', startFrom: null });
  });

  it('again, on the next result, keeps all messages in order', () => {
    add('a');
    work();
    state.requestChanges(A1, 'first');
    work();
    state.requestChanges(A2, 'second');
    expect(state.changeRequests(A2)).toEqual([
      { patch: A1, message: 'first' },
      { patch: A2, message: 'second' },
    ]);
    expect(state.changeRequests(A1)).toEqual([{ patch: A1, message: 'first' }]);
  });

  it('again, before anybody began, puts the message in the place of the one before', () => {
    add('a');
    work();
    state.requestChanges(A1, 'first');
    expect(state.requestChanges(A1, 'second')).toBe(true);
    expect(state.changeRequests(A1)).toEqual([{ patch: A1, message: 'second' }]);
    expect(state.task('a' as TaskId).reason).toBe('changes requested: second');
  });

  it('is possible of salvaged work, and not of what is merged, rejected or stale', () => {
    add('a');
    work('failed');
    expect(state.requestChanges(A1, 'finish it')).toBe(true);
    add('b');
    expect(work()).toBe(A1);
    work();
    const b = 'b.1' as AttemptId;
    state.setPatchState(b, ['pending'], 'rejected');
    expect(state.requestChanges(b, 'x')).toBe(false);
    state.setPatchState(b, ['rejected'], 'approved');
    state.setPatchState(b, ['approved'], 'stale');
    expect(state.requestChanges(b, 'x')).toBe(false);
    state.setPatchState(b, ['stale'], 'pending');
    state.setPatchState(b, ['pending'], 'merged');
    expect(state.requestChanges(b, 'x')).toBe(false);
    expect(state.task('b' as TaskId).state).toBe('succeeded');
  });

  it('is refused while the task is at work, and nothing is changed', () => {
    add('a');
    work();
    state.retryTask('a' as TaskId, { from: null });
    state.claimNext(run, PLACE);
    expect(state.requestChanges(A1, 'x')).toBe(false);
    expect(state.patch(A1)).toMatchObject({ state: 'pending', reason: null });
    expect(state.eventsOf('a' as TaskId)).toEqual([]);
  });

  it('stands until it is met: an attempt that fails, and a retry, go on with the patch', () => {
    add('a');
    work();
    state.requestChanges(A1, 'x');
    work('failed');
    expect(state.retryTask('a' as TaskId, { from: null })).toBe(true);
    expect(state.task('a' as TaskId).startFrom).toBe(A1);
  });

  it.each(['approved', 'rejected'] as const)('is withdrawn when the patch is %s after all', (to) => {
    add('a');
    add('b', { dependsOn: ['a'] });
    work();
    state.requestChanges(A1, 'x');
    expect(state.task('b' as TaskId).state).toBe('blocked');
    state.setPatchState(A1, ['changes-requested'], to);
    expect(state.task('a' as TaskId)).toMatchObject({ state: 'succeeded', reason: null, startFrom: null });
    expect(state.task('b' as TaskId).state).toBe('queued');
    expect(state.changeRequests(A1)).toEqual([]);
  });

  it('is withdrawn of salvaged work, whose task was not done, without another attempt', () => {
    add('a');
    work('failed');
    state.requestChanges(A1, 'x');
    state.setPatchState(A1, ['changes-requested'], 'approved');
    expect(state.task('a' as TaskId)).toMatchObject({ state: 'cancelled', startFrom: null });
  });

  it('is not lost when what the patch stands on is rejected, or replaced by a new result', () => {
    add('a');
    add('b', { dependsOn: ['a'] });
    work();
    work();
    const b = 'b.1' as AttemptId;
    state.requestChanges(A1, 'x');
    state.requestChanges(b, 'y');
    expect(state.task('b' as TaskId)).toMatchObject({ state: 'blocked', startFrom: b });
    work();
    state.replaceFoundations('a' as TaskId);
    state.setPatchState(A2, ['pending'], 'rejected');
    expect(state.patch(b)).toMatchObject({ state: 'changes-requested', reason: 'y' });
    expect(work()).toBe(b);
  });

  it('stands the new attempt on the results that are there now', () => {
    add('a');
    add('b', { dependsOn: ['a'] });
    work();
    work();
    state.requestChanges(A1, 'x');
    work();
    state.requestChanges('b.1' as AttemptId, 'y');
    expect(work()).toBe('b.1');
    expect(state.foundationsOf('b.2' as AttemptId)).toEqual([A2]);
  });
});

describe('a task that resolves a conflict', () => {
  const C1 = 'resolve.1' as AttemptId;
  const MERGE = { mergedAs: 'b'.repeat(40) as ObjectId, mergedInto: 'main' };

  beforeEach(() => {
    add('a');
    work();
    state.setPatchState(A1, ['pending'], 'approved');
    state.setPatchState(A1, ['approved'], 'conflict');
    add('resolve', { startFrom: A1 });
  });

  it('starts from the patch in conflict, however often it is tried', () => {
    expect(work('failed')).toBe(A1);
    state.retryTask('resolve' as TaskId, { from: null });
    expect(work()).toBe(A1);
    state.retryTask('resolve' as TaskId, { from: null });
    expect(work()).toBe(A1);
    expect(state.resolutionsOf(A1)).toEqual(['resolve']);
    expect([state.resolvedBy('resolve' as TaskId), state.resolvedBy('a' as TaskId)]).toEqual([A1, null]);
  });

  it('has the patch count as merged, by the same commit, when its own is', () => {
    work();
    state.setPatchState(C1, ['pending'], 'merged', MERGE);
    expect(state.patch(A1)).toMatchObject({ state: 'merged', ...MERGE, reason: expect.stringContaining(C1) });
  });

  it('leaves the patch in conflict when its own is rejected', () => {
    work();
    state.setPatchState(C1, ['pending'], 'rejected');
    expect(state.patch(A1)).toMatchObject({ state: 'conflict', mergedAs: null });
  });

  it('does not merge what was rejected meanwhile', () => {
    work();
    state.setPatchState(A1, ['conflict'], 'rejected');
    state.setPatchState(C1, ['pending'], 'merged', MERGE);
    expect(state.patch(A1)).toMatchObject({ state: 'rejected', mergedAs: null });
  });
});
