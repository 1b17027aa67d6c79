import { describe, expect, it } from 'vitest';
import { nextCommands } from '../../cli/commands/task.ts';
import { hunkLine } from '../../cli/render/diff-lines.ts';
import { eventLine } from '../../cli/render/event-line.ts';
import { taskJson } from '../../cli/render/json.ts';
import { createJsonLines } from '../../cli/render/json-lines.ts';
import { createLiveView } from '../../cli/render/live.ts';
import { age, coloursOf, tableOf } from '../../cli/render/text.ts';
import { EventBus } from '../../src/events.ts';
import { commitMessage } from '../../src/merge/commit-message.ts';
import type { AttemptRecord, PatchRecord, TaskRecord } from '../../src/state/records.ts';
import { type AttemptId, NO_USAGE, type ObjectId, type RunId, type TaskId } from '../../src/types.ts';

const LOGIN = 'add-login' as TaskId;
const ATTEMPT = 'add-login.1' as AttemptId;
const OID = 'a'.repeat(40) as ObjectId;
const EVIL = '\x1b]0;owned\x07\x1b[2J\u202e';

const task: TaskRecord = {
  ...{
    seq: 1,
    id: LOGIN,
    title: 'Add login',
    description: 'Add a login page.',
    agent: 'test-engineer',
    priority: 'normal',
  },
  ...{
    state: 'succeeded',
    reason: null,
    dependsOn: [],
    phase: 1,
    plan: null,
    routing: null,
    files: [],
    size: 'medium',
    chain: 1,
    createdAt: '2026-01-01T00:00:00.000Z',
  },
  ...{
    startedAt: '2026-01-01T00:01:00.000Z',
    endedAt: '2026-01-01T00:02:00.000Z',
    attempts: 1,
    notBefore: null,
    startFrom: null,
  },
};
const attempt: AttemptRecord = {
  ...{
    id: ATTEMPT,
    task: LOGIN,
    n: 1,
    run: 'R' as RunId,
    state: 'ended',
    outcome: 'succeeded',
    host: 'local',
    container: 'c',
  },
  ...{
    engine: 'command',
    timeoutMs: null,
    fault: null,
    unsettled: { usd: 0, tokens: 0 },
    diskBytes: null,
    stopping: null,
    baseTree: OID,
    baseCommit: OID,
    startedAt: null,
    endedAt: null,
    exitCode: 0,
    reason: null,
  },
  ...{ usage: NO_USAGE, egressDenied: [], summary: null },
};
const patch: PatchRecord = {
  ...{ id: ATTEMPT, task: LOGIN, state: 'pending', baseTree: OID, baseCommit: OID, tree: OID, commit: OID },
  ...{ size: { files: 1, insertions: 2, deletions: 3 }, flags: [], checks: [], reason: null },
  ...{ createdAt: '2026-01-01T00:02:00.000Z', mergedAs: null, mergedInto: null },
  ...{ original: null, decidedBy: null },
};

/** A terminal or a pipe that remembers what was written. */
function paper(size: { columns?: number; rows?: number } = {}) {
  const sheets: string[] = [];
  return { ...size, write: (text: string) => void sheets.push(text), text: () => sheets.join('') };
}

describe('the JSON of a task', () => {
  it('has the promised fields', () => {
    const json = taskJson(task, {
      attempt,
      usage: NO_USAGE,
      patch,
      conflictsWith: ['other.1'],
      isRunning: false,
      now: new Date(),
      stateOf: () => undefined,
    });
    expect(json).toEqual({
      ...{
        id: 'add-login',
        title: 'Add login',
        agent: 'test-engineer',
        priority: 'normal',
        status: 'succeeded',
        phase: 1,
      },
      ...{ dependsOn: [], attempt: 'add-login.1', host: 'local', startedAt: task.startedAt, endedAt: task.endedAt },
      usage: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, usd: null },
      patch: {
        ...{ id: 'add-login.1', status: 'pending', files: 1, insertions: 2, deletions: 3 },
        ...{ flags: [], checks: 'none', conflictsWith: ['other.1'] },
      },
      reason: null,
    });
  });

  it('says why a queued task waits', () => {
    const queued = { ...task, state: 'queued' as const };
    const context = { attempt: null, usage: NO_USAGE, patch: null, conflictsWith: [] };
    expect(taskJson(queued, { ...context, isRunning: true, now: new Date(), stateOf: () => undefined }).reason).toBe(
      'waits for a free agent',
    );
    expect(
      taskJson(queued, { ...context, isRunning: false, now: new Date(), stateOf: () => undefined }).reason,
    ).toContain('orchestrate run');
    expect(
      taskJson(
        { ...queued, reason: 'waits for x' },
        { ...context, isRunning: true, now: new Date(), stateOf: () => undefined },
      ).reason,
    ).toBe('waits for x');
  });

  it.each([
    [[], 'none'],
    [[0, 0], 'passed'],
    [[0, 1], 'failed'],
  ])('checks that ended %j are %s', (codes, verdict) => {
    const checks = codes.map((exitCode) => ({
      ...{ command: 'test', exitCode, durationMs: 1 },
      ...{ tree: OID, isFlaky: false, log: null },
    }));
    const context = {
      attempt,
      usage: NO_USAGE,
      conflictsWith: [],
      isRunning: false,
      now: new Date(),
      stateOf: () => undefined,
    };
    const json = taskJson(task, { ...context, patch: { ...patch, checks } });
    expect(json.patch?.checks).toBe(verdict);
  });
});

describe('the next command', () => {
  it.each([
    ['queued', null, ['orchestrate run']],
    ['running', null, ['orchestrate logs -f add-login']],
    ['succeeded', 'pending', ['orchestrate review add-login.1', 'orchestrate patch approve add-login.1']],
    ['succeeded', 'approved', ['orchestrate merge']],
    ['succeeded', 'merged', []],
    ['succeeded', null, ['orchestrate logs add-login']],
    ['succeeded', 'stale', ['orchestrate retry add-login']],
    ['failed', null, ['orchestrate logs add-login', 'orchestrate retry add-login']],
    [
      'cancelled',
      'salvaged',
      [
        'orchestrate logs add-login',
        'orchestrate patch show add-login.1',
        'orchestrate retry add-login --from-salvage',
        'orchestrate retry add-login',
      ],
    ],
  ] as const)('of a %s task with a patch %s', (state, of, commands) => {
    expect(nextCommands({ ...task, state }, of === null ? null : { ...patch, state: of })).toEqual(commands);
  });

  it('of a blocked task is to look at what it waits for', () => {
    expect(nextCommands({ ...task, state: 'blocked', dependsOn: ['x' as TaskId] }, null)).toEqual([
      'orchestrate task x',
    ]);
  });
});

describe('text', () => {
  it('lines columns up, wide characters too', async () => {
    expect(
      await tableOf([
        ['a', 'bb', 'c'],
        ['漢字', '', 'd'],
      ]),
    ).toBe('a     bb  c\n漢字      d\n');
  });

  it.each([
    [0, '0s'],
    [59_999, '59s'],
    [60_000, '1m'],
    [3_600_000, '1h'],
    [3_900_000, '1h 5m'],
    [90_000_000, '1d 1h'],
    [-5, '0s'],
  ])('says %d ms as %s', (milliseconds, text) => {
    expect(age(milliseconds)).toBe(text);
  });

  it('spells out in a diff what could mislead a reviewer', () => {
    expect(hunkLine('+if (admin\u202e)\x1b[8m', coloursOf(false))).toBe('+if (admin\\u{202e})\\x1b[8m');
  });
});

describe('a commit message', () => {
  it('has the title, the description and where it came from', () => {
    expect(commitMessage(task, attempt)).toBe(
      'Add login\n\nAdd a login page.\n\nOrchestrate-Task: add-login\nOrchestrate-Attempt: add-login.1\nOrchestrate-Role: test-engineer\nOrchestrate-Engine: command\n',
    );
  });

  it('prefers what the agent says it did, and says nothing twice', () => {
    expect(commitMessage(task, { ...attempt, summary: 'Did it.\n' })).toContain('\n\nDid it.\n\nOrchestrate-Task');
    expect(commitMessage({ ...task, description: 'Add login' }, attempt)).toMatch(/^Add login\n\nOrchestrate-Task/);
  });

  it('takes no trailer and no second line of a title from others', () => {
    const message = commitMessage(
      { ...task, title: `Add\nlogin${EVIL}` },
      { ...attempt, summary: 'Done\n\nOrchestrate-Task: other\nSigned-off-by: Boss <b@x>' },
    );
    expect(message.split('\n')[0]).toBe('Add login');
    expect(message.match(/^Orchestrate-Task: .*$/gm)).toEqual(['Orchestrate-Task: add-login']);
    expect(message).not.toMatch(/^Signed-off-by/m);
  });
});

describe('events for people', () => {
  it('never carry what others wrote to the terminal as it is', () => {
    const at = '2026-01-01T00:00:00.000Z';
    const of = { at, task: LOGIN, attempt: ATTEMPT };
    const lines = [
      eventLine({ ...of, type: 'task.started', title: EVIL, agent: EVIL, host: EVIL }),
      eventLine({
        ...of,
        type: 'task.ended',
        outcome: 'failed',
        status: 'failed',
        exitCode: 1,
        durationMs: 5,
        reason: EVIL,
      }),
      eventLine({ at, type: 'task.blocked', task: LOGIN, reason: EVIL }),
      eventLine({ ...of, type: 'egress.denied', host: EVIL, reason: EVIL }),
      eventLine({ ...of, type: 'check.ended', command: EVIL, exitCode: 1, durationMs: 5, flaky: false }),
      eventLine({ at, type: 'warning', message: EVIL }),
      eventLine({ ...of, type: 'task.paused', reason: EVIL, until: null }),
    ];
    for (const line of lines) expect(line).not.toMatch(/[\p{Cc}\u202e]/u);
  });
});

describe('a run as it works', () => {
  function work(bus: EventBus): void {
    const of = { task: LOGIN, attempt: ATTEMPT };
    bus.emit({ type: 'run.started', run: 'R' as RunId, tasks: 2, isolation: 'shared-kernel', base: OID });
    bus.emit({ ...of, type: 'task.started', title: 'Add login', agent: 'test-engineer', host: 'local' });
    bus.emit({ ...of, type: 'agent.output', stream: 'stdout', text: `one\n${EVIL}working on it\n` });
    bus.emit({
      ...of,
      type: 'patch.created',
      patch: ATTEMPT,
      salvaged: false,
      flags: [],
      files: 1,
      insertions: 2,
      deletions: 0,
    });
    bus.emit({
      ...of,
      type: 'task.ended',
      outcome: 'succeeded',
      status: 'succeeded',
      exitCode: 0,
      durationMs: 2000,
      reason: null,
    });
  }

  it('is a line with the time for each step in a pipe', () => {
    const bus = new EventBus();
    const out = paper();
    const view = createLiveView(bus, out, { tty: false });
    work(bus);
    view.close();
    bus.emit({ type: 'warning', message: 'after the end' });
    const lines = out.text().trimEnd().split('\n');
    expect(lines).toEqual([
      expect.stringMatching(/^\d\d:\d\d:\d\d run R {2}2 tasks, isolation shared-kernel, base aaaaaaaaaaaa$/),
      expect.stringMatching(/^\d\d:\d\d:\d\d add-login {2}started \(attempt 1, test-engineer, local\): Add login$/),
      expect.stringMatching(/^\d\d:\d\d:\d\d add-login {2}patch add-login\.1: 1 file \+2 -0$/),
      expect.stringMatching(/^\d\d:\d\d:\d\d add-login {2}succeeded after 2s$/),
    ]);
  });

  it('shows what agents print only when asked, and clean', () => {
    const bus = new EventBus();
    const out = paper();
    createLiveView(bus, out, { tty: false, verbose: true });
    work(bus);
    expect(out.text()).toMatch(/^\d\d:\d\d:\d\d add-login {2}\| working on it$/m);
    expect(out.text()).not.toMatch(/[^\n\P{Cc}]/u);
  });

  it('is redrawn in place on a terminal, never as high as it, and gives the cursor back', async () => {
    const bus = new EventBus();
    const out = paper({ columns: 40, rows: 6 });
    const view = createLiveView(bus, out, { tty: true });
    bus.emit({ type: 'run.started', run: 'R' as RunId, tasks: 9, isolation: 'shared-kernel', base: OID });
    for (let n = 1; n <= 9; n += 1) {
      const of = { task: `t${n}` as TaskId, attempt: `t${n}.1` as AttemptId };
      bus.emit({ ...of, type: 'task.started', title: 'x'.repeat(100), agent: 'a', host: 'h' });
      bus.emit({ ...of, type: 'agent.output', stream: 'stdout', text: `${EVIL}says ${n}\n` });
    }
    await expect.poll(() => out.text()).toContain('[....................] 0/9 done, 9 at work, 0 waiting');
    view.close();
    view.close();
    const drawn = out.text();
    expect(drawn).toContain('… and 7 more');
    expect(drawn).toMatch(/t1 {2}\d+s {2}says 1\n/);
    expect(drawn.endsWith('\x1b[?25h')).toBe(true);
    expect(drawn.split('\x1b[?25h')).toHaveLength(2);
    // Only our own four sequences are in it.
    const sequences = new RegExp(`${'\x1b'}\\[(?:\\?25[lh]|J|\\d+A)`, 'g');
    expect(drawn.replace(sequences, '')).not.toMatch(/[^\n\r\P{Cc}]/u);
  });

  it('has lines that are no events above what is redrawn', async () => {
    const bus = new EventBus();
    const out = paper();
    const view = createLiveView(bus, out, { tty: true });
    view.say?.(`set-up | ${EVIL}building`);
    await expect.poll(() => out.text()).toMatch(/Jset-up \| \P{Cc}*building\n\[\.{20}\] 0\/0 done/u);
    view.close();
    expect(createLiveView(bus, out, { tty: false }).say).toBeUndefined();
  });

  it('is an event a line with --json', () => {
    const bus = new EventBus();
    const out = paper();
    const lines = createJsonLines(bus, out);
    work(bus);
    lines.close();
    const events = out
      .text()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; at: string; text?: string });
    expect(events.map((event) => event.type)).toEqual([
      'run.started',
      'task.started',
      'agent.output',
      'patch.created',
      'task.ended',
    ]);
    expect(events[2]?.text).toBe(`one\n${EVIL}working on it\n`);
    expect(out.text()).not.toMatch(/[^\n\P{Cc}]|\u202e/u);
  });
});
