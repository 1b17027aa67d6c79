/**
 * Our own images: their contexts in the package, their names after their content, and how they are built through the Engine
 * API. A change of either context or base image makes a new one, and an unchanged one is never built twice.
 */

import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { type Headers, pack } from 'tar-fs';
import { environmentError } from '../../errors.ts';
import { buildImage } from './build.ts';
import { packageRoot } from './package-root.ts';

export type ImageName = 'orchestrate-agent' | 'orchestrate-sidecar' | 'orchestrate-toolbox';

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

/** What ours stand on. */
export interface BaseImage {
  readonly reference: string;
  readonly id: string;
}

export interface OurImage {
  /** Name and tag. */
  readonly tag: string;
  readonly base: BaseImage;
  readonly context: ImageContext;
  readonly large: readonly LargeFolder[];
}

/** Where the processor matters, `docker` says which. */
export async function ourImage(docker: Docker, name: ImageName, base: BaseImage): Promise<OurImage> {
  const context = CONTEXTS[name];
  const root = packageRoot();
  const hash = createHash('sha256').update(base.id);
  for (const [from, to] of Object.entries(context.files)) await hashTree(hash, path.join(root, from), to);
  const large = await largeFolders(docker, root, context);
  for (const { to, versions } of large) hash.update(`${to}\0${versions ?? ''}`);
  return { tag: `${name}:${hash.digest('hex').slice(0, 12)}`, base, context, large };
}

/** Environment error IMAGE_BUILD_FAILED. */
export async function buildOurs(docker: Docker, { tag, base, context, large }: OurImage): Promise<void> {
  const root = packageRoot();
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
