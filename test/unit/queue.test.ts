// The order of claiming: the longest chain of work first, and who waits for whom because of the files that both touch.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AttemptPlace } from '../../src/state/attempts.ts';
import type { AttemptEnd, NewTask, RunRecord } from '../../src/state/records.ts';
import { openState, type State } from '../../src/state/state.ts';
import { byTurn, inOrderOfWork } from '../../src/tasks/work-order.ts';
import {
  type AttemptId,
  NO_USAGE,
  type ObjectId,
  PRIORITIES,
  type RunId,
  TASK_SIZES,
  type TaskId,
} from '../../src/types.ts';
import { cpuWatch } from '../support/cpu-time.ts';

const MANY = 10_000;
const OID = 'a'.repeat(40) as ObjectId;
const BOUNDS = { timeoutMs: 60_000, diskBytes: 2 ** 30 };
const PLACE = { ...BOUNDS, host: 'local', engine: 'demo', container: (task: string, n: number) => `o-${task}-${n}` };

let directory: string;
let state: State;
let run: RunRecord;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'orchestrate-queue-'));
  state = openState(directory);
  run = begin('run-1');
});

afterEach(() => {
  state.close();
  rmSync(directory, { recursive: true });
});

function begin(id: string): RunRecord {
  return state.beginRun({ id: id as RunId, pid: 1, base: OID, deadline: null, budgetUsd: null, budgetTokens: null });
}

function task(title: string, more: Partial<NewTask> = {}): NewTask {
  return { title, description: title, agent: 'general', priority: 'normal', dependsOn: [], ...more };
}

function claim(place: Partial<AttemptPlace> = {}): string | null {
  return state.claimNext(run, { ...PLACE, ...place })?.task.id ?? null;
}

function claims(): string[] {
  const claimed: string[] = [];
  for (let id = claim(); id !== null; id = claim()) claimed.push(id);
  return claimed;
}

function end(id: string, taskState: AttemptEnd['taskState'] = 'succeeded'): void {
  const nothing = { exitCode: 0, reason: null, usage: NO_USAGE, egressDenied: [], summary: null, patch: null };
  const outcome = taskState === 'succeeded' ? 'no-changes' : 'failed';
  const { attempts } = state.task(id as TaskId);
  expect(state.endAttempt(`${id}.${attempts}` as AttemptId, run.fence, { outcome, taskState, ...nothing })).toBe(true);
}

function reasonOf(id: string): string | null {
  return state.task(id as TaskId).reason;
}

function chains(): Record<string, number> {
  return Object.fromEntries(state.tasks().map(({ id, chain }) => [id, chain]));
}

/** Milliseconds of CPU time, the best of three. */
function timeOf(act: () => void): number {
  const times = [1, 2, 3].map(() => {
    const used = cpuWatch();
    act();
    return used();
  });
  return Math.min(...times);
}

describe('the chain of a task', () => {
  it('is the longest of all the work that waits for it, by size, wherever in the batch that stands', () => {
    state.addTasks([
      task('last', { dependsOn: ['mid', 'side'], size: 'small' }),
      task('side', { key: 'side', dependsOn: ['first'], size: 'large' }),
      task('mid', { key: 'mid', dependsOn: ['first'] }),
      task('first', { key: 'first' }),
      task('alone', { size: 'large' }),
    ]);
    expect(chains()).toEqual({ last: 1, side: 9, mid: 4, first: 12, alone: 8 });
  });

  it('rises, all the way down, when more work comes to wait for it, and never falls', () => {
    state.addTasks([
      task('a', { key: 'a' }),
      task('b', { key: 'b', dependsOn: ['a'] }),
      task('c', { dependsOn: ['a'] }),
    ]);
    state.addTasks([task('d', { dependsOn: ['b', 'c'], size: 'large' })]);
    expect(chains()).toEqual({ a: 14, b: 11, c: 11, d: 8 });
    state.addTasks([task('e', { dependsOn: ['c'], size: 'small' })]);
    expect(chains()).toEqual({ a: 14, b: 11, c: 11, d: 8, e: 1 });
  });

  it('decides among tasks of equal priority, and what was added first among equal chains', () => {
    state.addTasks([
      task('short'),
      task('head', { key: 'head', size: 'small' }),
      task('tail', { dependsOn: ['head'], size: 'large' }),
      task('large', { size: 'large' }),
      task('short too'),
      task('urgent', { size: 'small', priority: 'high' }),
    ]);
    expect(claims()).toEqual(['urgent', 'head', 'large', 'short', 'short-too']);
  });

  it(`of ${MANY} tasks one after the other is not much dearer than ${MANY} tasks that wait for nothing`, () => {
    const batch = (dependsOn: (i: number) => string[]) =>
      Array.from({ length: MANY }, (_, i) => task('t', { key: `k${i}`, dependsOn: dependsOn(i), size: 'small' }));
    const addIn = (tasks: readonly NewTask[]) => () => {
      const folder = mkdtempSync(join(directory, 'other-'));
      const other = openState(folder);
      const added = other.addTasks(tasks);
      other.close();
      expect(added[0]?.chain).toBe(tasks[1]?.dependsOn.length === 0 ? 1 : MANY);
    };
    const loose = timeOf(addIn(batch(() => [])));
    const chained = timeOf(addIn(batch((i) => (i === 0 ? [] : [`k${i - 1}`]))));
    expect(chained / loose).toBeLessThan(8);
  });
});

describe('tasks that touch the same files', () => {
  const login = task('add login', { files: ['src/auth.ts', 'src/login/'] });

  it('are worked one after the other, the reason being shown meanwhile, while others go on', () => {
    state.addTasks([login, task('log out', { files: ['src/auth.ts'] }), task('docs', { files: ['docs/'] }), task('x')]);
    expect(claims()).toEqual(['add-login', 'docs', 'x']);
    expect(state.task('log-out' as TaskId)).toMatchObject({
      state: 'queued',
      reason: 'waits for add-login: both touch src/auth.ts',
    });
    end('docs');
    expect(claim()).toBeNull();
    end('add-login');
    expect(reasonOf('log-out')).toBeNull();
    expect(claim()).toBe('log-out');
    expect(reasonOf('log-out')).toBeNull();
  });

  it.each(['succeeded', 'failed', 'cancelled', 'queued'] as const)('go on when the one at work has %s', (how) => {
    state.addTasks([login, task('log out', { files: ['src/login/out.ts'], priority: 'low' })]);
    expect(claims()).toEqual(['add-login']);
    end('add-login', how);
    expect(reasonOf('log-out')).toBeNull();
    expect(claims()).toEqual([how === 'queued' ? 'add-login' : 'log-out']);
  });

  it('wait for one that is paused as well, and for one that is set aside no longer', () => {
    state.addTasks([login, task('log out', { files: ['src/auth.ts'] })]);
    expect(claim()).toBe('add-login');
    state.pauseTask('add-login' as TaskId, run.fence, 'a pause');
    expect(claim()).toBeNull();
    expect(reasonOf('log-out')).toContain('add-login');
    state.pauseTask('add-login' as TaskId, run.fence, null);
    expect(claim()).toBeNull();
    state.blockTask('add-login' as TaskId, run.fence, 'by hand');
    expect(claim()).toBe('log-out');
  });

  it('are remarked upon while they run, by the run that has them alone', () => {
    state.addTasks([login]);
    expect(state.remarkTask('add-login' as TaskId, run.fence, 'quiet')).toBe(false);
    claim();
    expect(state.remarkTask('add-login' as TaskId, run.fence - 1, 'quiet')).toBe(false);
    expect(state.remarkTask('add-login' as TaskId, run.fence, 'quiet')).toBe(true);
    expect(reasonOf('add-login')).toBe('quiet');
    end('add-login', 'succeeded');
    expect(reasonOf('add-login')).toBeNull();
  });

  it('wait for the next one where they overlap with more than one', () => {
    state.addTasks([login, task('docs', { files: ['docs/'] }), task('both', { files: ['docs/a.md', 'src/auth.ts'] })]);
    expect(claims()).toEqual(['add-login', 'docs']);
    expect(reasonOf('both')).toContain('add-login');
    end('add-login');
    expect(claim()).toBeNull();
    expect(reasonOf('both')).toBe('waits for docs: both touch docs/a.md');
    end('docs');
    expect(claim()).toBe('both');
  });

  it('are worked at once where that is asked', () => {
    state.addTasks([login, task('one', { files: ['src/auth.ts'] }), task('two', { files: ['src/auth.ts'] })]);
    expect(claims()).toEqual(['add-login']);
    expect(claim({ allowOverlap: true })).toBe('one');
    expect(reasonOf('two')).toBeNull();
    expect(claim({ allowOverlap: true })).toBe('two');
  });

  it('of a run that was cut off hold back until the next run knows what became of them', () => {
    state.addTasks([login, task('log out', { files: ['src/auth.ts'] })]);
    expect(claims()).toEqual(['add-login']);
    run = begin('run-2');
    expect(claim()).toBeNull();
    expect(reasonOf('log-out')).toContain('add-login');
    end('add-login', 'queued');
    expect(claims()).toEqual(['add-login']);
    expect(reasonOf('log-out')).toContain('add-login');
  });

  it('may be cancelled, wanted again and chosen alone while they wait', () => {
    state.addTasks([login, task('log out', { files: ['src/auth.ts'] })]);
    expect(claims()).toEqual(['add-login']);
    const id = 'log-out' as TaskId;
    expect(claim({ only: [id] })).toBeNull();
    expect(state.cancelTask(id)).toBe(true);
    end('add-login');
    expect(state.task(id)).toMatchObject({ state: 'cancelled', reason: 'cancelled by the user' });
    expect(state.retryTask(id, { from: null })).toBe(true);
    expect(claim({ only: [id] })).toBe(id);
  });

  it(`never starve what stands behind ${MANY} of them, nor each other`, () => {
    const same = Array.from({ length: MANY }, () => task('same', { files: ['src/auth.ts'], priority: 'high' }));
    state.addTasks([...same, task('other', { files: ['docs/'], priority: 'low' })]);
    expect(claims()).toEqual(['same', 'other']);
    end('same');
    expect(claims()).toEqual(['same-2']);
    expect(reasonOf('same-3')).toContain('same-2');
  });

  it('cost a claim nothing once they are held back', () => {
    state.addTasks([login]);
    expect(claims()).toEqual(['add-login']);
    const idle = timeOf(() => {
      for (let i = 0; i < 100; i += 1) expect(claim()).toBeNull();
    });
    state.addTasks(Array.from({ length: MANY }, () => task('held', { files: ['src/auth.ts'] })));
    expect(claim()).toBeNull();
    const held = timeOf(() => {
      for (let i = 0; i < 100; i += 1) expect(claim()).toBeNull();
    });
    expect(held / idle).toBeLessThan(10);
  });
});

describe('the order of work told beforehand', () => {
  const batch = fc.array(
    fc.record({
      priority: fc.constantFrom(...PRIORITIES),
      size: fc.constantFrom(...TASK_SIZES),
      below: fc.array(fc.nat(20), { maxLength: 3 }),
    }),
    { maxLength: 20 },
  );

  it('is the one in which a single agent is given the tasks', () => {
    fc.assert(
      fc.property(batch, (added) => {
        const { length } = state.tasks();
        state.addTasks(
          added.map(({ below, ...chosen }, i) =>
            task('t', { ...chosen, key: `k${i}`, dependsOn: below.filter((on) => on < i).map((on) => `k${on}`) }),
          ),
        );
        const told = inOrderOfWork(state.tasks().slice(length)).map(({ id }) => id);
        const worked = told.map(() => {
          const id = claim() ?? 'nothing';
          end(id);
          return id;
        });
        expect(worked).toEqual(told);
        expect(claim()).toBeNull();
      }),
      { numRuns: 30 },
    );
  });

  it(`of ${MANY} tasks is told at once, however they depend on each other`, () => {
    const tasks = (dependsOn: (i: number) => string[]) =>
      Array.from({ length: MANY }, (_, i) => ({
        ...{ seq: i, id: `t${i}` as TaskId, priority: PRIORITIES[i % 3] ?? 'low', chain: MANY - i },
        dependsOn: dependsOn(i) as TaskId[],
      }));
    const loose = tasks(() => []);
    const hub = tasks((i) => (i === 0 ? [] : ['t0']));
    const line = tasks((i) => (i === 0 ? [] : [`t${i - 1}`]));
    const sorting = timeOf(() => [...loose].reverse().sort(byTurn));
    for (const graph of [loose, hub, line]) {
      expect(timeOf(() => expect(inOrderOfWork(graph)).toHaveLength(MANY)) / sorting).toBeLessThan(30);
    }
  });
});

describe('--max-pending-reviews', () => {
  const most = { maxPendingReviews: 1 };
  const reasons = (): (string | null)[] => state.tasks().map(({ reason }) => reason);
  const waits = 'held: 1 patch is pending (--max-pending-reviews 1)';

  /** Ends the task with a patch. */
  function patched(id: string, patchState: 'pending' | 'salvaged' = 'pending'): AttemptId {
    const attempt = `${id}.1` as AttemptId;
    const size = { files: 1, insertions: 1, deletions: 0 };
    const trees = { baseTree: OID, baseCommit: OID, tree: OID, commit: OID };
    const isSalvaged = patchState === 'salvaged';
    state.endAttempt(attempt, run.fence, {
      ...{ outcome: isSalvaged ? 'failed' : 'succeeded', taskState: isSalvaged ? 'failed' : 'succeeded' },
      ...{ exitCode: 0, reason: null, usage: NO_USAGE, egressDenied: [], summary: null },
      patch: { id: attempt, task: id as TaskId, state: patchState, size, flags: [], reason: null, ...trees },
    });
    return attempt;
  }

  it('takes nothing while so many wait, says so with what is queued, and goes on once one is decided on', () => {
    state.addTasks([task('a'), task('b'), task('c')]);
    expect(claim(most)).toBe('a');
    const patch = patched('a');
    expect(claim(most)).toBeNull();
    expect(reasons()).toEqual([null, waits, waits]);
    expect(state.heldBack()).toBe('1 patch is pending (--max-pending-reviews 1)');
    expect(state.heldBack(['a' as TaskId])).toBeNull();
    state.addTasks([task('d')]);
    expect(claim(most)).toBeNull();
    expect(reasons()).toEqual([null, waits, waits, waits]);
    state.setPatchState(patch, ['pending'], 'rejected');
    expect(claim(most)).toBe('b');
    expect(reasons()).toEqual([null, null, null, null]);
    expect(state.heldBack()).toBeNull();
  });

  it('does not count what is salvaged, nor hold a run that has no such limit', () => {
    state.addTasks([task('a'), task('b'), task('c')]);
    claim(most);
    patched('a', 'salvaged');
    expect(claim(most)).toBe('b');
    patched('b');
    expect(claim()).toBe('c');
  });

  it('speaks only of what this run would work, and leaves no word behind when it ends', () => {
    state.addTasks([task('a'), task('b'), task('c')]);
    claim(most);
    patched('a');
    expect(claim({ ...most, only: ['b' as TaskId] })).toBeNull();
    expect(reasons()).toEqual([null, waits, null]);
    state.endRun(run.id);
    expect(reasons()).toEqual([null, null, null]);
    run = begin('run-2');
    claim({ ...most, only: ['b' as TaskId] });
    expect(reasons()).toEqual([null, waits, null]);
    // Of a run that was killed.
    begin('run-3');
    expect(reasons()).toEqual([null, null, null]);
  });
});
