import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ATTEMPT_MACHINE,
  ATTEMPT_STATES,
  eventBetween,
  type Machine,
  next,
  PATCH_MACHINE,
  TASK_MACHINE,
} from '../../src/tasks/machine.ts';
import { PATCH_STATES, TASK_STATES } from '../../src/types.ts';

interface Case {
  readonly name: string;
  readonly machine: Machine<string, string>;
  readonly states: readonly string[];
  readonly initial: readonly string[];
  readonly final: readonly string[];
}

const cases: Case[] = [
  {
    name: 'task',
    machine: TASK_MACHINE,
    states: TASK_STATES,
    initial: ['queued', 'blocked'],
    final: [],
  },
  { name: 'attempt', machine: ATTEMPT_MACHINE, states: ATTEMPT_STATES, initial: ['creating'], final: ['ended'] },
  { name: 'patch', machine: PATCH_MACHINE, states: PATCH_STATES, initial: ['pending', 'salvaged'], final: ['merged'] },
];

describe.each(cases)('the states of a $name', ({ machine, states, initial, final }) => {
  const events = [...new Set(Object.values(machine).flatMap((ways) => Object.keys(ways)))];

  it('are those of the contract', () => {
    expect(Object.keys(machine).sort()).toEqual([...states].sort());
  });

  it('never leave the table, whatever events come', () => {
    fc.assert(
      fc.property(fc.constantFrom(...initial), fc.array(fc.constantFrom(...events)), (start, sequence) => {
        let state = start;
        for (const event of sequence) {
          const to = next(machine, state, event);
          expect(to).toBe(machine[state]?.[event] ?? null);
          if (to === null) continue;
          expect(states).toContain(to);
          expect(next(machine, state, eventBetween(machine, state, to) ?? '')).toBe(to);
          state = to;
        }
      }),
    );
  });

  it('can all be reached', () => {
    const reached = new Set(initial);
    for (const state of reached) for (const event of events) reached.add(next(machine, state, event) ?? state);
    expect([...reached].sort()).toEqual([...states].sort());
  });

  it('end in the final ones and only there', () => {
    const dead = states.filter((state) => events.every((event) => next(machine, state, event) === null));
    expect(dead.sort()).toEqual([...final].sort());
  });

  it('have at most one event from one to another, and none that leads nowhere', () => {
    for (const state of states) {
      const targets = Object.values(machine[state] ?? {});
      expect(new Set(targets).size).toBe(targets.length);
      expect(targets).not.toContain(state);
    }
  });
});

describe('a task', () => {
  it('succeeds and fails only from an attempt under way, or with an earlier result that counts after all', () => {
    for (const state of TASK_STATES) {
      const working = state === 'running' || state === 'paused';
      const event = eventBetween(TASK_MACHINE, state, 'succeeded');
      expect(event, state).toBe(working ? 'succeeded' : state === 'queued' || state === 'blocked' ? 'withdrawn' : null);
      expect(eventBetween(TASK_MACHINE, state, 'failed'), state).toBe(working ? 'failed' : null);
    }
    expect(next(TASK_MACHINE, 'blocked', 'claimed')).toBeNull();
  });
});

describe('a task that ended', () => {
  it('goes on only where it is wanted once more', () => {
    for (const state of ['succeeded', 'failed', 'cancelled'] as const) {
      expect(TASK_MACHINE[state], state).toEqual({ retried: 'queued' });
    }
  });
});

describe('a patch', () => {
  it('of an attempt that did not succeed never becomes pending', () => {
    expect(eventBetween(PATCH_MACHINE, 'salvaged', 'pending')).toBeNull();
  });

  it('that was rejected, sent back or is stale is not merged', () => {
    for (const state of ['rejected', 'changes-requested', 'stale'] as const) {
      expect(eventBetween(PATCH_MACHINE, state, 'merged'), state).toBeNull();
    }
  });
});
