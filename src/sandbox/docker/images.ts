/**
 * The images that a run needs, built through the Engine API from contexts in the package and named after their content,
 * so that a change of either context or base image makes a new one and an unchanged one is never built twice.
 */

import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { type Headers, pack } from 'tar-fs';
import { environmentError } from '../../errors.ts';
import { type AgentImage, readAgentImage } from './agent-image.ts';
import { buildImage, followProgress, imageId } from './build.ts';
import { ensureDockerfileImage } from './dockerfile-image.ts';
import { LOCAL_BASE } from './names.ts';
import { packageRoot } from './package-root.ts';
import { ensureToolboxVolume } from './toolbox-volume.ts';

/** Used where a registry answers; a base made locally by images/base/build.sh is taken first. */
const REGISTRY_BASE = 'node:24-bookworm-slim';

type ImageName = 'orchestrate-agent' | 'orchestrate-sidecar' | 'orchestrate-toolbox';

interface ImageContext {
  readonly dockerfile: string;
  /** Folder or file in the package → path in the context. */
  readonly files: Readonly<Record<string, string>>;
  /**
   * Large folders by processor (`images/clis` for images/clis/amd64) → path in the context. Their file VERSIONS stands for
   * their content in the image's name; without it only an empty `bin` is there.
   */
  readonly perProcessor?: Readonly<Record<string, string>>;
}

const CONTEXTS: Record<ImageName, ImageContext> = {
  'orchestrate-agent': {
    dockerfile: 'Dockerfile.agent',
    files: { 'Dockerfile.agent': 'Dockerfile.agent', 'images/ca': 'ca' },
    perProcessor: { 'images/clis': 'clis' },
  },
  'orchestrate-sidecar': {
    dockerfile: 'Dockerfile',
    files: {
      'images/sidecar/Dockerfile': 'Dockerfile',
      'dist/src/session': 'programs/session',
      'dist/src/keeper': 'programs/keeper',
      'dist/src/gateway': 'programs/gateway',
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

/** What is built here, without tags. */
export const BUILT_IMAGES: readonly string[] = Object.keys(CONTEXTS);

export interface RunImages {
  readonly agent: AgentImage;
  readonly sidecar: string;
  readonly toolbox: string;
  /** Name of the volume to mount at /opt/orchestrate. */
  readonly toolboxVolume: string;
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
 */
export async function ensureImages(
  docker: Docker,
  wanted: WantedImage,
  onProgress: (line: string) => void,
): Promise<RunImages> {
  const base = await baseImage(docker, onProgress);
  const theirs = await ensureWanted(docker, wanted, onProgress);
  const agent = theirs ?? (await ensureBuilt(docker, 'orchestrate-agent', base, onProgress));
  const sidecar = await ensureBuilt(docker, 'orchestrate-sidecar', base, onProgress);
  const toolbox = await ensureBuilt(docker, 'orchestrate-toolbox', base, onProgress);
  return {
    agent: await readAgentImage(docker, agent, theirs === null),
    sidecar,
    toolbox,
    toolboxVolume: await ensureToolboxVolume(docker, toolbox),
  };
}

/** Null where the user wants none. */
async function ensureWanted(
  docker: Docker,
  { image, dockerfile }: WantedImage,
  onProgress: (line: string) => void,
): Promise<string | null> {
  if (dockerfile !== null) return ensureDockerfileImage(docker, dockerfile, onProgress);
  return image === null ? null : ensurePulled(docker, image);
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
  const large = await largeFolders(docker, root, context);
  for (const { to, versions } of large) hash.update(`${to}\0${versions ?? ''}`);
  const tag = `${name}:${hash.digest('hex').slice(0, 12)}`;
  if ((await imageId(docker, tag)) !== null) return tag;

  onProgress(`building ${tag}`);
  const folder = await mkdtemp(path.join(tmpdir(), 'orchestrate-image-'));
  try {
    for (const [from, to] of Object.entries(context.files)) {
      await mkdir(path.dirname(path.join(folder, to)), { recursive: true });
      await cp(path.join(root, from), path.join(folder, to), { recursive: true });
    }
    for (const { from, to, versions } of large) {
      if (versions === null) await mkdir(path.join(folder, to, 'bin'), { recursive: true });
      else await symlink(from, path.join(folder, to));
    }
    // Owner and time are fixed, so that the engine's own layer cache holds across checkouts.
    const map = (header: Headers): Headers => ({ ...header, uid: 0, gid: 0, mtime: new Date(0) });
    const tar = pack(folder, { dereference: true, map });
    const build = { tag, dockerfile: context.dockerfile, buildArgs: { BASE_IMAGE: base.reference } };
    await buildImage(docker, { ...build, context: tar as unknown as Readable }, () => {});
  } catch (cause) {
    throw environmentError('IMAGE_BUILD_FAILED', `the image ${tag} could not be built: ${messageOf(cause)}`, { cause });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return tag;
}

interface LargeFolder {
  readonly from: string;
  readonly to: string;
  /** Null where the folder is not there, or not whole. */
  readonly versions: string | null;
}

async function largeFolders(docker: Docker, root: string, context: ImageContext): Promise<readonly LargeFolder[]> {
  const folders = Object.entries(context.perProcessor ?? {});
  if (folders.length === 0) return [];
  const { Arch: processor } = (await docker.version()) as { Arch: string };
  return Promise.all(
    folders.map(async ([folder, to]) => {
      const from = path.join(root, folder, processor);
      const versions = await readFile(path.join(from, 'VERSIONS'), 'utf8').catch(() => null);
      return { from, to, versions };
    }),
  );
}

async function pull(docker: Docker, reference: string): Promise<void> {
  const tagged = /:[^/]+$|@/.test(reference) ? reference : `${reference}:latest`;
  await followProgress(docker, await docker.pull(tagged));
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
