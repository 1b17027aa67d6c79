/** The volume with trees and attempts' work, one per repository and engine: made, tidied, kept within bounds. */

import type Docker from 'dockerode';
import type { KeeperClient } from '../../keeper/client.ts';
import type { ObjectId } from '../../types.ts';
import { labels, storeVolumeName } from './names.ts';

/** How much of a disk the layers of trees may take; what a run uses stays whatever that is. */
export interface StoreLimits {
  readonly bytes: number;
  /** Part of the whole disk. */
  readonly partOfDisk: number;
  readonly layers: number;
}

/** About a hundred nights of a repository of 200 MB, or its last two where it has 10 GB. */
export const STORE_LIMITS: StoreLimits = { bytes: 20 * 1024 ** 3, partOfDisk: 0.2, layers: 200 };

/** Creates the store where it is missing; gives its folder on the engine's host. */
export async function ensureStore(docker: Docker, installation: string): Promise<string> {
  const name = storeVolumeName(installation);
  await docker.createVolume({ Name: name, Labels: labels(installation, 'store') });
  return (await docker.getVolume(name).inspect()).Mountpoint;
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
