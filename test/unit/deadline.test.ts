// Which moment a run ends at, and that neither a sleeping machine nor a changed clock makes it longer.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Clock, DeadlineWatch, deadlineOf, leftMs } from '../../src/tasks/deadline.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A wall clock and a monotonic one that are moved by hand. */
class FakeClock implements Clock {
  #wallMs: number;
  #monotonicMs = 1_000;

  constructor(at: string) {
    this.#wallMs = Date.parse(at);
  }

  wall = (): Date => new Date(this.#wallMs);
  monotonicMs = (): number => this.#monotonicMs;

  /** @param step by how much the wall clock is set meanwhile */
  pass(ms: number, step = 0): void {
    this.#wallMs += ms + step;
    this.#monotonicMs += ms;
  }

  /** The machine sleeps, or its clock is set. */
  step(ms: number): void {
    this.#wallMs += ms;
  }
}

const zone = process.env.TZ;
beforeAll(() => {
  process.env.TZ = 'Europe/Berlin';
});
afterAll(() => {
  if (zone === undefined) delete process.env.TZ;
  else process.env.TZ = zone;
});

describe('--until', () => {
  it.each([
    ['later today', '07:00', '2026-03-02T05:00:00+01:00', '2026-03-02T07:00:00+01:00'],
    ['tomorrow', '07:00', '2026-03-02T18:00:00+01:00', '2026-03-03T07:00:00+01:00'],
    ['a day later where it is just that time', '7:00', '2026-03-02T07:00:00+01:00', '2026-03-03T07:00:00+01:00'],
    ['over the end of a month', '00:30', '2026-01-31T23:00:00+01:00', '2026-02-01T00:30:00+01:00'],
    ['when clocks are put forward', '07:00', '2026-03-28T18:00:00+01:00', '2026-03-29T07:00:00+02:00'],
    ['when clocks are put back', '07:00', '2026-10-24T18:00:00+02:00', '2026-10-25T07:00:00+01:00'],
    ['a time that is left out that day', '02:30', '2026-03-29T01:00:00+01:00', '2026-03-29T03:30:00+02:00'],
    ['a time that comes twice, before both', '02:30', '2026-10-25T01:00:00+02:00', '2026-10-25T02:30:00+02:00'],
    ['a time that comes twice, between them', '02:30', '2026-10-25T02:40:00+02:00', '2026-10-25T02:30:00+01:00'],
    ['a moment of this zone', '2026-03-04T07:00', '2026-03-02T18:00:00+01:00', '2026-03-04T07:00:00+01:00'],
    ['a moment of another zone', '2026-03-04T07:00Z', '2026-03-02T18:00:00+01:00', '2026-03-04T07:00:00Z'],
  ])('is %s', (_, until, now, at) => {
    expect(deadlineOf({ until }, null, new FakeClock(now)).at).toEqual(new Date(at));
  });

  it('of a moment in the past is refused', () => {
    const past = () => deadlineOf({ until: '2026-03-02T07:00' }, null, new FakeClock('2026-03-02T07:01:00+01:00'));
    expect(past).toThrow(expect.objectContaining({ kind: 'usage', code: 'BAD_VALUE' }));
  });

  it('follows the wall clock alone, however that is set', () => {
    const clock = new FakeClock('2026-03-02T05:00:00+01:00');
    const deadline = deadlineOf({ until: '07:00' }, null, clock);
    clock.step(-HOUR);
    expect(leftMs(deadline, clock)).toBe(3 * HOUR);
    clock.step(5 * HOUR);
    expect(leftMs(deadline, clock)).toBe(0);
  });
});

describe('--for', () => {
  it.each([
    ['time goes by', (clock: FakeClock) => clock.pass(2 * HOUR), 6 * HOUR],
    ['the machine slept', (clock: FakeClock) => clock.step(3 * HOUR), 5 * HOUR],
    ['the clock was put back', (clock: FakeClock) => clock.pass(2 * HOUR, -24 * HOUR), 6 * HOUR],
    ['it slept past the end', (clock: FakeClock) => clock.step(9 * HOUR), 0],
  ])('where %s', (_, act, left) => {
    const clock = new FakeClock('2026-03-02T22:00:00+01:00');
    const deadline = deadlineOf({ forMs: 8 * HOUR }, null, clock);
    act(clock);
    expect(leftMs(deadline, clock)).toBe(left);
  });
});

describe('a run that goes on for one that was cut off', () => {
  const until = { until: '07:00' };
  const forHours = { forMs: 8 * HOUR };
  it.each([
    ['ends at once, not tomorrow', until, '2026-03-03T07:00:00+01:00', '2026-03-03T07:05:00+01:00', 0],
    [
      'has a night of its own an hour later',
      until,
      '2026-03-03T07:00:00+01:00',
      '2026-03-03T08:00:00+01:00',
      23 * HOUR,
    ],
    [
      'ends when it is told, where that is another time',
      until,
      '2026-03-03T06:30:00+01:00',
      '2026-03-03T06:45:00+01:00',
      15 * MINUTE,
    ],
    ['has what was left of its time', forHours, '2026-03-03T06:00:00+01:00', '2026-03-03T02:00:00+01:00', 4 * HOUR],
    [
      'has no more than it is given now',
      { forMs: HOUR },
      '2026-03-03T06:00:00+01:00',
      '2026-03-03T02:00:00+01:00',
      HOUR,
    ],
    ['has none where its time is just over', forHours, '2026-03-03T06:00:00+01:00', '2026-03-03T06:10:00+01:00', 0],
    ['has all of it the next morning', forHours, '2026-03-03T06:00:00+01:00', '2026-03-03T09:00:00+01:00', 8 * HOUR],
    ['has all of it where that one had no end', forHours, null, '2026-03-03T02:00:00+01:00', 8 * HOUR],
  ])('%s', (_, end, deadline, now, left) => {
    const clock = new FakeClock(now);
    expect(leftMs(deadlineOf(end, { deadline }, clock), clock)).toBe(left);
  });

  it('is not refused for a moment that was to come when that one began', () => {
    const clock = new FakeClock('2026-03-03T07:05:00+01:00');
    const earlier = { deadline: '2026-03-03T06:00:00.000Z' };
    expect(leftMs(deadlineOf({ until: '2026-03-03T07:00' }, earlier, clock), clock)).toBe(0);
  });
});

describe('the watch over a deadline', () => {
  it.each([
    ['five minutes', 8 * HOUR, 5 * MINUTE],
    ['a tenth of a short time', 10 * MINUTE, MINUTE],
  ])('stops starting %s before it, and says once that it is over', (_, forMs, closing) => {
    vi.useFakeTimers();
    try {
      const clock = new FakeClock('2026-03-02T22:00:00+01:00');
      const told: string[] = [];
      const on = { onClosing: () => void told.push('closing'), onOver: () => void told.push('over') };
      using watch = new DeadlineWatch(deadlineOf({ forMs }, null, clock), clock, on);
      const pass = (ms: number): void => {
        clock.pass(ms);
        vi.advanceTimersByTime(2_000);
      };
      watch.start();
      pass(forMs - closing - 1_000);
      expect(told).toEqual([]);
      pass(1_000);
      expect(told).toEqual(['closing']);
      expect(watch.isClosing).toBe(true);
      clock.step(-HOUR);
      pass(closing);
      pass(HOUR);
      expect(told).toEqual(['closing', 'over']);
    } finally {
      vi.useRealTimers();
    }
  });
});
