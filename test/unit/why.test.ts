// One phrase for each task that is not done: what it waits for, what became of it.
import { describe, expect, it } from 'vitest';
import type { Standstill } from '../../src/state/history.ts';
import type { AttemptRecord, TaskSummary } from '../../src/state/records.ts';
import { timeText } from '../../src/tasks/deadline.ts';
import { awayText, whyOf } from '../../src/tasks/why.ts';
import { TASK_STATES, type TaskState } from '../../src/types.ts';
import { at, attempt, task } from '../support/night-records.ts';

const NOW = new Date(at(40));
const LATER = at(42);
const time = timeText(new Date(LATER), NOW);
const LOST = attempt('a.1', [0, 39], { outcome: 'lost', reason: 'the engine is gone' });
const WORKING = attempt('a.1', [10, null], { state: 'running', outcome: null, reason: null, timeoutMs: 40 * 60_000 });

const STOPPED: Standstill = { cause: 'stop', reason: 'somebody stopped it', isOver: true };
const AWAY: Standstill = { cause: 'engine', reason: 'it does not answer', isOver: false };

type Case = [string, TaskState, Partial<TaskSummary>, AttemptRecord | null, boolean, string | null];

describe('why a task is not done', () => {
  it.each<Case>([
    ['no run works', 'queued', {}, null, false, 'waits for `orchestrate run`'],
    ['every slot is taken', 'queued', {}, null, true, 'waits for a free agent'],
    [
      'it was lost, and no run works',
      'queued',
      { reason: 'the engine is gone' },
      LOST,
      false,
      'waits for `orchestrate run` after “the engine is gone”',
    ],
    [
      'it is tried again later',
      'queued',
      { reason: 'the engine is gone', notBefore: LATER },
      LOST,
      true,
      `tries again at ${time} after “the engine is gone”`,
    ],
    [
      'a hold has hidden the cause',
      'queued',
      { notBefore: LATER },
      LOST,
      true,
      `tries again at ${time} after “the engine is gone”`,
    ],
    [
      'that time has come',
      'queued',
      { reason: 'the engine is gone', notBefore: at(39) },
      LOST,
      true,
      'waits for a free agent after “the engine is gone”',
    ],
    [
      'all is held',
      'queued',
      { reason: 'held: the disk is full', notBefore: LATER },
      LOST,
      true,
      'held: the disk is full',
    ],
    [
      'another touches the same files',
      'queued',
      { reason: 'waits for x: both touch a.ts' },
      null,
      true,
      'waits for x: both touch a.ts',
    ],
    [
      'what it depends on works',
      'blocked',
      { reason: 'waits for db, web', dependsOn: ['db', 'web'] as never },
      null,
      true,
      'waits for db (running), web (paused)',
    ],
    [
      'what it depends on failed',
      'blocked',
      { reason: 'db failed', dependsOn: ['db'] as never },
      null,
      true,
      'db failed',
    ],
    ['results conflict', 'blocked', { reason: 'the result of x conflicts' }, null, true, 'the result of x conflicts'],
    ['its run was cut off', 'running', {}, WORKING, false, 'waits for `orchestrate run`, which takes it up'],
    [
      'its run could not end it',
      'running',
      {},
      { ...WORKING, stopping: 'interrupted' },
      false,
      'waits for `orchestrate run`, which ends it',
    ],
    ['it begins', 'running', {}, { ...WORKING, state: 'creating' }, true, 'its sandbox is being made'],
    ['it works', 'running', {}, { ...WORKING, startedAt: at(30) }, true, null],
    ['it runs long', 'running', {}, WORKING, true, 'runs for 30 min (ended after 40 min of work)'],
    ['it is quiet', 'running', { reason: 'quiet for 3 min' }, WORKING, true, 'quiet for 3 min'],
    ['its host is away', 'running', { reason: awayText('far') }, { ...WORKING, host: 'far' }, true, awayText('far')],
    [
      'it cannot be ended',
      'running',
      { reason: awayText('far') },
      { ...WORKING, host: 'far', stopping: 'killed' },
      true,
      'is being ended, but its host far does not answer',
    ],
    ['it ends', 'running', { reason: 'quiet for 3 min' }, { ...WORKING, stopping: 'killed' }, true, 'is being ended'],
    ['its work is read', 'running', {}, { ...WORKING, state: 'collecting' }, true, 'its work is being collected'],
    [
      'the service wants it',
      'paused',
      { reason: 'Anthropic wants us to wait (429)' },
      WORKING,
      true,
      'Anthropic wants us to wait (429)',
    ],
    ['it failed', 'failed', { reason: 'exit 1\n  at a.ts' }, null, false, 'exit 1; at a.ts'],
    ['somebody wanted it', 'cancelled', { reason: 'cancelled by the user' }, null, false, 'cancelled by the user'],
    ['it is', 'succeeded', {}, null, false, null],
  ])('where %s', (_, state, more, last, isRunning, phrase) => {
    const states: Readonly<Record<string, TaskState>> = { db: 'running', web: 'paused' };
    const context = { now: NOW, isRunning, attempt: last, stateOf: (id: string) => states[id] };
    expect(whyOf(task('a', state, more), context)).toBe(phrase);
  });

  it.each<[string, TaskState, Standstill, string | null]>([
    ['waits', 'queued', STOPPED, 'waits for the next `orchestrate run`: somebody stopped it'],
    ['works', 'running', STOPPED, null],
    ['waits', 'queued', AWAY, 'waits for a free agent'],
    ['works', 'running', AWAY, 'it does not answer'],
  ])('that %s (%s) says what stands in the way of its run: %j', (_, state, standstill, phrase) => {
    const last = state === 'running' ? { ...WORKING, timeoutMs: 4 * 3_600_000 } : null;
    const context = { now: NOW, isRunning: true, standstill, attempt: last, stateOf: () => undefined };
    expect(whyOf(task('a', state), context)).toBe(phrase);
  });

  it('is said in every state that is not the end of a success', () => {
    const context = {
      now: NOW,
      isRunning: true,
      attempt: { ...WORKING, state: 'creating' as const },
      stateOf: () => undefined,
    };
    for (const state of TASK_STATES) {
      if (state !== 'succeeded') expect(whyOf(task('a', state, { reason: 'so' }), context)).not.toBeNull();
    }
  });
});
