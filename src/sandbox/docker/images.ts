/**
 * The images that a run needs: on this machine's engine built or pulled, on one elsewhere sent first as far as this
 * machine's has them.
 */

import path from 'node:path';
import type Docker from 'dockerode';
import { environmentError } from '../../errors.ts';
import { type AgentImage, readAgentImage } from './agent-image.ts';
import { followProgress, imageId } from './build.ts';
import { ensureDockerfileImage } from './dockerfile-image.ts';
import { LOCAL_BASE } from './names.ts';
import { type BaseImage, buildOurs, type OurImage, ourImage } from './our-images.ts';
import { packageRoot } from './package-root.ts';
import { isThere, isToBeHad, sendImages, type Transport, usersImage } from './send-images.ts';
import { ensureToolboxVolume } from './toolbox-volume.ts';

/** Used where a registry answers; a base made locally by images/base/build.sh is taken first. */
const REGISTRY_BASE = 'node:24-bookworm-slim';

export interface RunImages {
  readonly agent: AgentImage;
  readonly sidecar: string;
  readonly toolbox: string;
  /** Name of the volume to mount at /opt/orchestrate. */
  readonly toolboxVolume: string;
  /** What the engine calls the image that the user wanted; null for ours. */
  readonly theirs: string | null;
}

/** The agents' image as the user wants it: one of the two, or neither for ours. */
export interface WantedImage {
  readonly image: string | null;
  /** Absolute path of a Dockerfile. */
  readonly dockerfile: string | null;
}

/**
 * Makes sure of everything a run needs; builds what is missing (minutes the first time, milliseconds later).
 * @param onProgress one line for people whenever something slow starts
 * @param from the engine of this machine, for a host elsewhere, which needs neither a registry nor a base image then: what
 *   it lacks and this one has for its processor is sent once; what is neither here nor there is built there
 */
export async function ensureImages(
  docker: Docker,
  wanted: WantedImage,
  onProgress: (line: string) => void,
  from: Docker | null = null,
): Promise<RunImages> {
  const transport = from === null ? null : { from, to: docker, onProgress };
  const base = (transport === null ? null : await sentBase(transport)) ?? (await baseImage(docker, onProgress));
  const isOurs = wanted.image === null && wanted.dockerfile === null;
  const names = [
    ...(isOurs ? (['orchestrate-agent'] as const) : []),
    'orchestrate-sidecar',
    'orchestrate-toolbox',
  ] as const;
  const images = await Promise.all(names.map((name) => ourImage(docker, name, base)));
  const sent = transport === null ? null : await sendMissing(transport, { wanted, base, images });
  const theirs = sent ?? (await ensureWanted(docker, wanted, onProgress, transport));
  for (const image of images) await ensureBuilt(docker, image, onProgress, transport);
  const [toolbox = '', sidecar = '', ours = ''] = images.map(({ tag }) => tag).reverse();
  const agent = await readAgentImage(docker, theirs ?? ours, theirs === null);
  return {
    agent: { ...agent, name: wanted.image ?? agent.name },
    sidecar,
    toolbox,
    toolboxVolume: await ensureToolboxVolume(docker, toolbox),
    theirs,
  };
}

/** Null where the user wants none. */
async function ensureWanted(
  docker: Docker,
  { image, dockerfile }: WantedImage,
  onProgress: (line: string) => void,
  transport: Transport | null,
): Promise<string | null> {
  if (dockerfile !== null) return ensureDockerfileImage(docker, dockerfile, onProgress, transport);
  return image === null ? null : ensurePulled(docker, image);
}

/** What this machine's images stand on, where the host can have it too. */
async function sentBase(transport: Transport): Promise<BaseImage | null> {
  const { from, to } = transport;
  const base = await presentBase(from).catch(() => null);
  if (base === null || !(await isToBeHad(transport, base.reference))) return null;
  // A public tag of the host's is left where it points to.
  return base.reference === REGISTRY_BASE && (await imageId(to, REGISTRY_BASE)) !== null ? null : base;
}

interface Missing {
  readonly wanted: WantedImage;
  readonly base: BaseImage;
  readonly images: readonly OurImage[];
}

/**
 * Sends what the host lacks. Where it has the base, ours are built on it: their contexts are less than the images.
 * Returns what the user's image is called there; null where it is not to be had here.
 */
async function sendMissing(transport: Transport, { wanted, base, images }: Missing): Promise<string | null> {
  const { to } = transport;
  const missing: string[] = [];
  const there = await Promise.all(images.map(({ tag }) => imageId(to, tag)));
  const lacking = images.filter((_, at) => there[at] === null);
  const isWanted = lacking.length > 0 || wanted.dockerfile !== null;
  if (isWanted && (await isToBeHad(transport, base.reference)) && !(await isThere(transport, base.reference))) {
    missing.push(base.reference);
    for (const { tag } of lacking) if (await isToBeHad(transport, tag)) missing.push(tag);
  }
  const { image } = wanted;
  const isUsers = image !== null && (await isToBeHad(transport, image));
  const users = isUsers ? await usersImage(transport, image) : null;
  const isUsersMissing = users !== null && !users.isThere;
  if (missing.length > 0 || isUsersMissing) await sendImages(transport, missing, isUsersMissing ? users : null);
  return users?.name ?? null;
}

/** A local one, or what an earlier run has pulled. */
async function presentBase(docker: Docker): Promise<BaseImage | null> {
  const local = await docker.listImages({ filters: { reference: [LOCAL_BASE] } });
  const newest = local.sort((a, b) => b.Created - a.Created)[0];
  const tags = newest?.RepoTags ?? [];
  // `latest` moves, on hosts where it is sent to as well.
  const reference = tags.find((tag) => !tag.endsWith(':latest')) ?? tags[0];
  if (newest !== undefined && reference !== undefined) return { reference, id: newest.Id };
  const present = await imageId(docker, REGISTRY_BASE);
  return present === null ? null : { reference: REGISTRY_BASE, id: present };
}

async function baseImage(docker: Docker, onProgress: (line: string) => void): Promise<BaseImage> {
  const present = await presentBase(docker);
  if (present !== null) return present;
  onProgress(`pulling ${REGISTRY_BASE}`);
  try {
    await pull(docker, REGISTRY_BASE);
  } catch (cause) {
    throw environmentError(
      'NO_BASE_IMAGE',
      `the base image ${REGISTRY_BASE} could not be pulled and there is no local one`,
      {
        hint: `make a local one from Debian packages: ${path.join(packageRoot(), 'images/base/build.sh')}`,
        cause,
      },
    );
  }
  return { reference: REGISTRY_BASE, id: (await imageId(docker, REGISTRY_BASE)) ?? REGISTRY_BASE };
}

async function ensurePulled(docker: Docker, image: string): Promise<string> {
  if ((await imageId(docker, image)) !== null) return image;
  try {
    await pull(docker, image);
  } catch (cause) {
    throw environmentError(
      'UNKNOWN_IMAGE',
      `the image ${image} is neither on the Docker engine nor could it be pulled`,
      {
        hint: `check the name, or try: docker pull ${image}`,
        cause,
      },
    );
  }
  return image;
}

async function ensureBuilt(
  docker: Docker,
  image: OurImage,
  onProgress: (line: string) => void,
  transport: Transport | null,
): Promise<void> {
  const { tag } = image;
  if ((await imageId(docker, tag)) !== null) return;
  onProgress(`building ${tag}`);
  try {
    await buildOurs(docker, image);
  } catch (error) {
    // A base that lacks something, on a host that cannot get it.
    if (transport === null || !(await isToBeHad(transport, tag))) throw error;
    await sendImages(transport, [tag]);
  }
}

async function pull(docker: Docker, reference: string): Promise<void> {
  const tagged = /:[^/]+$|@/.test(reference) ? reference : `${reference}:latest`;
  await followProgress(docker, await docker.pull(tagged));
}
