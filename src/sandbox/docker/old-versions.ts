/** Images and toolbox volumes of versions of the product that nobody seems to use any more. They are everybody's. */

import type Docker from 'dockerode';
import { isStatus } from './engine-errors.ts';
import { KIND_LABEL, LABEL, SENT_IMAGE, SHARED } from './names.ts';
import { removeToolboxVolume } from './toolbox-volume.ts';

/** Of each image so many of the newest stay, whatever their age: repositories may work with different versions. */
const KEPT = 3;
const OLD_MS = 14 * 24 * 3_600_000;

export interface OldVersions {
  /** Without their tags. */
  readonly images: readonly string[];
  /** Images with their tags, as this run uses them. */
  readonly used: readonly string[];
  readonly now: Date;
}

/**
 * Removes versions of the images that are older than two weeks and not among the newest three, with the toolbox volumes
 * made of them; none that a container uses. Not to be called while another repository's run is at work, which may count on
 * one between two containers. Returns what went.
 */
export async function dropOldVersions(docker: Docker, options: OldVersions): Promise<string[]> {
  const dropped: string[] = [];
  for (const tag of await oldTags(docker, options)) if (await isRemoved(docker, tag)) dropped.push(tag);
  return dropped;
}

async function oldTags(docker: Docker, { images, used, now }: OldVersions): Promise<string[]> {
  const label = [`${LABEL}=${SHARED}`, `${KIND_LABEL}=cache`];
  const labelled = await docker.listImages({ filters: { label } });
  const sent = images.includes(SENT_IMAGE) ? await docker.listImages({ filters: { reference: [SENT_IMAGE] } }) : [];
  const found = [...labelled.filter(({ Id }) => !sent.some((image) => image.Id === Id)), ...sent];
  return images.flatMap((name) => {
    const versions = found
      .flatMap((image) => (image.RepoTags ?? []).map((tag) => ({ tag, createdMs: image.Created * 1000 })))
      .filter(({ tag }) => tag.startsWith(`${name}:`))
      .sort((a, b) => b.createdMs - a.createdMs);
    return versions
      .slice(KEPT)
      .filter(({ tag, createdMs }) => createdMs < now.getTime() - OLD_MS && !used.includes(tag))
      .map(({ tag }) => tag);
  });
}

/** False where a container uses it. */
async function isRemoved(docker: Docker, tag: string): Promise<boolean> {
  if (!(await removeToolboxVolume(docker, tag))) return false;
  try {
    await docker.getImage(tag).remove();
    return true;
  } catch (error) {
    if (!isStatus(error, 404) && !isStatus(error, 409)) throw error;
    return isStatus(error, 404);
  }
}
