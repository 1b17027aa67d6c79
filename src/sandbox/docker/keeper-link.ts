/** Starts the run's keeper container and opens sessions into it, one exec each (exec goes into side-cars only). */

import type { Duplex } from 'node:stream';
import type Docker from 'dockerode';
import type { KeeperTransport } from '../../keeper/client.ts';
import { engineFailure, isStatus } from './engine-errors.ts';
import { AGENT_USER, type KeeperPlacement, keeperContainer, STORE_MOUNT } from './spec.ts';
import { openProgram } from './streams.ts';

export interface Keeper {
  readonly transport: KeeperTransport;
  /** Removes the container; the store stays. Idempotent. */
  remove(): Promise<void>;
}

/** @param onDiagnostic what the keeper's program writes to stderr, for the log */
export async function startKeeper(
  docker: Docker,
  at: KeeperPlacement,
  onDiagnostic: (line: string) => void,
): Promise<Keeper> {
  const container = await docker.createContainer(keeperContainer(at)).catch((cause) => {
    throw engineFailure('the keeper could not be created', cause);
  });
  const remove = async (): Promise<void> => {
    await container.remove({ force: true, v: true }).catch((error) => {
      if (!isStatus(error, 404) && !isStatus(error, 409)) throw error;
    });
  };
  try {
    await container.start();
  } catch (cause) {
    await remove();
    throw engineFailure('the keeper could not be started', cause);
  }
  return {
    remove,
    transport: {
      async open(user): Promise<Duplex> {
        const argv = ['node', '/orchestrate/keeper/main.js', 'serve', STORE_MOUNT];
        return openProgram(container, { argv, user: user === 'agent' ? AGENT_USER : '0:0' }, onDiagnostic);
      },
    },
  };
}
