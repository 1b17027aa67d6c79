/** The volume with trees and attempts: the repository's own, or one that a guest has for itself, because two keepers cannot share one. */

import type Docker from 'dockerode';
import { isStatus } from './engine-errors.ts';
import { guestStoreName, labels, RUN_LABEL, storeVolumeName } from './names.ts';

export interface StoreOwner {
  readonly installation: string;
  readonly run: string;
  readonly isGuest?: boolean | undefined;
}

export interface Store {
  readonly name: string;
  /** Where it lies on the engine's host. */
  readonly folder: string;
}

/** Creates the store where it is missing. */
export async function ensureStore(docker: Docker, owner: StoreOwner): Promise<Store> {
  const name = nameOf(owner);
  const { installation, run } = owner;
  await docker.createVolume({
    Name: name,
    // A guest's is of the keeper's kind, so that it is swept with what else a killed guest left.
    Labels:
      owner.isGuest === true ? labels(installation, 'keeper', { [RUN_LABEL]: run }) : labels(installation, 'store'),
  });
  return { name, folder: (await docker.getVolume(name).inspect()).Mountpoint };
}

/** Takes a guest's store away; any other stays, for the next run. */
export async function leaveStore(docker: Docker, owner: StoreOwner): Promise<void> {
  if (owner.isGuest !== true) return;
  await docker
    .getVolume(nameOf(owner))
    .remove()
    .catch((error) => {
      if (!isStatus(error, 404)) throw error;
    });
}

function nameOf({ installation, run, isGuest }: StoreOwner): string {
  return isGuest === true ? guestStoreName(installation, run) : storeVolumeName(installation);
}
