// An agent that does nothing any more is ended, and what it did before is kept; one that works silently is left alone.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ModelServer } from '../support/model-server/server.ts';
import { Scratch } from '../support/scratch.ts';

interface Told {
  readonly status: string;
  readonly reason: string | null;
  readonly patch: { readonly status: string; readonly files: number } | null;
  readonly attempts: readonly { readonly outcome: string }[];
}

/** Far longer than the idle time-out of the run. */
const LONG_S = 9;
/** Task → what its agent does. */
const AGENTS = {
  sleeps: 'echo half > half.txt; exec sleep infinity',
  computes: `echo done > computed.txt; timeout ${LONG_S} sh -c 'while :; do :; done' || true`,
  prints: `for n in $(seq ${LONG_S}); do sleep 1; echo $n; done; echo done > printed.txt`,
};

describe('with --idle-timeout', () => {
  let scratch: Scratch;
  const told = new Map<string, Told>();

  beforeAll(async () => {
    scratch = await Scratch.create();
    await scratch.submitScripts(AGENTS);
    const run = await scratch.orchestrate(['run', '--engine', 'demo', '--idle-timeout', '4s', '--timeout', '2m']);
    expect(run.exitCode).toBe(1);
    for (const title of Object.keys(AGENTS)) told.set(title, await scratch.json<Told>(['task', title]));
  });
  afterAll(() => scratch?.[Symbol.asyncDispose]());

  it('an agent that does nothing ends as idle, its work salvaged', async () => {
    expect(told.get('sleeps')).toMatchObject({
      ...{ status: 'failed', reason: expect.stringContaining('4 s without output'), attempts: [{ outcome: 'idle' }] },
      patch: { status: 'salvaged', files: 1 },
    });
    expect(await scratch.must(['patch', 'show', 'sleeps'])).toContain('+half');
  });

  it.each(['computes', 'prints'])('an agent that %s for longer than that is left alone', (title) => {
    expect(told.get(title)).toMatchObject({ status: 'succeeded', attempts: [{ outcome: 'succeeded' }] });
  });
});

it('an agent that repeats what fails is ended long before its time is up, told why, and its work salvaged', async () => {
  const key = 'sk-test-idle-8c41';
  await using scratch = await Scratch.create();
  const again = { tools: [{ name: 'bash', input: { command: 'echo half > half.txt; cat missing; (exit 3)' } }] };
  await using model = await ModelServer.start({ key, script: () => again });
  await scratch.submitScript('stuck', 'whatever');
  const run = await scratch.orchestrate(['run', '--engine', 'api', '--timeout', '1h', '--idle-timeout', '1h'], {
    env: { ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: model.url },
  });
  expect(run.exitCode).toBe(1);
  expect(await scratch.json<Told>(['task', 'stuck'])).toMatchObject({
    ...{ status: 'failed', attempts: [{ outcome: 'idle' }], patch: { status: 'salvaged', files: 1 } },
    reason: expect.stringMatching(/same call failed 24 times .*cat missing/),
  });
  expect(await scratch.must(['task', 'stuck'])).toContain('same call failed 24 times');
});
