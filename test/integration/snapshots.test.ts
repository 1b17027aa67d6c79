import { randomBytes } from 'node:crypto';
import path from 'node:path';
import Docker from 'dockerode';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runQueue } from '../../src/coordinator.ts';
import { commandEngine } from '../../src/engine/command.ts';
import { EventBus } from '../../src/events.ts';
import { findRepository } from '../../src/git/repository.ts';
import { openDockerHost } from '../../src/sandbox/docker/host.ts';
import { agentName } from '../../src/sandbox/docker/names.ts';
import { openState, type State } from '../../src/state/state.ts';
import { Scratch } from '../support/scratch.ts';

let scratch: Scratch;
let state: State;

beforeEach(async () => {
  scratch = await Scratch.create();
  state = openState(path.join(scratch.repository, '.git/orchestrate'));
});
afterEach(async () => {
  state.close();
  await scratch[Symbol.asyncDispose]();
});

/** Works the queue in this process, with snapshots every half second. */
async function work(command: string): Promise<void> {
  const repository = await findRepository(scratch.repository, scratch.env);
  const { installation } = state;
  await runQueue(
    {
      repository,
      state,
      bus: new EventBus(),
      onProgress: () => {},
      containerName: (task, n) => agentName(installation, task, n),
      openHost: (services) =>
        openDockerHost({
          name: 'local',
          docker: new Docker(),
          installation,
          image: null,
          workspace: null,
          objectFormat: repository.objectFormat,
          ...services,
        }),
    },
    {
      maxAgents: 1,
      engine: commandEngine('command', command),
      bounds: {
        limits: { memoryBytes: 2 ** 30, cpus: 2, pids: 256, diskBytes: 2 ** 30 },
        timeoutMs: 60_000,
        idleTimeoutMs: 60_000,
        snapshotEveryMs: 500,
      },
      includeDirty: false,
      history: 1,
      signal: new AbortController().signal,
      pid: process.pid,
    },
  );
}

function addTask(title: string): void {
  state.addTasks([{ title, description: 'x', agent: 'backend-systems-engineer', priority: 'normal', dependsOn: [] }]);
}

async function wip(task: string): Promise<string> {
  return scratch.git('for-each-ref', '--format=%(objectname)', `refs/orchestrate/${task}/1/wip`);
}

describe('snapshots of an agent at work', () => {
  it('keep what it had when its container vanishes', async () => {
    addTask('vanishes');
    // The second attempt ends at once; the first waits for its end, which comes from outside.
    const running = work('if test $ORCHESTRATE_ATTEMPT = 1; then echo half > half.txt; sleep 60; fi');
    while ((await wip('vanishes')) === '') await new Promise((resolve) => setTimeout(resolve, 100));
    await new Docker().getContainer(agentName(state.installation, 'vanishes', 1)).remove({ force: true });
    await running;
    expect(state.attemptsOf(state.resolveTask('vanishes'))).toMatchObject([
      { outcome: 'lost' },
      { outcome: 'no-changes' },
    ]);
    expect(await scratch.git('show', 'refs/orchestrate/vanishes/1/result:half.txt')).toBe('half');
    expect(state.patch(state.resolvePatch('vanishes.1'))).toMatchObject({ state: 'salvaged', size: { files: 1 } });
  });

  it('hold the agent only for the moment, and go when there is a result', async () => {
    addTask('counts');
    const lines = 40;
    const token = randomBytes(4).toString('hex');
    await work(`for i in $(seq ${lines}); do echo ${token} >> lines.txt; sleep 0.05; done`);
    const text = await scratch.git('show', 'refs/orchestrate/counts/1/result:lines.txt');
    expect(text.split('\n')).toEqual(Array.from({ length: lines }, () => token));
    expect(await wip('counts')).toBe('');
  });
});
