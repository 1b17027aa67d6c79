import { describe, expect, it } from 'vitest';
import { Room } from '../../src/review/room.ts';

/** Work that ends when it is told to. */
function work() {
  let end = (): void => {};
  let started = false;
  const done = new Promise<void>((resolve) => {
    end = resolve;
  });
  return {
    end: () => end(),
    hasStarted: () => started,
    run: async () => {
      started = true;
      await done;
    },
  };
}

const NEVER = new AbortController().signal;

describe('a room', () => {
  it('has no more at once than it has places, and lets in who waits longest', async () => {
    const room = new Room(2);
    const all = [work(), work(), work(), work()];
    const using = all.map((one) => room.use(one.run, NEVER));
    await Promise.resolve();
    expect(all.map((one) => one.hasStarted())).toEqual([true, true, false, false]);
    all[1]?.end();
    await using[1];
    await Promise.resolve();
    expect(all.map((one) => one.hasStarted())).toEqual([true, true, true, false]);
    for (const one of all) one.end();
    await Promise.all(using);
  });

  it('gives the place back when the work fails, and forgets who does not want it any more', async () => {
    const room = new Room(1);
    const first = work();
    const leaving = new AbortController();
    const using = room.use(first.run, NEVER);
    const left = room.use(() => Promise.reject(new Error('let in')), leaving.signal);
    const last = room.use(() => Promise.reject(new Error('failed')), NEVER);
    leaving.abort(new Error('gone'));
    await expect(left).rejects.toThrow('gone');
    first.end();
    await using;
    await expect(last).rejects.toThrow('failed');
    await expect(room.use(async () => 'in', NEVER)).resolves.toBe('in');
    await expect(room.use(async () => 'in', leaving.signal)).rejects.toThrow('gone');
  });
});
