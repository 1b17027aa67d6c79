/** The volume with trees and attempts: the repository's own, or one that a guest has for itself, because two keepers cannot share one. */

import type Docker from 'dockerode';
import type { KeeperClient } from '../../keeper/client.ts';
import type { ObjectId } from '../../types.ts';
import { isStatus } from './engine-errors.ts';
import { guestStoreName, labels, RUN_LABEL, storeVolumeName } from './names.ts';

/** How much of a disk the layers of trees may take; what a run uses stays whatever that is. */
export interface StoreLimits {
  readonly bytes: number;
  /** Part of the whole disk. */
  readonly partOfDisk: number;
  readonly layers: number;
}

/** About a hundred nights of a repository of 200 MB, or its last two where it has 10 GB. */
export const STORE_LIMITS: StoreLimits = { bytes: 20 * 1024 ** 3, partOfDisk: 0.2, layers: 200 };

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

/** Workspaces of an earlier run that was cut off, but for the ones to be adopted. */
export async function removeLeftAttempts(keeper: KeeperClient, keep: readonly string[]): Promise<void> {
  for (const attempt of await keeper.attempts()) if (!keep.includes(attempt)) await keeper.removeAttempt(attempt);
}

/** Drops the layers that nobody used for longest where there are too many; for the end of a run, which used `used`. */
export async function trimStore(keeper: KeeperClient, used: readonly ObjectId[], limits: StoreLimits): Promise<void> {
  const { bytes, freeBytes } = await keeper.usage();
  const maxBytes = Math.floor(Math.min(limits.bytes, (bytes + freeBytes) * limits.partOfDisk));
  await keeper.trim({ used, maxBytes, maxLayers: limits.layers });
}

function nameOf({ installation, run, isGuest }: StoreOwner): string {
  return isGuest === true ? guestStoreName(installation, run) : storeVolumeName(installation);
}
