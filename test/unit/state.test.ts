import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OrchestrateError } from '../../src/errors.ts';
import type { AttemptEnd, NewTask, RunRecord } from '../../src/state/records.ts';
import { openState, type State } from '../../src/state/state.ts';
import { type AttemptId, NO_USAGE, type ObjectId, type RunId, type TaskId } from '../../src/types.ts';

let directory: string;
let state: State;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'orchestrate-state-'));
  state = openState(directory);
});

afterEach(() => {
  state.close();
  rmSync(directory, { recursive: true });
});

const OID = 'a'.repeat(40) as ObjectId;
const BOUNDS = { timeoutMs: 60_000, diskBytes: 2 ** 30 };
const PLACE = { ...BOUNDS, host: 'local', engine: 'demo', container: (task: string, n: number) => `o-${task}-${n}` };

function task(title: string, more: Partial<NewTask> = {}): NewTask {
  return { title, description: title, agent: 'general', priority: 'normal', dependsOn: [], ...more };
}

function add(...titles: string[]): TaskId[] {
  return state.addTasks(titles.map((title) => task(title))).map((added) => added.id);
}

function begin(id = 'run-1'): RunRecord {
  return state.beginRun({ id: id as RunId, pid: 1, base: OID, deadline: null, budgetUsd: null, budgetTokens: null });
}

function end(
  outcome: AttemptEnd['outcome'],
  taskState: AttemptEnd['taskState'],
  more: Partial<AttemptEnd> = {},
): AttemptEnd {
  const nothing = { exitCode: 0, reason: null, usage: NO_USAGE, egressDenied: [], summary: null, patch: null };
  return { outcome, taskState, ...nothing, ...more };
}

function patch(
  id: AttemptId,
  task: TaskId,
  patchState: 'pending' | 'salvaged' = 'pending',
): NonNullable<AttemptEnd['patch']> {
  const size = { files: 2, insertions: 3, deletions: 4 };
  const flags = [{ code: 'hook', path: '.husky/x', detail: 'runs by itself' }];
  return {
    id,
    task,
    state: patchState,
    baseTree: OID,
    baseCommit: OID,
    tree: OID,
    commit: OID,
    size,
    flags,
    reason: null,
  };
}

/** Claims the next task and ends its attempt. */
function work(run: RunRecord, how: AttemptEnd | ((id: AttemptId, task: TaskId) => AttemptEnd)): AttemptId {
  const claim = state.claimNext(run, PLACE);
  if (claim === null) throw new Error('nothing was queued');
  const { id, task } = claim.attempt;
  expect(state.endAttempt(id, run.fence, typeof how === 'function' ? how(id, task) : how)).toBe(true);
  return id;
}

function errorOf(act: () => unknown): Pick<OrchestrateError, 'kind' | 'code' | 'message' | 'hint'> {
  try {
    act();
  } catch (error) {
    return error as OrchestrateError;
  }
  throw new Error('nothing was thrown');
}

describe('adding tasks', () => {
  it('keeps what was asked and gives slugs as ids', () => {
    const [first, second] = state.addTasks([
      task('Add OAuth2 login', { description: 'Add OAuth2 login\n\nwith PKCE', agent: 'backend', priority: 'high' }),
      task('Add OAuth2 login'),
    ]);
    expect(first).toMatchObject({
      seq: 1,
      id: 'add-oauth2-login',
      agent: 'backend',
      priority: 'high',
      state: 'queued',
    });
    expect(second).toMatchObject({ seq: 2, id: 'add-oauth2-login-2', phase: 1, attempts: 0, reason: null });
    expect(state.tasks()).toEqual([first, second]);
    expect(state.task('add-oauth2-login' as TaskId)).toEqual(first);
  });

  it('lists tasks without their long text, otherwise the same', () => {
    const [first] = state.addTasks([task('ärgs "quoted"\n', { description: 'long', priority: 'high' })]);
    state.addTasks([task('second', { dependsOn: [first?.id ?? ''] })]);
    const long = ['description', 'routing', 'files', 'size', 'plan', 'createdAt', 'startFrom'];
    const whole = state
      .tasks()
      .map((one) => Object.fromEntries(Object.entries(one).filter(([name]) => !long.includes(name))));
    expect(state.summaries()).toEqual(whole);
  });

  it('blocks what depends on unfinished tasks and says on which', () => {
    add('a', 'b');
    const [c] = state.addTasks([task('c', { dependsOn: ['b', 'a', 'b'] })]);
    expect(c).toMatchObject({ state: 'blocked', reason: 'waits for b, a', dependsOn: ['b', 'a'], phase: 2 });
    expect(state.task('c' as TaskId)).toEqual(c);
  });

  it('understands the keys of the same batch, in any order', () => {
    state.addTasks([
      task('last', { dependsOn: ['mid', 'first'] }),
      task('mid task', { key: 'mid', dependsOn: ['first'] }),
      task('first task', { key: 'first' }),
    ]);
    expect(state.tasks().map(({ id, dependsOn, phase }) => [id, dependsOn, phase])).toEqual([
      ['last', ['mid-task', 'first-task'], 3],
      ['mid-task', ['first-task'], 2],
      ['first-task', [], 1],
    ]);
  });

  it('knows what became of earlier tasks', () => {
    add('good', 'bad');
    const run = begin();
    work(run, end('no-changes', 'succeeded'));
    work(run, end('failed', 'failed', { reason: 'exit 1' }));
    const [onGood, onBad] = state.addTasks([
      task('x', { dependsOn: ['good'] }),
      task('y', { dependsOn: ['good', 'bad'] }),
    ]);
    expect(onGood).toMatchObject({ state: 'queued', reason: null, phase: 2 });
    expect(onBad).toMatchObject({ state: 'blocked', reason: 'bad failed' });
  });

  it.each([
    ['an unknown dependency', [task('b', { dependsOn: ['nowhere'] })], 'UNKNOWN_TASK', 'nowhere'],
    ['a task that depends on itself', [task('b', { key: 'k', dependsOn: ['k'] })], 'DEPENDENCY_CYCLE', 'b → b'],
    [
      'a circle',
      [task('b', { key: 'b1', dependsOn: ['c1'] }), task('c', { key: 'c1', dependsOn: ['b1'] })],
      'DEPENDENCY_CYCLE',
      'b → c → b',
    ],
    ['a key given twice', [task('b', { key: 'k' }), task('c', { key: 'k' })], 'DUPLICATE_KEY', 'k'],
  ])('refuses %s and adds nothing', (_, batch, code, named) => {
    add('a');
    const error = errorOf(() => state.addTasks([task('fine'), ...batch]));
    expect(error).toMatchObject({ kind: 'usage', code });
    expect(error.message).toContain(named);
    expect(state.tasks().map((kept) => kept.id)).toEqual(['a']);
  });
});

describe('finding ids', () => {
  it('takes an exact id first, then a unique prefix', () => {
    add('login', 'login form', 'logout');
    expect(state.resolveTask('login')).toBe('login');
    expect(state.resolveTask('login-')).toBe('login-form');
    expect(state.resolveTask('logo')).toBe('logout');
  });

  it('lists the candidates of an ambiguous prefix', () => {
    add('login', 'login form', 'logout');
    expect(errorOf(() => state.resolveTask('log'))).toMatchObject({
      kind: 'usage',
      code: 'AMBIGUOUS_ID',
      message: 'log could be login, login-form, logout.',
    });
  });

  it.each(['x', '', '%', '_', 'LOGIN'])('does not find %j', (typed) => {
    add('login');
    expect(errorOf(() => state.resolveTask(typed))).toMatchObject({ kind: 'usage', code: 'UNKNOWN_TASK' });
    expect(errorOf(() => state.resolvePatch(typed))).toMatchObject({ kind: 'usage', code: 'UNKNOWN_PATCH' });
  });

  it('finds a patch by its id, by its task and by a prefix of either', () => {
    const [login] = add('login', 'logout');
    const run = begin();
    work(run, (id, of) => end('failed', 'queued', { patch: patch(id, of, 'salvaged') }));
    work(run, (id, of) => end('succeeded', 'succeeded', { patch: patch(id, of) }));
    expect(state.resolvePatch('login.1')).toBe('login.1');
    expect(state.resolvePatch('login')).toBe('login.2');
    expect(state.resolvePatch('lo')).toBe('login.2');
    expect(errorOf(() => state.resolvePatch('login.'))).toMatchObject({
      code: 'AMBIGUOUS_ID',
      message: 'login. could be login.1, login.2.',
    });
    expect(errorOf(() => state.resolvePatch('logout'))).toMatchObject({
      code: 'UNKNOWN_PATCH',
      message: 'The task logout has no patch.',
    });
    expect(errorOf(() => state.resolvePatch('logo')).message).toBe('The task logout has no patch.');
    expect(state.patchOf(login as TaskId)?.id).toBe('login.2');
    work(run, (id, of) => end('succeeded', 'succeeded', { patch: patch(id, of) }));
    expect(errorOf(() => state.resolvePatch('lo')).message).toBe('lo could be login.2, logout.1.');
  });
});

describe('claiming', () => {
  it('goes by priority, then by order of adding', () => {
    state.addTasks([
      task('l', { priority: 'low' }),
      task('n1'),
      task('h1', { priority: 'high' }),
      task('n2'),
      task('h2', { priority: 'high' }),
    ]);
    const run = begin();
    const order = Array.from({ length: 5 }, () => state.claimNext(run, PLACE)?.task.id);
    expect(order).toEqual(['h1', 'h2', 'n1', 'n2', 'l']);
    expect(state.claimNext(run, PLACE)).toBeNull();
  });

  it('writes the intent down before anything exists', () => {
    add('a');
    const run = begin();
    const claim = state.claimNext(run, PLACE);
    expect(claim?.task).toMatchObject({ id: 'a', state: 'running', attempts: 1, reason: null });
    expect(claim?.attempt).toMatchObject({
      ...{ id: 'a.1', task: 'a', n: 1, run: 'run-1', state: 'creating', outcome: null, host: 'local', engine: 'demo' },
      ...{ container: 'o-a-1', baseTree: null, startedAt: null, endedAt: null, usage: NO_USAGE, egressDenied: [] },
    });
    expect(state.unendedAttempts()).toEqual([claim?.attempt]);
    expect(claim?.task.startedAt).not.toBeNull();
  });

  it('is refused to a run that ended and to one that a newer run replaced', () => {
    add('a');
    const old = begin('old');
    const ended = begin('ended');
    state.endRun(ended.id);
    expect(state.currentRun()).toBeNull();
    expect([state.claimNext(old, PLACE), state.claimNext(ended, PLACE)]).toEqual([null, null]);
    expect(state.counts().queued).toBe(1);
  });
});

describe('an attempt', () => {
  it('goes from creating over running and collecting to its end', () => {
    const [a] = add('a');
    const run = begin();
    const id = state.claimNext(run, PLACE)?.attempt.id as AttemptId;
    expect(state.attemptCollecting(id, run.fence)).toBe(false);
    expect(state.attemptStarted(id, run.fence, { tree: OID, commit: OID })).toBe(true);
    expect(state.attemptStarted(id, run.fence, { tree: OID, commit: OID })).toBe(false);
    expect(state.attemptsOf(a as TaskId)[0]).toMatchObject({ state: 'running', baseTree: OID, baseCommit: OID });
    expect(state.attemptCollecting(id, run.fence)).toBe(true);
    const usage = { inputTokens: 1, outputTokens: 2, cacheReadTokens: 3, cacheWriteTokens: 4, usd: 0.5 };
    const how = { usage, egressDenied: ['example.org'], summary: 'did it', patch: patch(id, a as TaskId) };
    expect(state.endAttempt(id, run.fence, end('succeeded', 'succeeded', how))).toBe(true);
    expect(state.endAttempt(id, run.fence, end('failed', 'failed'))).toBe(false);
    const { patch: left, taskState: _, ...kept } = end('succeeded', 'succeeded', how);
    expect(state.attemptsOf(a as TaskId)).toEqual([expect.objectContaining({ ...kept, state: 'ended' })]);
    expect(state.patch(id)).toMatchObject({ ...left, checks: [], mergedAs: null, mergedInto: null });
    expect(state.task(a as TaskId)).toMatchObject({ state: 'succeeded', reason: null, endedAt: expect.any(String) });
    expect(state.usageOfRun(run.id)).toEqual(usage);
    expect(state.usageByTask()).toEqual(new Map([[a, usage]]));
  });

  it('is out of reach for an older run and within reach for the newest, which takes it over', () => {
    const [a] = add('a');
    const old = begin('old');
    const id = state.claimNext(old, PLACE)?.attempt.id as AttemptId;
    const newest = begin('newest');
    expect(newest.fence).toBe(old.fence + 1);
    expect(state.currentRun()).toEqual(newest);
    expect(state.attemptStarted(id, old.fence, { tree: OID, commit: OID })).toBe(false);
    expect(state.attemptStarted(id, newest.fence, { tree: OID, commit: OID })).toBe(true);
    expect(state.attemptCollecting(id, old.fence)).toBe(false);
    expect(state.endAttempt(id, old.fence, end('succeeded', 'succeeded', { patch: patch(id, a as TaskId) }))).toBe(
      false,
    );
    expect(state.blockTask(a as TaskId, old.fence, 'late')).toBe(false);
    expect(state.patches()).toEqual([]);
    expect(state.endAttempt(id, newest.fence, end('lost', 'queued', { reason: 'its container vanished' }))).toBe(true);
    expect(state.task(a as TaskId)).toMatchObject({
      state: 'queued',
      reason: 'its container vanished',
      startedAt: null,
    });
  });

  it('remembers its bounds and, from the newest run alone, why it was first told to end', () => {
    add('a');
    const old = begin('old');
    const id = state.claimNext(old, { ...PLACE, timeoutMs: 5_000, diskBytes: 7 })?.attempt.id as AttemptId;
    expect(state.unendedAttempts()).toMatchObject([{ timeoutMs: 5_000, diskBytes: 7, stopping: null }]);
    const run = begin('newest');
    expect(state.attemptStopping(id, old.fence, 'killed')).toBe(false);
    expect(state.attemptStopping(id, run.fence, 'interrupted')).toBe(true);
    expect(state.attemptStopping(id, run.fence, 'killed')).toBe(false);
    expect(state.unendedAttempts()).toMatchObject([{ stopping: 'interrupted' }]);
    state.endAttempt(id, run.fence, end('killed', 'queued'));
    expect(state.attemptStopping(id, run.fence, 'killed')).toBe(false);
  });

  it('is numbered on when its task is tried again', () => {
    const [a] = add('a');
    const run = begin();
    work(run, end('lost', 'queued'));
    work(run, end('timeout', 'failed', { reason: 'took longer than 1 h' }));
    expect(state.attemptsOf(a as TaskId).map((attempt) => [attempt.id, attempt.outcome])).toEqual([
      ['a.1', 'lost'],
      ['a.2', 'timeout'],
    ]);
    expect(state.newestAttempts().get(a as TaskId)?.id).toBe('a.2');
    expect(state.task(a as TaskId)).toMatchObject({ state: 'failed', reason: 'took longer than 1 h', attempts: 2 });
  });

  it('leaves a pending patch only if it succeeded, a salvaged one only if not', () => {
    const [a] = add('a');
    const run = begin();
    const id = state.claimNext(run, PLACE)?.attempt.id as AttemptId;
    const salvaged = patch(id, a as TaskId, 'salvaged');
    expect(() => state.endAttempt(id, run.fence, end('succeeded', 'succeeded', { patch: salvaged }))).toThrow(
      /salvaged/,
    );
    expect(() => state.endAttempt(id, run.fence, end('oom', 'failed', { patch: patch(id, a as TaskId) }))).toThrow(
      /pending/,
    );
    expect(state.unendedAttempts()).toHaveLength(1);
    expect(state.endAttempt(id, run.fence, end('oom', 'failed', { patch: salvaged }))).toBe(true);
  });
});

describe('dependants', () => {
  it('are queued when the last of their dependencies succeeded', () => {
    add('a', 'b');
    state.addTasks([task('c', { dependsOn: ['a', 'b'] })]);
    const run = begin();
    work(run, end('succeeded', 'succeeded'));
    expect(state.task('c' as TaskId)).toMatchObject({ state: 'blocked', reason: 'waits for b' });
    work(run, end('no-changes', 'succeeded'));
    expect(state.task('c' as TaskId)).toMatchObject({ state: 'queued', reason: null });
  });

  it.each([
    ['failed', 'a failed'],
    ['cancelled', 'a was cancelled'],
  ] as const)('stay blocked with the reason when one is %s', (taskState, reason) => {
    add('a', 'b');
    state.addTasks([task('c', { dependsOn: ['a', 'b'] })]);
    const run = begin();
    work(run, end('killed', taskState));
    work(run, end('succeeded', 'succeeded'));
    expect(state.task('c' as TaskId)).toMatchObject({ state: 'blocked', reason });
    expect(state.claimNext(run, PLACE)).toBeNull();
  });

  it('are named up to ten in the reason', () => {
    const ids = add(...Array.from({ length: 12 }, (_, i) => `t${i}`));
    expect(state.addTasks([task('join', { dependsOn: ids })])[0]?.reason).toBe(
      'waits for t0, t1, t2, t3, t4, t5, t6, t7, t8, t9 and 2 more',
    );
  });
});

describe('blocking a task', () => {
  it('takes it out of the queue with the reason', () => {
    const [a] = add('a');
    const run = begin();
    expect(state.blockTask(a as TaskId, run.fence, 'x conflicts with y')).toBe(true);
    expect(state.task(a as TaskId)).toMatchObject({ state: 'blocked', reason: 'x conflicts with y' });
    expect(state.claimNext(run, PLACE)).toBeNull();
    expect(state.blockTask(a as TaskId, run.fence, 'again')).toBe(false);
  });

  it('ends an attempt that never started', () => {
    const [a] = add('a');
    const run = begin();
    state.claimNext(run, PLACE);
    expect(state.blockTask(a as TaskId, run.fence, 'conflict')).toBe(true);
    expect(state.unendedAttempts()).toEqual([]);
    expect(state.attemptsOf(a as TaskId)[0]).toMatchObject({ state: 'ended', outcome: 'failed', reason: 'conflict' });
  });

  it('is refused while an agent is at work on it', () => {
    const [a] = add('a');
    const run = begin();
    const id = state.claimNext(run, PLACE)?.attempt.id as AttemptId;
    state.attemptStarted(id, run.fence, { tree: OID, commit: OID });
    expect(state.blockTask(a as TaskId, run.fence, 'conflict')).toBe(false);
    expect(state.task(a as TaskId).state).toBe('running');
  });
});

describe('cancelling a task', () => {
  it('takes a waiting one out of the queue and tells those that wait for it', () => {
    const [a] = add('a');
    const [b] = state.addTasks([task('b', { dependsOn: ['a'] })]);
    expect(state.cancelTask(a as TaskId)).toBe(true);
    expect(state.task(a as TaskId)).toMatchObject({
      state: 'cancelled',
      reason: 'cancelled by the user',
      endedAt: expect.any(String),
    });
    expect(state.task('b' as TaskId)).toMatchObject({ state: 'blocked', reason: 'a was cancelled' });
    expect(state.cancelTask(b?.id as TaskId)).toBe(true);
    expect(state.claimNext(begin(), PLACE)).toBeNull();
  });

  it('leaves one alone that runs or has ended', () => {
    const [a, b] = add('a', 'b');
    const run = begin();
    work(run, end('succeeded', 'succeeded'));
    state.claimNext(run, PLACE);
    expect([a, b, 'none'].map((id) => state.cancelTask(id as TaskId))).toEqual([false, false, false]);
    expect(state.counts()).toMatchObject({ succeeded: 1, running: 1, cancelled: 0 });
    expect(state.counts([])).toMatchObject({ succeeded: 0, running: 0 });
  });
});

describe('retrying a task', () => {
  const afresh = { from: null };

  it.each(['failed', 'cancelled', 'succeeded'] as const)(
    'queues one that is %s, with its next attempt',
    (taskState) => {
      const [a] = add('a');
      const run = begin();
      work(run, end(taskState === 'succeeded' ? 'succeeded' : 'failed', taskState, { reason: 'why' }));
      expect(state.retryTask(a as TaskId, afresh)).toBe(true);
      const waiting = { state: 'queued', reason: null, startedAt: null, endedAt: null, startFrom: null };
      expect(state.task(a as TaskId)).toMatchObject(waiting);
      expect(state.claimNext(run, PLACE)?.attempt.id).toBe('a.2');
    },
  );

  it('leaves one alone that waits or runs', () => {
    add('a', 'c');
    state.addTasks([task('b', { dependsOn: ['a'] })]);
    state.claimNext(begin(), PLACE);
    expect(['a', 'b', 'c', 'none'].map((id) => state.retryTask(id as TaskId, afresh))).toEqual(Array(4).fill(false));
    expect(state.counts()).toMatchObject({ running: 1, blocked: 1, queued: 1 });
  });

  it('lets what was blocked by its failure wait again, and go on when it succeeds', () => {
    add('a');
    state.addTasks([task('b', { dependsOn: ['a'] })]);
    const run = begin();
    work(run, end('failed', 'failed'));
    expect(state.task('b' as TaskId).reason).toBe('a failed');
    state.retryTask('a' as TaskId, afresh);
    expect(state.task('b' as TaskId)).toMatchObject({ state: 'blocked', reason: 'waits for a' });
    work(run, end('succeeded', 'succeeded'));
    expect(state.claimNext(run, PLACE)?.task.id).toBe('b');
  });

  it('takes what was about to start from its old result out of the queue', () => {
    add('a');
    state.addTasks([task('b', { dependsOn: ['a'] }), task('c', { dependsOn: ['a'] })]);
    const run = begin();
    work(run, end('succeeded', 'succeeded'));
    const b = state.claimNext(run, PLACE);
    state.retryTask('a' as TaskId, afresh);
    expect(state.task('c' as TaskId)).toMatchObject({ state: 'blocked', reason: 'waits for a' });
    // The one at work goes on; only if it has to be tried again, it waits as well.
    expect(state.task('b' as TaskId).state).toBe('running');
    state.endAttempt(b?.attempt.id as AttemptId, run.fence, end('lost', 'queued', { reason: 'vanished' }));
    expect(state.task('b' as TaskId)).toMatchObject({ state: 'blocked', reason: 'waits for a' });
    expect(state.claimNext(run, PLACE)?.attempt.id).toBe('a.2');
  });

  it('blocks one whose dependency is to be done again', () => {
    add('a');
    state.addTasks([task('b', { dependsOn: ['a'] })]);
    const run = begin();
    work(run, end('succeeded', 'succeeded'));
    work(run, end('failed', 'failed'));
    state.retryTask('a' as TaskId, afresh);
    expect(state.retryTask('b' as TaskId, afresh)).toBe(true);
    expect(state.task('b' as TaskId)).toMatchObject({ state: 'blocked', reason: 'waits for a', endedAt: null });
  });

  it('frees one that was set aside because of a conflict', () => {
    const [a] = add('a');
    const run = begin();
    state.blockTask(a as TaskId, run.fence, 'x conflicts with y');
    expect(state.retryTask(a as TaskId, afresh)).toBe(true);
    expect(state.task(a as TaskId)).toMatchObject({ state: 'queued', reason: null });
  });

  it('goes on with a patch of the same task until one attempt succeeds', () => {
    const [a] = add('a', 'b');
    const run = begin();
    const salvaged = work(run, (id, of) => end('failed', 'failed', { patch: patch(id, of, 'salvaged') }));
    work(run, end('failed', 'failed'));
    expect(state.retryTask('b' as TaskId, { from: salvaged })).toBe(false);
    expect(state.retryTask(a as TaskId, { from: 'a.9' as AttemptId })).toBe(false);
    expect(state.task(a as TaskId).state).toBe('failed');
    expect(state.retryTask(a as TaskId, { from: salvaged })).toBe(true);
    expect(state.claimNext(run, PLACE)?.task.startFrom).toBe('a.1');
    state.endAttempt('a.2' as AttemptId, run.fence, end('lost', 'queued'));
    expect(state.task(a as TaskId).startFrom).toBe('a.1');
    work(run, end('succeeded', 'succeeded'));
    expect(state.task(a as TaskId).startFrom).toBeNull();
    state.retryTask(a as TaskId, { from: salvaged });
    work(run, end('failed', 'failed'));
    state.retryTask(a as TaskId, afresh);
    expect(state.task(a as TaskId).startFrom).toBeNull();
  });
});

describe('requests', () => {
  it('are taken once, in order, by the run that is at work', () => {
    const [a] = add('a');
    begin();
    expect(state.takeRequests()).toEqual([]);
    state.request('kill', a as TaskId);
    state.request('stop', null);
    expect(state.takeRequests()).toEqual([
      { kind: 'kill', task: 'a' },
      { kind: 'stop', task: null },
    ]);
    expect(state.takeRequests()).toEqual([]);
  });

  it('that no run took do not hit a later one', () => {
    state.request('stop-now', null);
    begin();
    expect(state.takeRequests()).toEqual([]);
  });
});

describe('claiming only some tasks', () => {
  it('passes over the others', () => {
    add('a', 'b', 'c');
    const run = begin();
    const only = ['c', 'b'] as TaskId[];
    const claimed = [1, 2, 3].map(() => state.claimNext(run, { ...PLACE, only })?.task.id);
    expect(claimed).toEqual(['b', 'c', undefined]);
    expect(state.claimNext(run, { ...PLACE, only: [] })).toBeNull();
    expect(state.claimNext(run, PLACE)?.task.id).toBe('a');
  });
});

describe('a rejected patch', () => {
  const states = () => Object.fromEntries(state.patches().map((each) => [each.id, each.state]));
  const withPatch = (id: AttemptId, of: TaskId) => end('succeeded', 'succeeded', { patch: patch(id, of) });
  const reject = (id: string) => state.setPatchState(id as AttemptId, ['pending', 'approved'], 'rejected');
  const pending = (id: string) => state.setPatchState(id as AttemptId, ['rejected'], 'pending');

  /** c stands on b, which stands on a; d stands on nothing. */
  function chain(): RunRecord {
    add('a');
    state.addTasks([task('b', { dependsOn: ['a'] })]);
    state.addTasks([task('c', { dependsOn: ['b'] }), task('d')]);
    const run = begin();
    for (let i = 0; i < 4; i += 1) work(run, withPatch);
    return run;
  }

  it('makes what stands on it stale, and nothing else', () => {
    chain();
    state.setPatchState('b.1' as AttemptId, ['pending'], 'approved');
    reject('a.1');
    expect(states()).toEqual({ 'a.1': 'rejected', 'b.1': 'stale', 'c.1': 'stale', 'd.1': 'pending' });
    expect(state.patch('c.1' as AttemptId)?.reason).toBe('builds on a.1, which was rejected');
    expect(state.foundationsOf('c.1' as AttemptId)).toEqual(['a.1', 'b.1']);
  });

  it('does not touch what is merged', () => {
    chain();
    state.setPatchState('b.1' as AttemptId, ['pending'], 'merged');
    reject('a.1');
    expect(states()).toMatchObject({ 'b.1': 'merged', 'c.1': 'stale' });
  });

  it('lets them wait for a decision again when it is no longer rejected', () => {
    chain();
    reject('a.1');
    state.setPatchState('a.1' as AttemptId, ['rejected'], 'approved');
    expect(states()).toEqual({ 'a.1': 'approved', 'b.1': 'pending', 'c.1': 'pending', 'd.1': 'pending' });
    expect(state.patch('b.1' as AttemptId)?.reason).toBeNull();
  });

  it('keeps them stale while another one below is rejected', () => {
    add('a', 'b');
    state.addTasks([task('c', { dependsOn: ['a', 'b'] })]);
    const run = begin();
    for (let i = 0; i < 3; i += 1) work(run, withPatch);
    reject('a.1');
    reject('b.1');
    pending('a.1');
    expect(state.patch('c.1' as AttemptId)).toMatchObject({
      state: 'stale',
      reason: 'builds on b.1, which was rejected',
    });
    pending('b.1');
    expect(states()).toMatchObject({ 'c.1': 'pending' });
  });

  it('makes the patch of an agent stale that was still at work on top of it', () => {
    add('a');
    state.addTasks([task('b', { dependsOn: ['a'] })]);
    const run = begin();
    work(run, withPatch);
    const claim = state.claimNext(run, PLACE);
    reject('a.1');
    state.endAttempt('b.1' as AttemptId, run.fence, withPatch('b.1' as AttemptId, claim?.task.id as TaskId));
    expect(states()).toEqual({ 'a.1': 'rejected', 'b.1': 'stale' });
  });

  it('is no foundation of an attempt that began later, nor is a result that was replaced', () => {
    chain();
    reject('a.1');
    const run = begin('run-2');
    state.retryTask('b' as TaskId, { from: null });
    work(run, withPatch);
    expect(state.foundationsOf('b.2' as AttemptId)).toEqual([]);
    state.retryTask('c' as TaskId, { from: null });
    work(run, withPatch);
    expect(state.foundationsOf('c.2' as AttemptId)).toEqual(['b.2']);
    expect(states()).toMatchObject({ 'b.1': 'stale', 'b.2': 'pending', 'c.1': 'stale', 'c.2': 'pending' });
  });
});

describe('a patch', () => {
  function pending(): AttemptId {
    add('a');
    return work(begin(), (id, of) => end('succeeded', 'succeeded', { patch: patch(id, of) }));
  }

  it('moves only from an expected state along a legal way', () => {
    const id = pending();
    expect(state.setPatchState(id, ['approved'], 'merged')).toBe(false);
    expect(state.setPatchState(id, ['pending'], 'set-aside')).toBe(false);
    expect(state.setPatchState('no.1' as AttemptId, ['pending'], 'approved')).toBe(false);
    expect(state.patch(id)?.state).toBe('pending');
    expect(state.setPatchState(id, ['pending'], 'rejected', { reason: 'wrong file' })).toBe(true);
    expect(state.patch(id)).toMatchObject({ state: 'rejected', reason: 'wrong file' });
    expect(state.setPatchState(id, ['pending', 'rejected'], 'approved')).toBe(true);
    expect(state.patch(id)).toMatchObject({ state: 'approved', reason: null });
    expect(state.setPatchState(id, ['approved'], 'merged', { mergedAs: OID, mergedInto: 'main' })).toBe(true);
    expect(state.patch(id)).toMatchObject({ state: 'merged', mergedAs: OID, mergedInto: 'main' });
    expect(state.setPatchState(id, ['merged'], 'rejected')).toBe(false);
  });

  it('is listed in the order of tasks and attempts', () => {
    add('b', 'a');
    const run = begin();
    work(run, (id, of) => end('failed', 'queued', { patch: patch(id, of, 'salvaged') }));
    const claims = [state.claimNext(run, PLACE), state.claimNext(run, PLACE)];
    for (const claim of claims.reverse()) {
      if (claim === null) throw new Error('nothing was queued');
      const { id, task: of } = claim.attempt;
      state.endAttempt(id, run.fence, end('succeeded', 'succeeded', { patch: patch(id, of) }));
    }
    expect(state.patches().map((listed) => listed.id)).toEqual(['b.1', 'b.2', 'a.1']);
  });
});

describe('the timeline', () => {
  it('keeps the lifecycle of each task and no output', () => {
    const [a, b] = add('a', 'b');
    const run = begin();
    const at = '2026-01-02T03:04:05.000Z';
    const of = (id: TaskId | undefined) => ({ task: id as TaskId, attempt: `${id}.1` as AttemptId });
    const started = { at, type: 'task.started', title: 'a', agent: 'general', host: 'local', ...of(a) } as const;
    const paused = { at, type: 'task.paused', reason: 'rate limit', until: null, ...of(a) } as const;
    state.appendEvent(started, run.id);
    state.appendEvent({ at, type: 'agent.output', stream: 'stdout', text: 'secret', ...of(a) }, run.id);
    state.appendEvent({ at, type: 'warning', message: 'no task' }, run.id);
    state.appendEvent({ ...paused, ...of(b) }, run.id);
    state.appendEvent(paused, run.id);
    expect(state.eventsOf(a as TaskId)).toEqual([started, paused]);
  });
});

describe('what stands in the way of a run', () => {
  it('is the last that was said, until it goes; what ends the run stays', () => {
    const { id } = begin();
    const at = '2026-01-02T03:04:05.000Z';
    const paused = { at, type: 'run.paused', cause: 'engine', reason: 'it does not answer' } as const;
    expect(state.standstillOf(id)).toBeNull();
    state.appendEvent(paused, id);
    expect(state.standstillOf(id)).toEqual({ cause: 'engine', reason: 'it does not answer', isOver: false });
    state.appendEvent({ at, type: 'run.resumed' }, id);
    expect(state.standstillOf(id)).toBeNull();
    state.appendEvent({ at, type: 'run.stopping', cause: 'stop', reason: 'somebody stopped it' }, id);
    state.appendEvent(paused, id);
    expect(state.standstillOf(id)).toEqual({ cause: 'stop', reason: 'somebody stopped it', isOver: true });
    expect(state.standstillOf('another' as RunId)).toBeNull();
  });
});

describe('an attempt that was lost', () => {
  const usage = { inputTokens: 5, outputTokens: 1, cacheReadTokens: 0, cacheWriteTokens: 0, usd: 0.5 };

  it('is followed by one that starts from what was kept, where its engine can be told of it', () => {
    const [a, b] = add('A', 'B');
    const run = begin();
    work(run, (id, task) => end('lost', 'queued', { patch: patch(id, task, 'salvaged'), goesOn: true }));
    expect(state.task(a as TaskId).startFrom).toBe('a.1');
    state.cancelTask(a as TaskId);
    work(run, (id, task) => end('lost', 'queued', { patch: patch(id, task, 'salvaged') }));
    expect(state.task(b as TaskId).startFrom).toBeNull();
  });

  it('keeps what it used as far as that was told', () => {
    add('A');
    const run = begin();
    const claim = state.claimNext(run, PLACE);
    const id = claim?.attempt.id as AttemptId;
    state.attemptUsage(id, run.fence, usage);
    state.endAttempt(id, run.fence, end('lost', 'queued'));
    expect(state.attemptsOf('a' as TaskId)).toMatchObject([{ usage }]);
  });

  it('counts with those lost right before it, until one ends otherwise', () => {
    add('A');
    const run = begin();
    for (const fault of ['ONE', 'TWO']) work(run, end('lost', 'queued', { fault }));
    expect(state.lossesOf('a' as TaskId)).toEqual(['TWO', 'ONE']);
    work(run, end('killed', 'queued'));
    expect(state.lossesOf('a' as TaskId)).toEqual([]);
    work(run, end('lost', 'queued', { fault: 'THREE' }));
    expect(state.lossesOf('a' as TaskId)).toEqual(['THREE']);
  });
});

describe('a run that was cut off', () => {
  const usage = { inputTokens: 10, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, usd: 1 };

  it('is gone on for: what it spent counts, and what it may have spent of what has ended', () => {
    const [a] = add('A', 'B');
    const first = begin();
    const one = state.claimNext(first, PLACE)?.attempt.id as AttemptId;
    state.attemptUsage(one, first.fence, usage);
    state.attemptUnsettled(one, first.fence, { usd: 2, tokens: 5 });
    expect(state.cutOffRun()).toMatchObject({ id: first.id });
    // What is under way is on its own record.
    expect(state.spentByRun(first.id)).toEqual({ usd: 1, tokens: 10 });
    const second = state.beginRun({ ...first, id: 'run-2' as RunId, continues: first.id });
    expect(state.attemptUnsettled(one, first.fence, { usd: 9, tokens: 9 })).toBe(false);
    state.endAttempt(one, second.fence, end('lost', 'failed'));
    work(second, end('succeeded', 'succeeded', { usage }));
    expect(state.spentByRun(second.id)).toEqual({ usd: 4, tokens: 25 });
    expect(state.usageOfRun(second.id)).toMatchObject({ inputTokens: 20, usd: 2 });
    expect(state.attemptsOf(a as TaskId)).toMatchObject([{ unsettled: { usd: 2, tokens: 5 } }]);
  });

  it('is none where it came to its end, or left nothing that it had begun', () => {
    add('A', 'B');
    const first = begin();
    expect(state.cutOffRun()).toBeNull();
    work(first, end('lost', 'queued'));
    expect(state.cutOffRun()).toMatchObject({ id: first.id });
    const ended = { type: 'run.ended', succeeded: 0, failed: 0, blocked: 0, reason: null } as const;
    state.appendEvent({ ...ended, at: new Date().toISOString(), run: first.id }, first.id);
    expect(state.cutOffRun()).toBeNull();
    state.endRun(first.id);
    expect(state.cutOffRun()).toBeNull();
  });
});
