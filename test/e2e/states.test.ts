// Every state and outcome of CLI.md's "States" that there is a way to, reached through the command line (oom and lost: outcomes.test.ts).

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runningAgents, until } from '../support/killed-run.ts';
import { Scratch } from '../support/scratch.ts';

interface Listed {
  readonly id: string;
  readonly status: string;
}

/** Task → what its agent does. */
const AGENTS: Readonly<Record<string, string>> = {
  base: 'echo base > base.txt',
  above: 'echo above > above.txt',
  refused: 'echo refused > refused.txt',
  beyond: 'echo beyond > beyond.txt',
  nothing: 'true',
  failing: 'echo half > half.txt; exit 3',
  needy: 'true',
  slow: 'echo slow > slow.txt; sleep 600',
  victim: 'echo victim > victim.txt; sleep 600',
};
const NEEDS: Readonly<Record<string, string>> = { above: 'base', beyond: 'refused', needy: 'failing' };

describe('the states of tasks, attempts and patches', () => {
  let scratch: Scratch;
  let before: Record<string, string>;
  let during: Record<string, string>;

  beforeAll(async () => {
    scratch = await Scratch.create();
    await scratch.submitScripts(AGENTS, NEEDS);
    before = await tasks();
    const run = scratch.orchestrate(['run', '--engine', 'demo', '--timeout', '12s', '--max-agents', '4']);
    await until(async () => (await runningAgents(scratch)).some((name) => name.endsWith('-victim.1')));
    during = await tasks();
    await scratch.must(['kill', 'victim']);
    expect((await run).exitCode).toBe(1);
  });
  afterAll(() => scratch?.[Symbol.asyncDispose]());

  async function tasks(): Promise<Record<string, string>> {
    const { tasks: all } = await scratch.json<{ tasks: Listed[] }>(['status']);
    return Object.fromEntries(all.map(({ id, status }) => [id, status]));
  }

  async function patches(): Promise<Record<string, string>> {
    const { patches: all } = await scratch.json<{ patches: Listed[] }>(['patch', 'list']);
    return Object.fromEntries(all.map(({ id, status }) => [id, status]));
  }

  it('of tasks: queued and blocked, then running, then succeeded, failed and cancelled', async () => {
    expect(before).toMatchObject({ base: 'queued', above: 'blocked', victim: 'queued' });
    expect(during).toMatchObject({ victim: 'running' });
    expect(await tasks()).toEqual({
      ...{ base: 'succeeded', above: 'succeeded', refused: 'succeeded', beyond: 'succeeded', nothing: 'succeeded' },
      ...{ failing: 'failed', needy: 'blocked', slow: 'failed', victim: 'cancelled' },
    });
  });

  it.each([
    ['base', 'succeeded'],
    ['nothing', 'no-changes'],
    ['failing', 'failed'],
    ['slow', 'timeout'],
    ['victim', 'killed'],
  ])('of the attempt at %s: %s', async (task, outcome) => {
    expect(await scratch.json(['task', task])).toMatchObject({ attempts: [{ outcome }] });
  });

  it('of patches: pending and salvaged, then approved, merged, rejected, and stale above a rejected one', async () => {
    const salvaged = { 'failing.1': 'salvaged', 'slow.1': 'salvaged', 'victim.1': 'salvaged' };
    expect(await patches()).toEqual({
      ...salvaged,
      ...{ 'base.1': 'pending', 'above.1': 'pending', 'refused.1': 'pending', 'beyond.1': 'pending' },
    });
    await scratch.must(['patch', 'approve', 'base', 'above']);
    await scratch.must(['patch', 'apply', 'base']);
    await scratch.must(['patch', 'reject', 'refused']);
    expect(await patches()).toEqual({
      ...salvaged,
      ...{ 'base.1': 'merged', 'above.1': 'approved', 'refused.1': 'rejected', 'beyond.1': 'stale' },
    });
  });
});
