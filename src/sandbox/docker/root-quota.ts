/** Whether an engine can bound what a container writes into its root file system: overlay2 over xfs with project quotas can. */

import type Docker from 'dockerode';
import { isStatus } from './engine-errors.ts';
import { labels, RUN_LABEL } from './names.ts';

interface EngineFacts {
  readonly Driver?: string;
  readonly DriverStatus?: readonly (readonly [string, string])[] | null;
}

export interface QuotaProbe {
  readonly image: string;
  readonly installation: string;
  readonly run: string;
}

/** Only the engine knows how its disk was mounted: asked, where the file system could, by a container that never starts. */
export async function canLimitRoots(docker: Docker, { image, installation, run }: QuotaProbe): Promise<boolean> {
  if (!couldLimitRoots((await docker.info()) as EngineFacts)) return false;
  try {
    const container = await docker.createContainer({
      Image: image,
      Entrypoint: ['/never-started'],
      Labels: labels(installation, 'agent', { [RUN_LABEL]: run }),
      HostConfig: { NetworkMode: 'none', StorageOpt: { size: String(1024 ** 3) } },
    });
    await container.remove({ force: true, v: true });
    return true;
  } catch (error) {
    if (isStatus(error, 500) || isStatus(error, 400)) return false;
    throw error;
  }
}

export function couldLimitRoots({ Driver: driver, DriverStatus: status }: EngineFacts): boolean {
  return (
    driver === 'overlay2' && (status ?? []).some(([name, value]) => name === 'Backing Filesystem' && value === 'xfs')
  );
}
