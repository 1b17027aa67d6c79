import { once } from 'node:events';
import path from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { finishTask, PLACE, stateOf, writeTranscript } from '../support/queue.ts';
import { Scratch } from '../support/scratch.ts';

const CLI = path.resolve(import.meta.dirname, '../../dist/cli/main.js');
const EVIL = '\x1b]0;owned\x07\x1b[2J\u202egnp';

let scratch: Scratch;

beforeEach(async () => {
  scratch = await Scratch.create();
});
afterEach(() => scratch[Symbol.asyncDispose]());

describe('status', () => {
  it('has the promised JSON, before and after the first task', async () => {
    const counts = { queued: 0, blocked: 0, running: 0, paused: 0, succeeded: 0, failed: 0, cancelled: 0 };
    expect(await scratch.json(['status'])).toEqual({ run: null, counts, tasks: [], conflicts: [] });
    const flags = [{ code: 'executable', path: 'x', detail: 'is executable' }];
    await finishTask(scratch, { title: 'Add x', files: { x: 'new\n' }, flags });
    await scratch.must(['submit', 'Later', '--depends-on', 'add-x']);
    const usage = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, usd: null };
    expect(await scratch.json(['status'])).toEqual({
      run: null,
      counts: { ...counts, succeeded: 1, queued: 1 },
      tasks: [
        {
          ...{ id: 'add-x', title: 'Add x', agent: 'test-engineer', priority: 'high', status: 'succeeded', phase: 1 },
          ...{ dependsOn: [], attempt: 'add-x.1', host: 'local', usage, reason: null },
          ...{ startedAt: expect.stringMatching(/Z$/), endedAt: expect.stringMatching(/Z$/) },
          patch: {
            ...{ id: 'add-x.1', status: 'pending', files: 1, insertions: 1, deletions: 0 },
            ...{ flags, checks: 'none', conflictsWith: [] },
          },
        },
        expect.objectContaining({ id: 'later', status: 'queued', reason: expect.stringContaining('orchestrate run') }),
      ],
      conflicts: [],
    });
  });

  it('counts first, then each task with why it waits', async () => {
    await scratch.must(['submit', 'First']);
    await scratch.must(['submit', 'Second', '--depends-on', 'first']);
    const lines = (await scratch.must(['status'])).split('\n');
    expect(lines[0]).toBe('no run is at work');
    expect(lines[1]).toMatch(/^1 queued, 1 blocked, 0 running/);
    expect(lines[3]).toMatch(/^TASK +STATE +AGENT +PRIORITY +PHASE +HOST +AGE +COST +PATCH +WHY$/);
    expect(lines.slice(4, 6)).toEqual(['phase 1: 0 of 1 done', expect.stringMatching(/^first +queued /)]);
    expect(lines[6]).toBe('phase 2: 0 of 1 done');
    expect(lines[7]).toMatch(/^second +blocked .*waits for first$/);
  });

  it('is phase by phase, each in the order of work; the JSON stays in the order of adding', async () => {
    await finishTask(scratch, { title: 'Done' });
    const batch = [
      { title: 'Later', dependsOn: ['done', 'short'] },
      { title: 'Short', key: 'short', size: 'small' },
      { title: 'Long', size: 'large' },
      { title: 'Low', size: 'large', priority: 'low' },
    ];
    const lines = batch.map((task) => JSON.stringify({ description: task.title, ...task }));
    await scratch.write({ '../batch.jsonl': lines.join('\n') });
    await scratch.must(['submit', '--batch', '../batch.jsonl']);
    const shown = (await scratch.must(['status'])).trimEnd().split('\n').slice(4);
    expect(shown.map((line) => line.replace(/ {2}.*/, ''))).toEqual([
      ...['phase 1: 1 of 4 done', 'done', 'long', 'short', 'low', 'phase 2: 0 of 1 done', 'later'],
    ]);
    const { tasks } = await scratch.json<{ tasks: { id: string }[] }>(['status']);
    expect(tasks.map(({ id }) => id)).toEqual(['done', 'later', 'short', 'long', 'low']);
  });

  it('is the same by the short way and through the parser', async () => {
    await finishTask(scratch, { title: 'Add x', files: { x: 'new\n' } });
    expect(await scratch.must(['status', '--json'])).toBe(await scratch.must(['status', '--json', '--repo', '.']));
    expect(await scratch.must(['--no-color', 'status', '-q'])).toBe(await scratch.must(['status', '--repo', '.']));
  });

  it('shows no run where a coordinator was killed', async () => {
    await scratch.must(['submit', 'x']);
    const state = stateOf(scratch);
    const at = (await scratch.git('rev-parse', 'HEAD')) as never;
    state.beginRun({ id: 'RUN' as never, pid: 1, base: at, deadline: null, budgetUsd: null, budgetTokens: null });
    state.close();
    expect(await scratch.json(['status'])).toMatchObject({ run: null });
  });

  it('lets nothing out that a terminal acts on', async () => {
    await finishTask(scratch, {
      title: `Evil ${EVIL}`,
      description: EVIL,
      outcome: 'failed',
      reason: EVIL,
      files: { x: '' },
    });
    for (const args of [['status'], ['task', 'evil'], ['patch', 'list']]) {
      for (const json of [[], ['--json']]) {
        expect(await scratch.must([...args, ...json]), args.join(' ')).not.toMatch(/[^\n\P{Cc}]|\u202e/u);
      }
    }
  });

  it('--watch tells changes in a pipe until it is interrupted', async () => {
    await scratch.must(['submit', 'First']);
    const watching = execa(process.execPath, [CLI, 'status', '--watch'], {
      cwd: scratch.repository,
      env: scratch.env,
      extendEnv: false,
      reject: false,
    });
    let text = '';
    watching.stdout.on('data', (chunk) => {
      text += String(chunk);
    });
    await once(watching.stdout, 'data');
    await scratch.must(['submit', 'Second']);
    await expect.poll(() => text, { timeout: 20_000 }).toMatch(/^\d\d:\d\d:\d\d second {2}queued/m);
    watching.kill('SIGINT');
    expect((await watching).exitCode).toBe(130);
    expect(text.match(/ first {2}/g)).toHaveLength(1);
  });
});

describe('task', () => {
  it('has the promised JSON', async () => {
    await finishTask(scratch, { title: 'Add x', description: 'All about x', files: { x: 'new\n' } });
    expect(await scratch.json(['task', 'add'])).toMatchObject({
      ...{ id: 'add-x', status: 'succeeded', description: 'All about x', patch: { id: 'add-x.1' } },
      attempts: [
        { id: 'add-x.1', outcome: 'succeeded', host: 'local', exitCode: 0, usage: { usd: null }, egressDenied: [] },
      ],
    });
  });

  it('tells what happened and what to type next', async () => {
    await finishTask(scratch, {
      title: 'Add x',
      description: 'All about x',
      files: { x: 'new\n' },
      summary: 'Made x.',
    });
    const text = await scratch.must(['task', 'add-x']);
    for (const part of [
      'All about x',
      'Made x.',
      'started (attempt 1',
      'add-x.1, pending',
      'orchestrate review add-x.1',
    ]) {
      expect(text).toContain(part);
    }
  });
});

describe('logs', () => {
  const bytes = Buffer.concat([
    Buffer.from('one\n\x1b[31mtwo\x1b[0m\x07\n'),
    Buffer.from([0xff, 0x0a]),
    Buffer.from('10%\r20%'),
  ]);

  it('are sanitised, or raw, or events', async () => {
    await finishTask(scratch, { title: 'Add x', files: { x: '' }, transcript: bytes });
    expect(await scratch.must(['logs', 'add-x'])).toBe('one\ntwo\n\ufffd\n10%\n20%');
    const raw = await execa(process.execPath, [CLI, 'logs', 'add-x.1', '--raw'], {
      cwd: scratch.repository,
      env: scratch.env,
      encoding: 'buffer',
    });
    expect(Buffer.from(raw.stdout)).toEqual(bytes);
    const events = (await scratch.must(['logs', 'add-x', '--json']))
      .split('\n')
      .map((line) => JSON.parse(line) as { text: string });
    expect(events[1]).toEqual({
      type: 'agent.output',
      task: 'add-x',
      attempt: 'add-x.1',
      text: '\x1b[31mtwo\x1b[0m\x07',
    });
  });

  it('are refused, with a hint, where there are none', async () => {
    await scratch.must(['submit', 'Later']);
    const said = { exitCode: 2, stderr: expect.stringContaining('later has not started') };
    expect(await scratch.orchestrate(['logs', 'later'])).toMatchObject(said);
    expect(await scratch.orchestrate(['logs', 'later.3'])).toMatchObject(said);
    expect(await scratch.orchestrate(['logs', 'none'])).toMatchObject({ exitCode: 2 });
  });

  it('-f goes on until the attempt ends, and misses nothing', async () => {
    await scratch.must(['submit', 'Live']);
    const state = stateOf(scratch);
    const at = (await scratch.git('rev-parse', 'HEAD')) as never;
    const run = state.beginRun({
      id: 'RUN' as never,
      pid: process.pid,
      base: at,
      deadline: null,
      budgetUsd: null,
      budgetTokens: null,
    });
    const claim = state.claimNext(run, PLACE);
    const id = claim?.attempt.id as never;
    state.attemptStarted(id, run.fence, { tree: at, commit: at });
    await writeTranscript(scratch, id, 'first\n');
    const following = execa(process.execPath, [CLI, 'logs', '-f', 'live'], {
      cwd: scratch.repository,
      env: scratch.env,
      extendEnv: false,
    });
    await once(following.stdout, 'data');
    await writeTranscript(scratch, id, 'first\nlast\n');
    const usage = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, usd: null };
    const end = {
      outcome: 'no-changes',
      taskState: 'succeeded',
      exitCode: 0,
      reason: null,
      usage,
      egressDenied: [],
      summary: null,
      patch: null,
    } as const;
    expect(state.endAttempt(id, run.fence, end)).toBe(true);
    state.close();
    expect((await following).stdout).toBe('first\nlast');
  });
});
