// A session whose other side hangs is left, and only such a one.
import { duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Caller } from '../../src/session/caller.ts';
import { keepBeating } from '../../src/session/heartbeat.ts';
import { serve } from '../../src/session/serve.ts';

const TIMES = { everyMs: 10, halfLimitMs: 40 };

describe('the heartbeat of a session', () => {
  it('ends one that answers nothing, so that what is under way fails', async () => {
    const [ours, theirs] = duplexPair();
    theirs.resume();
    const session = new Caller(ours);
    keepBeating(session, TIMES);
    await expect(session.call('anything').result).rejects.toMatchObject({ code: 'SESSION_LOST' });
  });

  it('lets one be that takes its time for a call and answers others', async () => {
    const [ours, theirs] = duplexPair();
    let beats = 0;
    let finish = (): void => {};
    const slow = new Promise<void>((resolve) => {
      finish = resolve;
    });
    void serve(theirs, theirs, {
      slow: async () => {
        await slow;
        return { done: true };
      },
      hello: async () => {
        beats += 1;
        if (beats === 3) finish();
        return {};
      },
    });
    const session = new Caller(ours);
    keepBeating(session, TIMES);
    const call = session.call('slow');
    void call.send([]);
    expect(await call.result).toEqual({ done: true });
    session.close();
  });
});
