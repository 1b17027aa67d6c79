/**
 * The images that a run needs, built through the Engine API from contexts in the package and named after their content,
 * so that a change of either context or base image makes a new one and an unchanged one is never built twice.
 */

import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type Docker from 'dockerode';
import { pack } from 'tar-fs';
import { environmentError } from '../../errors.ts';
import { type AgentImage, readAgentImage } from './agent-image.ts';
import { isStatus } from './engine-errors.ts';
import { LOCAL_BASE, labels, SHARED } from './names.ts';
import { packageRoot } from './package-root.ts';
import { ensureToolboxVolume } from './toolbox-volume.ts';

/** Used where a registry answers; a base made locally by images/base/build.sh is taken first. */
const REGISTRY_BASE = 'node:24-bookworm-slim';

type ImageName = 'orchestrate-agent' | 'orchestrate-sidecar' | 'orchestrate-toolbox';

interface ImageContext {
  readonly dockerfile: string;
  /** Folder or file in the package → path in the context. */
  readonly files: Readonly<Record<string, string>>;
}

const CONTEXTS: Record<ImageName, ImageContext> = {
  'orchestrate-agent': {
    dockerfile: 'Dockerfile.agent',
    files: { 'Dockerfile.agent': 'Dockerfile.agent', 'images/ca': 'ca' },
  },
  'orchestrate-sidecar': {
    dockerfile: 'Dockerfile',
    files: {
      'images/sidecar/Dockerfile': 'Dockerfile',
      'dist/src/session': 'programs/session',
      'dist/src/keeper': 'programs/keeper',
    },
  },
  'orchestrate-toolbox': {
    dockerfile: 'Dockerfile',
    files: {
      'images/toolbox/Dockerfile': 'Dockerfile',
      'dist/src/session': 'programs/session',
      'dist/src/toolbox': 'programs/toolbox',
    },
  },
};

export interface RunImages {
  readonly agent: AgentImage;
  readonly sidecar: string;
  /** Name of the volume to mount at /opt/orchestrate. */
  readonly toolboxVolume: string;
}

/**
 * Makes sure of everything a run needs; builds what is missing (minutes the first time, milliseconds later).
 * @param image the agent image the user asked for, null for ours
 * @param onProgress one line for people whenever something slow starts
 */
export async function ensureImages(
  docker: Docker,
  image: string | null,
  onProgress: (line: string) => void,
): Promise<RunImages> {
  const base = await baseImage(docker, onProgress);
  const agent =
    image === null ? ensureBuilt(docker, 'orchestrate-agent', base, onProgress) : ensurePulled(docker, image);
  const sidecar = await ensureBuilt(docker, 'orchestrate-sidecar', base, onProgress);
  const toolbox = await ensureBuilt(docker, 'orchestrate-toolbox', base, onProgress);
  return {
    agent: await readAgentImage(docker, await agent, image === null),
    sidecar,
    toolboxVolume: await ensureToolboxVolume(docker, toolbox),
  };
}

interface BaseImage {
  readonly reference: string;
  readonly id: string;
}

async function baseImage(docker: Docker, onProgress: (line: string) => void): Promise<BaseImage> {
  const local = await docker.listImages({ filters: { reference: [LOCAL_BASE] } });
  const newest = local.sort((a, b) => b.Created - a.Created)[0];
  const reference = newest?.RepoTags?.[0];
  if (newest !== undefined && reference !== undefined) return { reference, id: newest.Id };
  const present = await imageId(docker, REGISTRY_BASE);
  if (present !== null) return { reference: REGISTRY_BASE, id: present };
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
  name: ImageName,
  base: BaseImage,
  onProgress: (line: string) => void,
): Promise<string> {
  const context = CONTEXTS[name];
  const root = packageRoot();
  const hash = createHash('sha256').update(base.id);
  for (const [from, to] of Object.entries(context.files)) await hashTree(hash, path.join(root, from), to);
  const tag = `${name}:${hash.digest('hex').slice(0, 12)}`;
  if ((await imageId(docker, tag)) !== null) return tag;

  onProgress(`building ${tag}`);
  const folder = await mkdtemp(path.join(tmpdir(), 'orchestrate-image-'));
  try {
    for (const [from, to] of Object.entries(context.files)) {
      await mkdir(path.dirname(path.join(folder, to)), { recursive: true });
      await cp(path.join(root, from), path.join(folder, to), { recursive: true });
    }
    // Owner and time are fixed, so that the engine's own layer cache holds across checkouts.
    const tar = pack(folder, { map: (header) => ({ ...header, uid: 0, gid: 0, mtime: new Date(0) }) });
    const stream = await docker.buildImage(tar as unknown as NodeJS.ReadableStream, {
      t: tag,
      dockerfile: context.dockerfile,
      buildargs: { BASE_IMAGE: base.reference },
      labels: labels(SHARED, 'cache'),
      version: '1',
      forcerm: true,
    });
    await follow(docker, stream);
  } catch (cause) {
    throw environmentError('IMAGE_BUILD_FAILED', `the image ${tag} could not be built: ${messageOf(cause)}`, { cause });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return tag;
}

async function imageId(docker: Docker, reference: string): Promise<string | null> {
  try {
    return (await docker.getImage(reference).inspect()).Id;
  } catch (error) {
    if (isStatus(error, 404)) return null;
    throw error;
  }
}

async function pull(docker: Docker, reference: string): Promise<void> {
  const tagged = /:[^/]+$|@/.test(reference) ? reference : `${reference}:latest`;
  await follow(docker, await docker.pull(tagged));
}

function follow(docker: Docker, stream: NodeJS.ReadableStream): Promise<void> {
  return new Promise((resolve, reject) => {
    docker.modem.followProgress(stream, (error, steps: { error?: string }[]) => {
      const failed = error?.message ?? steps?.find((step) => step.error !== undefined)?.error;
      if (failed === undefined) resolve();
      else reject(new Error(failed.trim()));
    });
  });
}

async function hashTree(hash: ReturnType<typeof createHash>, from: string, name: string): Promise<void> {
  const entries = await readdir(from, { withFileTypes: true }).catch(() => null);
  if (entries === null) {
    hash.update(`${name}\0`).update(await readFile(from));
    return;
  }
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    await hashTree(hash, path.join(from, entry.name), `${name}/${entry.name}`);
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
