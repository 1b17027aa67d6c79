// What is tried again by itself, how often and how late; and what a task goes on with after a loss.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { failure, OrchestrateError, usageError } from '../../src/errors.ts';
import { TROUBLE } from '../../src/sandbox/trouble.ts';
import { lostEnd } from '../../src/tasks/attempt.ts';
import { end, faultAround } from '../../src/tasks/conclude.ts';
import {
  afterLoss,
  COORDINATOR_KILLED,
  classOf,
  classOfCode,
  JITTER,
  MOST_COORDINATORS_KILLED,
  RETRY_DELAYS_MS,
} from '../../src/tasks/faults.ts';
import { ATTEMPT_OUTCOMES } from '../../src/types.ts';

const NOW = new Date('2026-03-02T05:00:00Z');
/** What an attempt does not run through. */
const ELSEWHERE = /^(config|merge|plan|report|review)\//;
const RAISED = /\b(?:(environmentError|failure|usageError|CallFault)\(|OrchestrateError\(\s*'(\w+)',)\s*'([A-Z_]+)'/g;

function loss(code: string, earlier: readonly (string | null)[] = []) {
  return { code, kind: 'environment' as const, message: 'it broke', hint: 'mend it', earlier };
}

describe('the class of a fault', () => {
  it('was thought about for every code that an attempt can meet', () => {
    const codes = new Map<string, string>();
    for (const file of readdirSync('src', { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts') || ELSEWHERE.test(file)) continue;
      for (const [, by = '', kind = '', code = ''] of readFileSync(`src/${file}`, 'utf8').matchAll(RAISED)) {
        if (by !== 'usageError' && kind !== 'usage') codes.set(code, file);
      }
    }
    for (const code of Object.values(TROUBLE)) codes.set(code, 'sandbox/trouble.ts');
    expect(codes.size).toBeGreaterThan(60);
    expect([...codes].filter(([code]) => classOfCode(code) === null)).toEqual([]);
  });

  it.each([
    ['DOCKER_FAILED', 'infrastructure'],
    ['SANDBOX_REMOVED', 'infrastructure'],
    ['KEEPER_LOST', 'infrastructure'],
    ['GATEWAY_LOST', 'infrastructure'],
    ['ENGINE_RESTARTED', 'infrastructure'],
    ['ENGINE_GONE', 'infrastructure'],
    [COORDINATOR_KILLED, 'infrastructure'],
    ['IMAGE_MISSING', 'permanent'],
    ['DOCKER_PERMISSION', 'permanent'],
    ['KEY_REFUSED', 'permanent'],
    ['COLLECT_TOO_LARGE', 'result'],
  ] as const)('of %s is %s', (code, kind) => {
    expect(classOf(failure(code, 'x'))).toBe(kind);
  });

  it('of wrong usage is permanent whatever its code, and of what nobody knows is worth another try', () => {
    expect(classOf(usageError('DOCKER_FAILED', 'x'))).toBe('permanent');
    expect(classOf(failure('NEVER_HEARD_OF', 'x'))).toBe('infrastructure');
  });
});

describe('an end that is no fault of what is around the agent', () => {
  it.each(ATTEMPT_OUTCOMES.filter((outcome) => outcome !== 'killed'))(
    '%s is never tried again by itself',
    (outcome) => {
      const { taskState } = end(outcome, { exitCode: 1, reason: 'said so', patch: null });
      expect(taskState).toBe(outcome === 'succeeded' || outcome === 'no-changes' ? 'succeeded' : 'failed');
    },
  );
});

describe('what broke between an agent’s thinking and its sandbox', () => {
  const fault = failure('ATTEMPT_UNKNOWN', 'the gateway was started anew');
  const ended = { cutOff: null, outputLost: null, outOfMemory: false };
  const verdict = { done: false, reason: fault.message } as const;

  it.each([
    ['ended the attempt', { ended, stopped: null }, verdict, fault],
    ['did not matter where the agent was done', { ended, stopped: null }, { done: true, summary: null }, null],
    [
      'is not why it ended where its memory was used up',
      { ended: { ...ended, outOfMemory: true }, stopped: null },
      verdict,
      null,
    ],
    ['is not why it ended where somebody wanted that', { ended, stopped: { why: 'killed' } }, verdict, null],
  ] as const)('%s', (_, supervised, said, expected) => {
    expect(faultAround(supervised as never, { verdict: said, fault })).toBe(expected);
  });
});

describe('after a loss', () => {
  it.each(RETRY_DELAYS_MS.map((delay, at) => ({ delay, at })))(
    'number $at in a row the next try comes after $delay ms, more or less',
    ({ delay, at }) => {
      const earlier = Array.from({ length: at }, () => 'DOCKER_FAILED');
      for (const [random, part] of [
        [0, 1 - JITTER],
        [0.5, 1],
        [1, 1 + JITTER],
      ] as const) {
        const after = afterLoss(loss('KEEPER_LOST', earlier), NOW, () => random);
        expect(after).toMatchObject({ taskState: 'queued', reason: 'it broke' });
        expect(Date.parse(after.notBefore ?? '') - NOW.getTime()).toBe(Math.round(delay * part));
      }
    },
  );

  it.each([
    ['three tries in a row were in vain', ['A', 'B', null], 'failed'],
    ['a person tried again after these', ['A', 'B', 'C', 'D'], 'queued'],
    ['coordinators were killed in between', ['A', COORDINATOR_KILLED, 'B', COORDINATOR_KILLED], 'queued'],
    ['three faults are among them', ['A', COORDINATOR_KILLED, 'B', COORDINATOR_KILLED, 'C'], 'failed'],
    ['a person mended something three tries ago', ['A', 'IMAGE_MISSING', 'B', 'C'], 'queued'],
  ])('where %s', (_, earlier, taskState) => {
    expect(afterLoss(loss('DOCKER_FAILED', earlier), NOW, () => 0.5).taskState).toBe(taskState);
  });

  it('says how often it was tried, and what to do', () => {
    const { reason } = afterLoss(loss('DOCKER_FAILED', ['A', 'B', 'C']), NOW, () => 0.5);
    expect(reason).toBe('it broke (tried again 3 times): mend it');
  });

  it('that only a person can mend the task fails at once, and says what to do', () => {
    const after = afterLoss(loss('IMAGE_MISSING'), NOW, () => 0.5);
    expect(after).toEqual({ taskState: 'failed', notBefore: null, reason: 'it broke: mend it' });
  });

  it('with the coordinator is tried again at once, however many faults were before, but not for ever', () => {
    const killed = (before: number) =>
      afterLoss(
        loss(
          COORDINATOR_KILLED,
          Array.from({ length: before }, () => COORDINATOR_KILLED),
        ),
        NOW,
        () => 0.5,
      );
    expect(killed(0)).toEqual({ taskState: 'queued', notBefore: null, reason: 'it broke' });
    expect(killed(MOST_COORDINATORS_KILLED - 2).taskState).toBe('queued');
    expect(killed(MOST_COORDINATORS_KILLED - 1).taskState).toBe('failed');
    expect(killed(MOST_COORDINATORS_KILLED).taskState).toBe('queued');
  });
});

describe('the end of an attempt by an error', () => {
  const none = { losses: () => [] };

  it('of what is around it is a loss with its code', () => {
    const lost = lostEnd(none, failure('SANDBOX_REMOVED', 'somebody removed it'));
    expect(lost).toMatchObject({ outcome: 'lost', taskState: 'queued', fault: 'SANDBOX_REMOVED' });
    expect(lost.notBefore).not.toBeNull();
  });

  it.each([
    [usageError('CONTEXT_TOO_LARGE', 'too much'), 'CONTEXT_TOO_LARGE'],
    [failure('COLLECT_TOO_LARGE', 'too much'), null],
  ])('that another try would meet again is a failure: %s', (error, fault) => {
    expect(lostEnd(none, error)).toMatchObject({ outcome: 'failed', taskState: 'failed', reason: 'too much', fault });
  });

  it('that is none of ours is thrown on', () => {
    const bug = new TypeError('a bug');
    expect(() => lostEnd(none, bug)).toThrow(bug);
    expect(bug).not.toBeInstanceOf(OrchestrateError);
  });
});
