/** Creates containers under names that are ours alone. */

import type Docker from 'dockerode';
import type { Container, ContainerCreateOptions } from 'dockerode';
import { isStatus } from './engine-errors.ts';
import { removeContainer } from './remove-container.ts';

/** Of a creation whose reply was lost, or of a run that was killed, nothing is taken over: it goes. */
export async function createdAfresh(docker: Docker, body: ContainerCreateOptions): Promise<Container> {
  try {
    return await docker.createContainer(body);
  } catch (error) {
    if (!isStatus(error, 409) || body.name === undefined) throw error;
    await removeContainer(docker.getContainer(body.name));
    return docker.createContainer(body);
  }
}
