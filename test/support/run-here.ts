/** A run of the queue in the test's own process, for what the command line cannot be told. */

import Docker from 'dockerode';
import { type RunOptions, runQueue } from '../../src/coordinator.ts';
import { EventBus } from '../../src/events.ts';
import { findRepository } from '../../src/git/repository.ts';
import { openDockerHost } from '../../src/sandbox/docker/host.ts';
import { agentName } from '../../src/sandbox/docker/names.ts';
import type { State } from '../../src/state/state.ts';
import type { Scratch } from './scratch.ts';

type Choices = Pick<RunOptions, 'engine'> & Partial<Pick<RunOptions, 'engineNamed' | 'signal'>>;

/** Works the queue with one agent at once and snapshots every half second. */
export async function runHere(scratch: Scratch, state: State, choices: Choices): Promise<void> {
  const repository = await findRepository(scratch.repository, scratch.env);
  const { installation } = state;
  await runQueue(
    {
      repository,
      state,
      bus: new EventBus(),
      onProgress: () => {},
      containerName: (task, n) => agentName(installation, task, n),
      hosts: [
        {
          name: 'local',
          slots: null,
          open: (services) =>
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
      ],
    },
    {
      maxAgents: 1,
      gateway: null,
      engineNamed: (name) => Promise.reject(new Error(`nobody knows the engine ${name}`)),
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
      ...choices,
    },
  );
}
