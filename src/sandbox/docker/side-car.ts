/** The container of a side-car: made where it is not there, and made anew where it cannot go on. */

import type Docker from 'dockerode';
import type { Container, ContainerCreateOptions, ContainerInspectInfo } from 'dockerode';
import { isStatus } from './engine-errors.ts';
import { removeContainer } from './remove-container.ts';

export interface SideCar {
  readonly name: string;
  readonly body: ContainerCreateOptions;
  /** Whether a running one is what is wanted; not given: any is. */
  fits?(found: ContainerInspectInfo): boolean;
  /** Makes what it needs and the engine would not miss. */
  prepare?(): Promise<unknown>;
}

/** May be called again where its answer was lost. One that is paused, or not wanted (`anew`), is replaced. */
export async function runningSideCar(docker: Docker, sideCar: SideCar, anew = false): Promise<Container> {
  const { name, body, fits, prepare } = sideCar;
  const found = await inspected(docker, name);
  if (found !== null) {
    const container = docker.getContainer(found.Id);
    const { Running: isRunning, Paused: isPaused } = found.State;
    if (!anew && isRunning && !isPaused && fits?.(found) !== false) return container;
    await removeContainer(container);
  }
  await prepare?.();
  const container = await docker.createContainer(body);
  await container.start();
  return container;
}

async function inspected(docker: Docker, name: string): Promise<ContainerInspectInfo | null> {
  try {
    return await docker.getContainer(name).inspect();
  } catch (error) {
    if (isStatus(error, 404)) return null;
    throw error;
  }
}
