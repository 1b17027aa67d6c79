/** Nights in a scratch repository: the coordinator itself, in this process, with a store as small as a test wants it. */

import Docker from 'dockerode';
import { runQueue } from '../../src/coordinator.ts';
import { commandEngine } from '../../src/engine/command.ts';
import { EventBus } from '../../src/events.ts';
import { findRepository } from '../../src/git/repository.ts';
import { openDockerHost } from '../../src/sandbox/docker/host.ts';
import { agentName } from '../../src/sandbox/docker/names.ts';
import type { StoreLimits } from '../../src/sandbox/docker/store.ts';
import { acquireLock } from '../../src/tasks/lock.ts';
import { stateOf } from './queue.ts';
import type { Scratch } from './scratch.ts';

const MIB = 1024 ** 2;
const LIMITS = { memoryBytes: 256 * MIB, cpus: 1, pids: 256, diskBytes: 256 * MIB };

export interface Night {
  /** What each agent runs. */
  readonly command: string;
  readonly history: number;
  readonly storeLimits: StoreLimits;
}

/** Works the queue as `orchestrate run` does; returns the warnings. */
export async function workNight(scratch: Scratch, night: Night): Promise<string[]> {
  const repository = await findRepository(scratch.repository, scratch.env);
  const state = stateOf(scratch);
  const { installation } = state;
  const lock = acquireLock(state.directory, { pid: process.pid, startedAt: new Date().toISOString(), command: 'test' });
  if ('heldBy' in lock) throw new Error('another process works on the repository');
  const warnings: string[] = [];
  const bus = new EventBus();
  bus.on((event) => {
    if (event.type === 'warning') warnings.push(event.message);
  });
  try {
    await runQueue(
      {
        ...{ repository, state, bus, onProgress: () => {} },
        containerName: (task, n) => agentName(installation, task, n),
        hosts: [
          {
            name: 'local',
            slots: null,
            open: (services) =>
              openDockerHost({
                ...{ name: 'local', docker: new Docker(), installation, image: null, workspace: null },
                ...{ objectFormat: repository.objectFormat, storeLimits: night.storeLimits, ...services },
              }),
          },
        ],
      },
      {
        ...{
          maxAgents: 2,
          engine: commandEngine({ name: 'command', command: night.command }),
          gateway: null,
          includeDirty: false,
        },
        ...{ history: night.history, signal: new AbortController().signal, pid: process.pid },
        engineNamed: (name) => Promise.reject(new Error(`nobody knows the engine ${name}`)),
        bounds: { limits: LIMITS, timeoutMs: 60_000, idleTimeoutMs: 60_000, snapshotEveryMs: 60_000 },
      },
    );
    return warnings;
  } finally {
    lock.release();
    state.close();
  }
}
