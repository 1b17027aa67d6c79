// When somebody is told of a run, and what.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EventBus } from '../../src/events.ts';
import { type NoticeCounts, noticeBody } from '../../src/report/notice.ts';
import { Notifier } from '../../src/report/notify.ts';
import type { ObjectId, RunId } from '../../src/types.ts';

const RUN = 'RUN1' as RunId;
const MINUTE = 60_000;
const COUNTS: NoticeCounts = {
  ...{ queued: 0, blocked: 1, running: 0, paused: 0, succeeded: 4, failed: 2, cancelled: 0, patchesPending: 3 },
};

interface Body {
  readonly text: string;
  readonly event: string;
  readonly reason: string | null;
  readonly next: string;
}

let bus: EventBus;
let sent: Body[];
let failures: string[];

beforeEach(() => {
  vi.useFakeTimers();
  bus = new EventBus();
  sent = [];
  failures = [];
});
afterEach(() => vi.useRealTimers());

function notifier(post?: (signal: AbortSignal) => Promise<string | null>): Notifier {
  return new Notifier({
    ...{ bus, repository: 'shop', counts: () => COUNTS },
    onFailure: (problem) => void failures.push(problem),
    post: async (body, signal) => {
      sent.push(JSON.parse(body) as Body);
      return post === undefined ? null : post(signal);
    },
  });
}

const begin = (): void =>
  bus.emit({ type: 'run.started', run: RUN, tasks: 1, isolation: 'userns', base: 'b' as ObjectId });
const end = (reason: string | null): void =>
  bus.emit({ type: 'run.ended', run: RUN, succeeded: 4, failed: 2, blocked: 1, reason });
const pause = (cause: string, reason: string): void => bus.emit({ type: 'run.paused', cause, reason });
const told = (): (readonly [string, string | null])[] => sent.map(({ event, reason }) => [event, reason]);

describe('the end of a run', () => {
  it('is told with its counts, once it is over', async () => {
    const notified = notifier();
    begin();
    end(null);
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(sent).toEqual([]);
    await notified.close();
    expect(sent).toEqual([
      {
        ...{
          event: 'run.ended',
          repository: 'shop',
          run: RUN,
          counts: COUNTS,
          reason: null,
          next: 'orchestrate review',
        },
        text: 'shop: the run has ended. 4 tasks succeeded, 2 failed, 1 blocked; 3 patches to review. Next: orchestrate review',
      },
    ]);
  });

  it.each(['interrupted', 'Docker does not answer'])('is told where it was by: %s', async (reason) => {
    const notified = notifier();
    begin();
    end(reason);
    await notified.close();
    expect(told()).toEqual([['run.ended', reason]]);
  });

  it('is told where no run could begin, by the first line of why', async () => {
    const notified = notifier();
    notified.failed('the set-up ended with exit code 1\n| what it printed');
    await notified.close();
    expect(told()).toEqual([['run.ended', 'the set-up ended with exit code 1']]);
  });

  it('is not told where nothing was at work', async () => {
    await notifier().close();
    expect(sent).toEqual([]);
  });

  it('takes with it what was not told yet, and is one message', async () => {
    const notified = notifier();
    begin();
    bus.emit({ type: 'run.stopping', cause: 'key', reason: 'Anthropic refuses the key (401)' });
    end('Anthropic refuses the key (401)');
    await notified.close();
    expect(told()).toEqual([['run.ended', 'Anthropic refuses the key (401)']]);
  });

  it('waits 15 seconds for a server that hangs, and no longer', async () => {
    const notified = notifier(
      (signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve('did not answer'))),
    );
    begin();
    end(null);
    let isClosed = false;
    const closing = notified.close().then(() => {
      isClosed = true;
    });
    await vi.advanceTimersByTimeAsync(14_000);
    expect(isClosed).toBe(false);
    await vi.advanceTimersByTimeAsync(1000);
    await closing;
    expect(failures).toEqual(['did not answer']);
  });
});

describe('that a run needs somebody', () => {
  it('is told when it waits for reviews, once', async () => {
    await using _ = closing(notifier());
    begin();
    pause('reviews', '3 patches are pending (--max-pending-reviews 3)');
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(told()).toEqual([['needs-you', 'it waits for reviews, 3 patches are pending (--max-pending-reviews 3)']]);
    expect(sent[0]).toMatchObject({ next: 'orchestrate review' });
    bus.emit({ type: 'run.resumed' });
    pause('reviews', '4 patches are pending');
    await vi.advanceTimersByTimeAsync(60 * MINUTE);
    expect(sent).toHaveLength(1);
  });

  it('is not told where it passes: reviews within seconds, an engine that is away for minutes', async () => {
    await using _ = closing(notifier());
    begin();
    pause('reviews', 'x');
    bus.emit({ type: 'run.resumed' });
    pause('engine', 'the Docker engine does not answer');
    await vi.advanceTimersByTimeAsync(4 * MINUTE);
    bus.emit({ type: 'run.resumed' });
    await vi.advanceTimersByTimeAsync(60 * MINUTE);
    expect(sent).toEqual([]);
  });

  it('is told where the engine stays away', async () => {
    await using _ = closing(notifier());
    begin();
    pause('engine', 'the Docker engine does not answer');
    await vi.advanceTimersByTimeAsync(6 * MINUTE);
    expect(told()).toEqual([['needs-you', 'it starts nothing, the Docker engine does not answer']]);
  });

  it('is told in one message where it comes together, and not again within ten minutes', async () => {
    await using _ = closing(notifier());
    begin();
    bus.emit({ type: 'run.stopping', cause: 'budget', reason: 'the budget is used up' });
    pause('reviews', '3 pending');
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(told()).toEqual([['needs-you', 'the budget is used up; it waits for reviews, 3 pending']]);
    bus.emit({ type: 'run.stopping', cause: 'key', reason: 'the key is refused' });
    await vi.advanceTimersByTimeAsync(8 * MINUTE);
    expect(sent).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(2 * MINUTE);
    expect(told()[1]).toEqual(['needs-you', 'the key is refused']);
  });

  it('is not told of a task that failed, nor of a deadline', async () => {
    await using _ = closing(notifier());
    begin();
    bus.emit({ type: 'run.stopping', cause: 'deadline', reason: 'the deadline is reached' });
    bus.emit({ type: 'warning', message: 'something' });
    await vi.advanceTimersByTimeAsync(60 * MINUTE);
    expect(sent).toEqual([]);
  });
});

it('tells of a webhook that does not take it once', async () => {
  const notified = notifier(() => Promise.resolve('hooks.example.org answered with 404'));
  begin();
  pause('reviews', 'x');
  await vi.advanceTimersByTimeAsync(MINUTE);
  end(null);
  await notified.close();
  expect(sent).toHaveLength(2);
  expect(failures).toEqual(['hooks.example.org answered with 404']);
});

it('says nothing that Slack would take for a link, a mention or an entity, and nothing long', () => {
  const reason = `<!channel> <http://x.invalid|click> & \x1b[2J ${'x'.repeat(10_000)}`;
  const notice = {
    event: 'needs-you',
    repository: '<@U1>',
    run: RUN,
    counts: COUNTS,
    next: 'orchestrate review',
  } as const;
  const { text } = JSON.parse(noticeBody({ ...notice, reason })) as Body;
  expect(text).toMatch(/^&lt;@U1&gt;: the run needs you: &lt;!channel&gt; &lt;http:\/\/x\.invalid\|click&gt; &amp;/);
  expect(text).not.toMatch(/[<>]/);
  expect(text.length).toBeLessThan(1500);
});

function closing(notified: Notifier): AsyncDisposable {
  return { [Symbol.asyncDispose]: () => notified.close() };
}
