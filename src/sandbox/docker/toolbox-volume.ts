/**
 * The toolbox lies in a volume, so that any agent image works unchanged. The engine fills it from the toolbox image while it
 * creates a container that mounts it, and knows that container by name only once the copy is complete. So the container
 * itself, which never starts, is the proof: without it what is in the volume may have been cut off.
 */

import { setTimeout as wait } from 'node:timers/promises';
import type Docker from 'dockerode';
import { environmentError } from '../../errors.ts';
import { isStatus } from './engine-errors.ts';
import { labels, SHARED } from './names.ts';
import { TOOLBOX_MOUNT } from './spec.ts';

/** Another process fills it at this moment: about 130 MB are copied. */
const FILL_TIMEOUT_MS = 120_000;
const LOOK_AGAIN_MS = 250;

/** Makes sure of the volume for the toolbox image `image` (name:hash) and returns its name. One question when it is there. */
export async function ensureToolboxVolume(docker: Docker, image: string): Promise<string> {
  const volume = volumeOf(image);
  const until = Date.now() + FILL_TIMEOUT_MS;
  while (!(await isFilled(docker, volume))) {
    if (Date.now() > until) {
      throw environmentError('TOOLBOX_NOT_READY', `the volume ${volume} does not get ready`, {
        hint: `remove it, it is made again: docker volume rm ${volume}`,
      });
    }
    await removeUnused(docker, volume);
    if (!(await fill(docker, image, volume))) await wait(LOOK_AGAIN_MS);
  }
  return volume;
}

/** Removes what `ensureToolboxVolume` made of an image, where it did; false where a container mounts it. */
export async function removeToolboxVolume(docker: Docker, image: string): Promise<boolean> {
  const volume = volumeOf(image);
  const users = await docker.listContainers({ all: true, filters: { volume: [volume] } });
  if (users.some(({ Names: names }) => !names.includes(`/${holderOf(volume)}`))) return false;
  for (const { Id } of users) {
    await docker
      .getContainer(Id)
      .remove({ force: true })
      .catch((error) => {
        if (!isStatus(error, 404) && !isStatus(error, 409)) throw error;
      });
  }
  await removeUnused(docker, volume);
  return true;
}

async function isFilled(docker: Docker, volume: string): Promise<boolean> {
  try {
    const { Mounts: mounts } = await docker.getContainer(holderOf(volume)).inspect();
    return mounts.some((mount) => mount.Name === volume);
  } catch (error) {
    if (isStatus(error, 404)) return false;
    throw error;
  }
}

/** What an unfinished copy left. In use (409): by whoever fills it now, or by agents that started when it was complete. */
async function removeUnused(docker: Docker, volume: string): Promise<void> {
  await docker
    .getVolume(volume)
    .remove()
    .catch((error) => {
      if (!isStatus(error, 404) && !isStatus(error, 409)) throw error;
    });
}

/** False where another process is at it. The engine copies into an empty volume only. */
async function fill(docker: Docker, image: string, volume: string): Promise<boolean> {
  try {
    await docker.createContainer({
      name: holderOf(volume),
      Image: image,
      Labels: labels(SHARED, 'cache'),
      HostConfig: {
        NetworkMode: 'none',
        Mounts: [
          {
            Type: 'volume',
            Source: volume,
            Target: TOOLBOX_MOUNT,
            VolumeOptions: {
              NoCopy: false,
              Labels: labels(SHARED, 'cache'),
              DriverConfig: { Name: 'local', Options: {} },
            },
          },
        ],
      },
    });
    return true;
  } catch (error) {
    if (isStatus(error, 409)) return false;
    throw error;
  }
}

function volumeOf(image: string): string {
  return image.replace(':', '-');
}

function holderOf(volume: string): string {
  return `${volume}-holder`;
}
