/** Starts the run's keeper container and opens sessions into it, one exec each (exec goes into side-cars only). */

import type { Duplex } from 'node:stream';
import type Docker from 'dockerode';
import type { Container } from 'dockerode';
import type { KeeperTransport } from '../../keeper/client.ts';
import { healthOf } from './calls.ts';
import { engineFailure } from './engine-errors.ts';
import { removeContainer } from './remove-container.ts';
import { runningSideCar } from './side-car.ts';
import { AGENT_USER, type KeeperPlacement, keeperContainer, STORE_MOUNT } from './spec.ts';
import { openProgram } from './streams.ts';

export interface Keeper {
  readonly transport: KeeperTransport;
  /** Removes the container; the store stays. Idempotent. */
  remove(): Promise<void>;
}

export interface KeeperHooks {
  /** What the keeper's program writes to stderr, for the log. */
  onDiagnostic(line: string): void;
  /** The keeper is gone, or hangs, and is to be started anew. */
  onRestart(): Promise<void>;
}

/** One that goes later is started anew when it is needed: what it keeps is in the store. */
export async function startKeeper(docker: Docker, at: KeeperPlacement, hooks: KeeperHooks): Promise<Keeper> {
  const engine = healthOf(docker);
  const remove = () => removeContainer(docker.getContainer(at.name));
  const sideCar = { name: at.name, body: keeperContainer(at) };
  let ensuring: Promise<Container> | null = null;
  // One at a time: two sessions may miss it at once.
  const ensure = () => {
    ensuring ??= runningSideCar(docker, { ...sideCar, prepare: hooks.onRestart }).finally(() => {
      ensuring = null;
    });
    return ensuring;
  };
  try {
    await engine.steadily(() => runningSideCar(docker, sideCar));
  } catch (cause) {
    await remove().catch(() => {});
    throw engineFailure('the keeper could not be started', cause);
  }
  return {
    remove,
    transport: {
      async open(user): Promise<Duplex> {
        const argv = ['node', '/orchestrate/keeper/main.js', 'serve', STORE_MOUNT];
        const program = { argv, user: user === 'agent' ? AGENT_USER : '0:0' };
        try {
          return await engine.steadily(async () => openProgram(await ensure(), program, hooks.onDiagnostic));
        } catch (cause) {
          throw engineFailure('the keeper could not be started anew', cause);
        }
      },
    },
  };
}
