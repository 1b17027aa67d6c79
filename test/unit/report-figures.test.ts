// What a report says of a night's records: the story, in figures.

import { describe, expect, it } from 'vitest';
import type { OrchestrateEvent } from '../../src/events.ts';
import { reportOf } from '../../src/report/figures.ts';
import { headline, holdText, spendText } from '../../src/report/phrases.ts';
import { storyOf } from '../../src/report/story.ts';
import type { AttemptId } from '../../src/types.ts';
import {
  at,
  attempt,
  ended,
  patch,
  paused,
  RUN,
  ready,
  records,
  run,
  started,
  task,
  used,
} from '../support/night-records.ts';

const FLAG = { code: 'weakened-test', path: 'test/a.test.ts', detail: 'an assertion is gone' };

describe('what waits', () => {
  const states = ['salvaged', 'approved', 'stale', 'pending', 'set-aside', 'conflict', 'changes-requested'] as const;
  const report = reportOf(
    records({
      tasks: [
        ...states.map((state) => task(`t-${state}`, state === 'salvaged' ? 'failed' : 'succeeded')),
        task('flagged', 'succeeded'),
        task('redone', 'succeeded'),
        task('at-work', 'running'),
      ],
      patches: [
        ...states.map((state) => patch(`t-${state}.1`, state)),
        patch('flagged.1', 'pending', { flags: [FLAG] }),
        patch('redone.1', 'salvaged'),
        patch('at-work.1', 'changes-requested'),
      ],
    }),
  );
  const shown = report.waiting.items.map((waiting) => waiting.patch);

  it('puts what is flagged before all, and salvage last', () => {
    expect(shown[0]).toBe('flagged.1');
    expect(shown.at(-1)).toBe('t-salvaged.1');
    expect(report.waiting.items[0]?.flags.items).toEqual([FLAG]);
  });

  it('leaves out what a later attempt made up for, or works on', () => {
    expect(shown).not.toContain('redone.1');
    expect(shown).not.toContain('at-work.1');
  });

  it('says of each what to type', () => {
    const commands = Object.fromEntries(report.waiting.items.map(({ state, command }) => [state, command]));
    expect(commands).toEqual({
      pending: 'orchestrate review t-pending.1',
      'set-aside': 'orchestrate review t-set-aside.1',
      conflict: 'orchestrate merge --resolve',
      'changes-requested': 'orchestrate run',
      stale: 'orchestrate retry t-stale',
      approved: 'orchestrate merge',
      salvaged: 'orchestrate retry t-salvaged --from-salvage',
    });
  });

  it('counts only the newest patch of a task', () => {
    const again = reportOf(
      records({
        tasks: [task('a', 'succeeded')],
        patches: [patch('a.1', 'stale'), patch('a.2', 'pending')],
      }),
    );
    expect(again.waiting.items.map((waiting) => waiting.patch)).toEqual(['a.2']);
  });
});

describe('what landed', () => {
  it('is what was merged in the period, by whom, as which commit, with its checks', () => {
    const merged = { mergedAs: 'b'.repeat(40) as never, mergedInto: 'main', decidedBy: 'policy' } as const;
    const report = reportOf(
      records({
        tasks: [task('new', 'succeeded'), task('old', 'succeeded'), task('older', 'succeeded')],
        patches: [
          patch('new.1', 'merged', merged),
          patch('old.1', 'merged', merged),
          patch('older.1', 'merged', merged),
        ],
        history: {
          attempts: [attempt('new.1', [0, 10])],
          landings: [{ endedAt: at(20), patches: ['old.1' as AttemptId] }],
        },
      }),
    );
    expect(report.landed.items.map((landed) => landed.patch)).toEqual(['old.1', 'new.1']);
    expect(report.landed.items[0]).toMatchObject({
      ...{ commit: 'b'.repeat(40), branch: 'main', approvedBy: 'policy', checks: 'none' },
    });
  });
});

describe('what failed', () => {
  const failed = (reason: string) => ({ outcome: 'failed', reason }) as const;

  it('is one cause where reasons differ in numbers, ids and the name of the task alone', () => {
    const report = reportOf(
      records({
        tasks: [task('a', 'failed'), task('b', 'failed'), task('c', 'failed')],
        history: {
          attempts: [
            attempt('a.1', [0, 1], failed('a: exit 3 at 0123abcd, after 4.5 s')),
            attempt('b.1', [0, 1], failed('b: exit 17 at ffff0000, after 9 s')),
            attempt('c.1', [0, 1], failed('no such file')),
          ],
        },
      }),
    );
    expect(report.failed.items.map(({ attempts, open }) => [attempts, open.items])).toEqual([
      [2, ['a', 'b']],
      [1, ['c']],
    ]);
    expect(report.failed.items[0]).toMatchObject({
      ...{ example: 'b.1', commands: ['orchestrate logs b.1', 'orchestrate retry a'] },
    });
  });

  it('tells a time-out from a failure with the same words, and counts what was done since as settled', () => {
    const report = reportOf(
      records({
        tasks: [task('a', 'succeeded'), task('b', 'failed')],
        history: {
          attempts: [
            attempt('a.1', [0, 1], { outcome: 'lost', reason: 'gone' }),
            attempt('a.2', [1, 2]),
            attempt('b.1', [0, 1], { outcome: 'timeout', reason: 'gone' }),
          ],
        },
      }),
    );
    expect(report.failed.items.map(({ outcome, settled, open }) => [outcome, settled, open.items.length])).toEqual([
      ['timeout', 0, 1],
      ['lost', 1, 0],
    ]);
  });
});

describe('the headline', () => {
  it('counts what failed in the period, and does not hide what failed before it', () => {
    const report = reportOf(
      records({
        tasks: [task('a', 'failed'), task('b', 'failed'), task('c', 'failed'), task('d', 'cancelled')],
        history: {
          attempts: [attempt('a.1', [0, 1], { outcome: 'failed' }), attempt('d.1', [0, 1], { outcome: 'killed' })],
        },
      }),
    );
    expect(headline(report)).toBe(
      '0 patches landed, 0 wait for you, 1 task failed, 2 failed earlier, 1 cancelled. Cost: nothing.',
    );
  });
});

describe('the picture', () => {
  it('has as many lanes as agents were at work at once, with retries and pauses', () => {
    const of = { task: 'a' as never, attempt: 'a.1' as AttemptId };
    const { picture } = reportOf(
      records({
        history: {
          attempts: [
            attempt('a.1', [0, 60], { outcome: 'lost' }),
            attempt('b.1', [10, 50]),
            attempt('a.2', [70, 90]),
            attempt('c.1', [null, 95], { outcome: 'failed' }),
          ],
          events: [
            { at: at(20), type: 'task.paused', reason: 'rate limit', until: null, ...of },
            { at: at(25), type: 'task.paused', reason: 'rate limit', until: null, ...of },
            { at: at(30), type: 'task.resumed', ...of },
            { at: at(50), type: 'task.paused', reason: 'rate limit', until: null, ...of },
          ],
        },
      }),
    );
    expect(picture.lanes.map((lane) => lane.map((bar) => bar.attempt))).toEqual([['a.1', 'a.2'], ['b.1']]);
    // The last pause ended with its attempt.
    expect(picture.lanes[0]?.[0]?.pauses).toEqual([
      { from: at(20), to: at(30) },
      { from: at(50), to: at(60) },
    ]);
    expect(picture.neverStarted).toBe(1);
  });

  it('goes on to now while a run is at work, and ends with the last thing that happened otherwise', () => {
    const attempts = [attempt('a.1', [10, null])];
    const live = reportOf(records({ liveRun: RUN, history: { runs: [run({ endedAt: null })], attempts } }));
    expect(live.picture).toMatchObject({ from: at(0), to: at(720) });
    expect(live.runs.items[0]?.state).toBe('under-way');
    expect(reportOf(records({})).picture).toMatchObject({ from: at(0), to: at(600) });
  });

  it('of too many attempts keeps what went wrong, and shows all of the night', () => {
    const attempts = Array.from({ length: 2000 }, (_, n) =>
      attempt(`t${n}.1`, [n / 4, n / 4 + 0.2], n === 1234 ? { outcome: 'failed' } : {}),
    );
    const { picture } = reportOf(records({ history: { attempts } }));
    const bars = picture.lanes.flat();
    expect(bars.length + picture.leftOut).toBe(2000);
    expect(bars.map((bar) => bar.attempt)).toContain('t1234.1');
    expect(Date.parse(bars.at(-1)?.from ?? '')).toBeGreaterThan(Date.parse(at(490)));
  });

  it('cuts what began before the time that was asked for', () => {
    const period = { since: at(30), until: at(720), by: 'asked' } as const;
    const { picture } = reportOf(records({ period, history: { attempts: [attempt('a.1', [0, 60])] } }));
    expect(picture.lanes[0]?.[0]).toMatchObject({ from: at(30), to: at(60) });
  });
});

describe('the spending', () => {
  const { spending } = reportOf(
    records({
      tasks: [task('a', 'succeeded', { agent: 'tester' }), task('b', 'succeeded')],
      history: {
        attempts: [
          attempt('a.1', [0, 30], { usage: used(1000, 1.5), engine: 'api' }),
          attempt('a.2', [30, 500], { usage: used(1000, 0.5) }),
          attempt('b.1', [0, 31], { usage: used(5000, null) }),
          attempt('c.1', [0, 31], { engine: 'command' }),
        ],
      },
    }),
  );

  it('sums by task, role and engine, and never counts an unknown price as nothing', () => {
    expect(spending.total).toEqual({ tokens: 7000, usd: 2, unpricedTokens: 5000 });
    const shown = ({ items }: typeof spending.byTask) => items.map(({ name, usd, tokens }) => [name, usd, tokens]);
    expect(shown(spending.byTask)).toEqual([
      ['a', 2, 2000],
      ['b', 0, 5000],
    ]);
    expect(shown(spending.byRole)).toEqual([
      ['tester', 2, 2000],
      ['backend-engineer', 0, 5000],
    ]);
    expect(shown(spending.byEngine)).toEqual([
      ['api', 1.5, 1000],
      ['claude', 0.5, 6000],
    ]);
  });

  it('is put into words that say what is not known', () => {
    expect(spendText({ tokens: 0, usd: 0, unpricedTokens: 0 })).toBe('nothing');
    expect(spendText({ tokens: 10, usd: 1, unpricedTokens: 0 })).toBe('$1.00');
    expect(spendText({ tokens: 10, usd: 0, unpricedTokens: 10 })).toBe('unknown (10 tokens)');
    expect(spendText({ tokens: 5000, usd: 1, unpricedTokens: 2000 })).toBe('$1.00 and 2.0k tokens of unknown cost');
  });

  it('over time adds up to the total', () => {
    const sum = spending.overTime.reduce((tokens, step) => tokens + step.tokens, 0);
    expect(sum).toBe(spending.total.tokens);
    expect(spending.overTime.length).toBeLessThanOrEqual(24);
  });
});

describe('the run', () => {
  it('tells its isolation, its base, its bounds and why it ended', () => {
    const bounded = run({ deadline: at(600), budgetUsd: 5, isolation: null });
    const events = [started('gvisor'), ended('the budget of the run is used up (--budget-usd)')];
    const report = reportOf(records({ history: { runs: [bounded], events } }));
    expect(report.runs.items).toMatchObject([
      {
        ...{ state: 'ended', isolation: 'gvisor', base: 'a'.repeat(40), deadline: at(600) },
        ...{ budget: { usd: 5, tokens: null }, reason: 'the budget of the run is used up (--budget-usd)' },
      },
    ]);
  });

  it('tells its isolation by its own record, what was tried before it, and the disk at its end', () => {
    const checks = [
      { command: 'npm test', exitCode: 7, flaky: false, log: 'checks/base-1.log' },
      { command: 'npm run lint', exitCode: 0, flaky: true, log: null },
    ];
    const last = { ...ended(null), disk: { freeBytes: 5, totalBytes: 100 } };
    const made = reportOf(records({ history: { runs: [run()], events: [started('vm'), ready(checks), last] } }));
    expect(made.runs.items).toMatchObject([
      {
        ...{ isolation: 'shared-kernel', diskAtEnd: { freeBytes: 5, totalBytes: 100 } },
        before: {
          checks: {
            items: [
              { exitCode: 7, log: '/state/checks/base-1.log' },
              { flaky: true, log: null },
            ],
          },
        },
      },
    ]);
    const { sections } = storyOf(made);
    const said = JSON.stringify(sections.find(({ id }) => id === 'checks')?.entries);
    expect(said).toMatch(/RED on the base.*npm test.*--allow-red-base.*base-1\.log/);
    expect(JSON.stringify(sections.find(({ id }) => id === 'runs'))).toContain(
      '1 of 2 checks passed on the base (1 flaky), 1 RED and allowed; no ceiling',
    );
  });

  it('was cut off where it never said that it ended, whatever the next one wrote down', () => {
    const stateOf = (events: Parameters<typeof records>[0]['history'], endedAt: string | null) =>
      reportOf(records({ history: { ...events, runs: [run({ endedAt })] } })).runs.items[0]?.state;
    expect(stateOf({ events: [started('vm')] }, at(600))).toBe('cut-off');
    expect(stateOf({ events: [] }, null)).toBe('cut-off');
    expect(stateOf({ events: [started('vm'), ended(null)] }, at(600))).toBe('ended');
    // It had to leave agents in an engine that was away.
    expect(stateOf({ events: [started('vm'), ended('somebody stopped it')] }, null)).toBe('ended');
  });
});

describe('what happened to a whole run', () => {
  const pictureOfEvents = (events: readonly OrchestrateEvent[], more: Parameters<typeof records>[0] = {}) =>
    reportOf(records({ ...more, history: { runs: [run()], events: [started('userns'), ...events] } })).picture;

  it('is when nothing was started, and why; another reason is another time', () => {
    const { holds } = pictureOfEvents([
      paused(60, 'the disk is nearly full'),
      paused(70, 'the engine does not answer'),
      { at: at(90), type: 'run.resumed' },
      paused(100, '3 patches are pending'),
      ended(null),
    ]);
    expect(holds).toEqual([
      { from: at(60), to: at(70), isOpen: false, reason: 'the disk is nearly full' },
      { from: at(70), to: at(90), isOpen: false, reason: 'the engine does not answer' },
      { from: at(100), to: at(600), isOpen: false, reason: '3 patches are pending' },
    ]);
  });

  it('lasts while the run does', () => {
    const { holds } = pictureOfEvents([paused(60, 'x')], { liveRun: RUN });
    expect(holds).toEqual([{ from: at(60), to: at(720), isOpen: true, reason: 'x' }]);
    expect(holds.map(holdText)).toEqual([expect.stringMatching(/^since \d\d:\d\d$/)]);
  });

  it('is what stopped it from starting more, a run that was cut off, and the one after', () => {
    const { marks } = pictureOfEvents([
      { at: at(100), type: 'run.stopping', cause: 'budget', reason: 'the budget is used up' },
      { ...ended('the budget is used up'), at: at(120) },
      { ...started('userns'), at: at(200) },
      { ...started('userns'), at: at(300) },
      { at: at(400), type: 'run.stopping', cause: 'deadline', reason: 'the deadline is reached' },
    ]);
    expect(marks.map(({ at: when, what }) => [when, what])).toEqual([
      [at(100), 'budget'],
      [at(200), 'run'],
      [at(300), 'cut-off'],
      [at(400), 'deadline'],
    ]);
  });

  it('is trouble around the agents, grouped by its fault however it was put into words, and tried again', () => {
    const lost = (reason: string, fault: string) => ({ outcome: 'lost', reason, fault }) as const;
    const made = reportOf(
      records({
        tasks: [task('a', 'succeeded'), task('b', 'failed')],
        history: {
          attempts: [
            attempt('a.1', [0, 10], lost('the engine does not answer', 'DOCKER_UNREACHABLE')),
            attempt('a.2', [20, 30]),
            attempt('b.1', [0, 10], lost('connect ENOENT', 'DOCKER_UNREACHABLE')),
          ],
        },
      }),
    );
    expect(made.failed.items.map(({ fault, attempts, settled }) => [fault, attempts, settled])).toEqual([
      ['DOCKER_UNREACHABLE', 2, 1],
    ]);
    const night = JSON.stringify(storyOf(made).sections.find(({ id }) => id === 'night')?.entries);
    expect(night).toMatch(
      /2 attempts shown ended by trouble around the agent.*2 × .*DOCKER_UNREACHABLE.*1 of them tried/,
    );
  });
});

describe('what was refused on the network', () => {
  it('comes with a flag for names alone, which a shell reads as they stand', () => {
    const egressDenied = [
      ...['pypi.org:443', 'db.example.org:5432', '10.0.0.8:443', '[::1]:443', '$(touch x).org:443', 'meta.example:443'],
    ];
    const of = { task: 'a' as never, attempt: 'a.1' as AttemptId };
    const { denied } = reportOf(
      records({
        history: {
          attempts: [
            attempt('a.1', [0, 1], { egressDenied }),
            attempt('b.1', [0, 1], { egressDenied: ['pypi.org:443'] }),
          ],
          events: [
            { at: at(1), type: 'egress.denied', host: 'meta.example:443', reason: 'address-not-allowed', ...of },
          ],
        },
      }),
    );
    expect(denied.items.map(({ host, allowWith, attempts }) => [host, allowWith, attempts])).toEqual([
      ['pypi.org:443', '--network allowlist --allow pypi.org', 2],
      ['db.example.org:5432', '--network allowlist --allow db.example.org:5432', 1],
      ['10.0.0.8:443', null, 1],
      ['[::1]:443', null, 1],
      ['$(touch x).org:443', null, 1],
      ['meta.example:443', null, 1],
    ]);
  });
});

describe('checks and forecast', () => {
  it('tells red from flaky, with where the output is, and which results will not merge', () => {
    const alarm = { patch: 'a.1' as AttemptId, command: 'npm test', endedAt: at(5), isElsewhere: false };
    const conflict = { left: 'a.1' as AttemptId, right: 'b.1' as AttemptId, paths: ['x.ts'] };
    const report = reportOf(
      records({
        tasks: [task('a', 'succeeded')],
        patches: [patch('a.1', 'pending')],
        conflicts: [conflict],
        history: {
          checksPassed: 3,
          alarms: [
            { ...alarm, exitCode: 1, isFlaky: false, log: 'checks/a.log' },
            { ...alarm, exitCode: 0, isFlaky: true, log: null },
          ],
        },
      }),
    );
    expect(report.checks).toMatchObject({ passed: 3, red: 1, flaky: 1 });
    expect(report.checks.alarms.items.map(({ log }) => log)).toEqual(['/state/checks/a.log', null]);
    expect(report.waiting.items[0]?.conflictsWith.items).toEqual(['b.1']);
    expect(report.conflicts.items).toMatchObject([{ left: 'a.1', right: 'b.1', paths: { items: ['x.ts'] } }]);
  });
});
