// How an attempt ended is told precisely: what the agent died of, and what was done to it from outside.

import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestImages } from '../support/images.ts';
import { Scratch } from '../support/scratch.ts';

interface Told {
  readonly status: string;
  readonly reason: string | null;
  readonly attempts: readonly { readonly outcome: string; readonly exitCode: number | null }[];
}

const docker = new Docker();
/** Fills memory beyond the limit and is killed for it. */
const HOG = `python3 -c 'held = [b"x" * 2**24 for _ in range(100)]'`;

/** Task → what its agent does. */
const AGENTS = {
  'out of memory': `echo kept > kept.txt; ${HOG}`,
  'main process out of memory': `exec ${HOG}`,
  'child out of memory then fails': `${HOG}; echo over > over.txt; exit 3`,
  'child out of memory then done': `${HOG}; echo over > over.txt`,
  'fork bomb': '(bomb() { bomb | bomb & }; bomb) 2>/dev/null & exec sleep 600',
  'fork bomb that fails': 'while sleep 0.01 & do :; done; exit 9',
  removed: 'if [ "$ORCHESTRATE_ATTEMPT" = 1 ]; then sleep 600; else echo again > again.txt; fi',
};

describe('the outcome', () => {
  let scratch: Scratch;
  const told = new Map<string, Told>();

  beforeAll(async () => {
    scratch = await Scratch.create();
    for (const [title, script] of Object.entries(AGENTS)) {
      await scratch.submitScript(title, script);
    }
    const limits = ['--memory', '256m', '--pids', '64', '--timeout', '8s', '--max-agents', '2'];
    const run = scratch.orchestrate(['run', '--engine', 'demo', ...limits]);
    await removeOnceRunning(`orchestrate-${await scratch.installation()}-removed.1`);
    expect((await run).exitCode).toBe(1);
    for (const title of Object.keys(AGENTS)) {
      told.set(title, await scratch.json<Told>(['task', title.replaceAll(' ', '-')]));
    }
  });
  afterAll(() => scratch?.[Symbol.asyncDispose]());

  it.each(['out of memory', 'main process out of memory'])('%s is oom', (title) => {
    expect(told.get(title)).toMatchObject({
      ...{ status: 'failed', reason: expect.stringContaining('memory') },
      attempts: [{ outcome: 'oom', exitCode: 137 }],
    });
  });

  it('a child that ran out of memory is the agent’s own affair', () => {
    expect(told.get('child out of memory then fails')).toMatchObject({
      attempts: [{ outcome: 'failed', exitCode: 3 }],
    });
    expect(told.get('child out of memory then done')).toMatchObject({ attempts: [{ outcome: 'succeeded' }] });
  });

  it('a fork bomb is a time-out or a failure, never oom or lost', () => {
    expect(told.get('fork bomb')).toMatchObject({ status: 'failed', attempts: [{ outcome: 'timeout' }] });
    expect(told.get('fork bomb that fails')).toMatchObject({ status: 'failed', attempts: [{ outcome: 'failed' }] });
  });

  it('a container that somebody removed is lost, and the task is tried again', () => {
    expect(told.get('removed')).toMatchObject({
      status: 'succeeded',
      attempts: [{ outcome: 'lost', exitCode: null }, { outcome: 'succeeded' }],
    });
  });

  /** As `docker rm -f` by another hand. */
  async function removeOnceRunning(name: string): Promise<void> {
    for (;;) {
      const container = docker.getContainer(name);
      const running = await container.inspect().then(
        ({ State }) => State.Running,
        () => false,
      );
      if (running) return container.remove({ force: true });
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
});

describe('an image without a shell', () => {
  it('fails the task with that reason, once', async () => {
    await using images = new TestImages();
    await using scratch = await Scratch.create();
    await scratch.must(['submit', 'needs a shell', '--title', 'shell']);
    const answer = await scratch.orchestrate([
      'run',
      '--image',
      await images.get('shell-less'),
      '--engine-command',
      'true',
    ]);
    expect(answer.exitCode).toBe(1);
    expect(await scratch.json<Told>(['task', 'shell'])).toMatchObject({
      ...{ status: 'failed', reason: expect.stringContaining('has no shell (/bin/sh)') },
      attempts: [{ outcome: 'failed', exitCode: null }],
    });
  });
});
