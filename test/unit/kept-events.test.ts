import { describe, expect, it } from 'vitest';
import type { EventBody } from '../../src/events.ts';
import { KeptEvents } from '../../src/tasks/kept-events.ts';
import type { AttemptId, TaskId } from '../../src/types.ts';

const A = { task: 'a' as TaskId, attempt: 'a.1' as AttemptId };
const B = { task: 'b' as TaskId, attempt: 'b.1' as AttemptId };

const warning = (n: number): EventBody => ({ type: 'warning', ...A, message: `no snapshot ${n}` });
const paused: EventBody = { type: 'task.paused', ...A, reason: 'rate limit', until: null };
const resumed: EventBody = { type: 'task.resumed', ...A };
const ended: EventBody = {
  ...{ type: 'task.ended', ...A, outcome: 'succeeded', status: 'succeeded', exitCode: 0, durationMs: 1, reason: null },
};

function kept(events: readonly EventBody[], by = new KeptEvents()): EventBody[] {
  return events.map((event) => by.of(event)).filter((event) => event !== null);
}

function times(count: number, ...events: readonly EventBody[]): EventBody[] {
  return Array.from({ length: count }, () => events).flat();
}

describe('the timeline of a long night', () => {
  it('has of what comes again and again so much, and then says so', () => {
    const all = kept(Array.from({ length: 100_000 }, (_, n) => warning(n)));
    expect(all).toHaveLength(500);
    expect(all[498]).toEqual(warning(498));
    expect(all[499]).toEqual({ type: 'warning', ...A, message: expect.stringContaining('are not kept') });
  });

  it('counts for each attempt, and has the end of each whatever went before', () => {
    const by = new KeptEvents();
    kept(times(1000, warning(0)), by);
    const other: EventBody = { type: 'warning', ...B, message: 'x' };
    const ofRun: EventBody = { type: 'run.paused', reason: 'x' };
    expect(kept([warning(1), other, ofRun, ended], by)).toEqual([other, ofRun, ended]);
  });

  it('has the end of each pause that it has', () => {
    const all = kept(times(2000, paused, resumed));
    const count = (type: string): number => all.filter((event) => event.type === type).length;
    expect(count('task.paused')).toBe(499);
    expect(count('task.resumed')).toBe(499);
    expect(all.length).toBeLessThan(1001);
  });

  it('has no output', () => {
    expect(kept([{ type: 'agent.output', ...A, stream: 'stdout', text: 'x' }])).toEqual([]);
  });
});
