/** Removes a container so that it is gone afterwards, whoever else removes it at this moment. */

import type { Container } from 'dockerode';
import { isStatus } from './engine-errors.ts';

/** What the engine needs to end a container that does not end by itself, and to unmount it. Milliseconds. */
const OTHERS_REMOVAL_MS = 20_000;
const MAX_TRIES = 4;

/** Of one that is gone already: harmless. A removal by somebody else (409) may come to nothing, and is then done again. */
export async function removeContainer(container: Container): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await container.remove({ force: true, v: true });
      return;
    } catch (error) {
      if (isStatus(error, 404)) return;
      if (!isStatus(error, 409) || tries === MAX_TRIES) throw error;
    }
    const abortSignal = AbortSignal.timeout(OTHERS_REMOVAL_MS);
    // Gone (404), or too late: the next try tells.
    await container.wait({ condition: 'removed', abortSignal }).catch(() => {});
  }
}
