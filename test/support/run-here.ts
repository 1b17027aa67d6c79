/** A run of the queue in the test's own process, for what the command line cannot be told. */

import Docker from 'dockerode';
import { type RunHost, type RunOptions, runQueue } from '../../src/coordinator.ts';
import { EventBus } from '../../src/events.ts';
import { findRepository } from '../../src/git/repository.ts';
import { connectHost } from '../../src/sandbox/docker/connect.ts';
import { openDockerHost } from '../../src/sandbox/docker/host.ts';
import type { WantedHost } from '../../src/sandbox/docker/hosts.ts';
import { agentName } from '../../src/sandbox/docker/names.ts';
import type { State } from '../../src/state/state.ts';
import type { Scratch } from './scratch.ts';

interface Choices
  extends Pick<RunOptions, 'engine'>,
    Partial<Pick<RunOptions, 'engineNamed' | 'signal' | 'maxAgents' | 'hostLostAfterMs'>> {
  /** Not given: the machine's own engine. */
  readonly hosts?: readonly WantedHost[];
  /** Not given: the agents' own. */
  readonly image?: string;
  readonly env?: Readonly<Record<string, string>>;
  onWarning?(line: string): void;
}

/** Works the queue, where nothing else is asked with one agent at once, and snapshots every half second. */
export async function runHere(scratch: Scratch, state: State, choices: Choices): Promise<void> {
  const repository = await findRepository(scratch.repository, scratch.env);
  const { installation } = state;
  const { hosts, image = null, env = scratch.env, onWarning, ...options } = choices;
  const { objectFormat } = repository;
  const bus = new EventBus();
  bus.on((event) => {
    if (event.type === 'warning') onWarning?.(event.message);
  });
  const common = { installation, image, workspace: null, objectFormat };
  const own: RunHost = {
    ...{ name: 'local', slots: null },
    open: (services) => openDockerHost({ name: 'local', docker: new Docker(), ...common, ...services }),
  };
  const remote = (hosts ?? []).map(
    (wanted): RunHost => ({
      ...wanted,
      async open(services) {
        const connection = await connectHost(wanted, env);
        const { name, docker } = connection;
        return openDockerHost({ name, docker, connection, ...common, ...services });
      },
    }),
  );
  await runQueue(
    {
      ...{ repository, state, bus, onProgress: () => {} },
      containerName: (task, n) => agentName(installation, task, n),
      hosts: hosts === undefined ? [own] : remote,
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
      ...options,
    },
  );
}
