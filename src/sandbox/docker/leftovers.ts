/** What runs leave on an engine: removed when the next one begins, and as far as nobody needs it when one ends. */

import { isEngineGone } from '../trouble.ts';
import type { DockerHostOptions } from './host-options.ts';
import type { RunImages } from './images.ts';
import { SENT_IMAGE } from './names.ts';
import { dropOldVersions } from './old-versions.ts';
import { BUILT_IMAGES } from './our-images.ts';
import { isSharedInUse, RUN_KINDS, sweep } from './sweep.ts';

/** The coordinator's lock is ours: whatever an earlier run has left and nobody adopts belongs to nobody. */
export async function sweepEarlierRuns(options: DockerHostOptions): Promise<void> {
  const { docker, installation, run, keep, guests } = options;
  if (options.isGuest === true) return;
  // The gateway stays for the agents that are adopted.
  const kinds = keep.length > 0 ? RUN_KINDS.filter((kind) => kind !== 'gateway') : RUN_KINDS;
  await sweep(docker, installation, { kinds, dryRun: false, liveRun: run, guests, keepAttempts: keep });
}

/** For the end of a run that is nobody's guest. */
export async function tidyUp(options: DockerHostOptions, images: RunImages): Promise<void> {
  // What a coordinator asked for right before it was killed may have come to be after the first look.
  await sweepEarlierRuns(options);
  await sweepVolumes(options);
  await dropOldImages(options, images).catch((error: Error) => warnUnlessGone(options, error));
}

/** An engine that is gone is told of by what cannot be left out. */
export function warnUnlessGone({ onWarning }: Pick<DockerHostOptions, 'onWarning'>, error: Error): void {
  if (!isEngineGone(error)) onWarning(error.message);
}

/** Whoever removes an agent's container leaves its volumes; what a container still has stays. */
async function sweepVolumes({ docker, installation, guests }: DockerHostOptions): Promise<void> {
  await sweep(docker, installation, { kinds: ['agent', 'check', 'setup'], types: ['volume'], dryRun: false, guests });
}

async function dropOldImages({ docker, installation }: DockerHostOptions, images: RunImages): Promise<void> {
  const { agent, sidecar, toolbox, theirs } = images;
  const used = [theirs ?? agent.name, sidecar, toolbox];
  if (await isSharedInUse(docker, installation)) return;
  await dropOldVersions(docker, { images: [...BUILT_IMAGES, SENT_IMAGE], used, now: new Date() });
}
