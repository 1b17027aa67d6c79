import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { IdleWatch } from '../../src/tasks/idle.ts';

const TIMEOUT_MS = 10_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** An agent that uses `cpu` of a CPU, and how often it was found idle. */
function watched(cpu: () => number | Error): { watch: IdleWatch; idle: () => number } {
  let used = 0;
  let then = performance.now();
  const watch = new IdleWatch(TIMEOUT_MS, async () => {
    const now = cpu();
    if (now instanceof Error) throw now;
    used += (performance.now() - then) * now;
    then = performance.now();
    return used;
  });
  let found = 0;
  watch.start(() => {
    found += 1;
  });
  return { watch, idle: () => found };
}

describe('an agent', () => {
  it('that does nothing is idle once the time-out has passed, and that is told once', async () => {
    const { idle } = watched(() => 0);
    await vi.advanceTimersByTimeAsync(TIMEOUT_MS - 1);
    expect(idle()).toBe(0);
    await vi.advanceTimersByTimeAsync(2 * TIMEOUT_MS);
    expect(idle()).toBe(1);
  });

  it('whose polling and whose PID 1 use next to nothing is idle', async () => {
    const { idle } = watched(() => 0.005);
    await vi.advanceTimersByTimeAsync(2 * TIMEOUT_MS);
    expect(idle()).toBe(1);
  });

  it('that computes silently is not, even with a small part of a busy machine', async () => {
    const { idle } = watched(() => 0.05);
    await vi.advanceTimersByTimeAsync(10 * TIMEOUT_MS);
    expect(idle()).toBe(0);
  });

  it('that does something now and then is not, until it stops doing so', async () => {
    const { watch, idle } = watched(() => 0);
    for (let n = 0; n < 10; n += 1) {
      watch.active();
      await vi.advanceTimersByTimeAsync(TIMEOUT_MS * 0.8);
    }
    expect(idle()).toBe(0);
    await vi.advanceTimersByTimeAsync(TIMEOUT_MS);
    expect(idle()).toBe(1);
  });

  it('that is held still is not idle for that time', async () => {
    const { watch, idle } = watched(() => 0);
    await vi.advanceTimersByTimeAsync(TIMEOUT_MS / 2);
    const goOn = watch.hold();
    await vi.advanceTimersByTimeAsync(5 * TIMEOUT_MS);
    expect(idle()).toBe(0);
    goOn();
    await vi.advanceTimersByTimeAsync(TIMEOUT_MS * 0.7);
    expect(idle()).toBe(1);
  });

  it('about which the engine says nothing is not ended', async () => {
    const { idle } = watched(() => new Error('no answer'));
    await vi.advanceTimersByTimeAsync(5 * TIMEOUT_MS);
    expect(idle()).toBe(0);
  });

  it('that shows no sign for minutes is called quiet, minute by minute, until it does again', async () => {
    const told: (number | null)[] = [];
    using watch = new IdleWatch(
      600_000,
      async () => 0,
      (minutes) => told.push(minutes),
    );
    watch.start(() => {});
    await vi.advanceTimersByTimeAsync(115_000);
    expect(told).toEqual([null]);
    await vi.advanceTimersByTimeAsync(120_000);
    watch.active();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(told).toEqual([null, 2, 3, null]);
  });

  it('that has ended is watched no more', async () => {
    const { watch, idle } = watched(() => 0);
    watch[Symbol.dispose]();
    await vi.advanceTimersByTimeAsync(5 * TIMEOUT_MS);
    expect(idle()).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is not asked for its CPU time while it prints', async () => {
    const asked = vi.fn(() => 0);
    const { watch } = watched(asked);
    for (let n = 0; n < 50; n += 1) {
      watch.active();
      await vi.advanceTimersByTimeAsync(TIMEOUT_MS / 20);
    }
    expect(asked).not.toHaveBeenCalled();
  });
});
