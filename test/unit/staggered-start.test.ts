// The first agent of a run goes ahead, so that the beginning of all their prompts is paid for once.

import { describe, expect, it } from 'vitest';
import { StaggeredStart } from '../../src/engine/api/staggered-start.ts';

const never = new AbortController().signal;

/** Whether a promise is settled once everything that is ready has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const look = () => {
    settled = true;
  };
  promise.then(look, look);
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

describe('a staggered start', () => {
  it('holds the others until the response to the first has begun', async () => {
    const start = new StaggeredStart();
    const first = await start.enter(never);
    const others = [start.enter(never), start.enter(never)];
    expect(await isSettled(Promise.race(others))).toBe(false);
    first.begun();
    for (const other of await Promise.all(others)) other.begun();
  });

  it('lets the next one go ahead where the first failed before its response began', async () => {
    const start = new StaggeredStart();
    const first = await start.enter(never);
    const second = start.enter(never);
    const third = start.enter(never);
    first.over();
    const ahead = await second;
    expect(await isSettled(third)).toBe(false);
    ahead.begun();
    await third;
  });

  it('begins again when what was cached is too old to be read', async () => {
    let now = 0;
    const start = new StaggeredStart(() => now);
    (await start.enter(never)).begun();
    now = 4 * 60_000;
    (await start.enter(never)).begun();
    now = 8 * 60_000;
    (await start.enter(never)).over();
    now = 13 * 60_000;
    const again = await start.enter(never);
    const other = start.enter(never);
    expect(await isSettled(other)).toBe(false);
    again.begun();
    await other;
  });

  it('lets go who is stopped while waiting', async () => {
    const start = new StaggeredStart();
    const first = await start.enter(never);
    const aborter = new AbortController();
    const waiting = start.enter(aborter.signal);
    aborter.abort(new Error('stopped'));
    await expect(waiting).rejects.toThrow('stopped');
    first.begun();
    await start.enter(never);
  });
});
