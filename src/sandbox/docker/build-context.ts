/** A folder of the user as the context of an image build: what of it counts, its content as a hash, and as an archive. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import dockerignore from '@balena/dockerignore';
import { pack } from 'tar-fs';
import { usageError } from '../../errors.ts';

/** A context beyond one of these is a mistake: it is read before every run, to see whether it has changed. */
const MAX_BYTES = 1024 ** 3;
const MAX_ENTRIES = 200_000;
const NAMED_AT_MOST = 3;

interface Entry {
  /** Relative to the folder. */
  readonly name: string;
  readonly type: 'file' | 'folder' | 'link';
  readonly mode: number;
  readonly bytes: number;
}

export interface BuildContext {
  readonly folder: string;
  /** Name of the Dockerfile in it. */
  readonly dockerfile: string;
  /** Sorted by name. */
  readonly entries: readonly Entry[];
}

/**
 * What belongs to the context that a Dockerfile's own folder is: what `<Dockerfile>.dockerignore`, or else
 * `.dockerignore`, leaves of it, without git's own data, which changes with every commit.
 * Usage error CONTEXT_TOO_LARGE: more than a GiB or 200,000 entries.
 */
export async function readContext(dockerfile: string): Promise<BuildContext> {
  const folder = path.dirname(dockerfile);
  const rules = await ignoreRules(dockerfile);
  const always = [path.basename(dockerfile), '.dockerignore'];
  const found = new Map<string, Entry>();
  const total = new Total(folder);
  const walk = async (inside: string): Promise<void> => {
    for (const child of await readdir(path.join(folder, inside))) {
      if (child === '.git') continue;
      const name = path.join(inside, child);
      const isIgnored = rules.ignores(name) && !always.includes(name);
      if (isIgnored && !rules.hasExceptions) continue;
      const entry = await entryOf(folder, name);
      if (entry?.type === 'folder') await walk(name);
      if (entry === null || isIgnored) continue;
      total.add(entry);
      for (const parent of parentsOf(name)) found.set(parent, found.get(parent) ?? (await folderAt(folder, parent)));
      found.set(name, entry);
    }
  };
  await walk('');
  return {
    folder,
    dockerfile: path.basename(dockerfile),
    entries: [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

/** SHA-256 of all that a build depends on: which Dockerfile, and names, types, modes and contents; hexadecimal. */
export async function hashContext({ folder, dockerfile, entries }: BuildContext): Promise<string> {
  const hash = createHash('sha256').update(`${dockerfile}\0`);
  for (const { name, type, mode, bytes } of entries) {
    hash.update(`${type}\0${name}\0${mode}\0${bytes}\0`);
    const file = path.join(folder, name);
    if (type === 'link') hash.update(await readlink(file));
    if (type === 'file') for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  }
  return hash.digest('hex');
}

export function packContext({ folder, entries }: BuildContext): Readable {
  const wanted = new Set(entries.map(({ name }) => path.join(folder, name)));
  const tar = pack(folder, {
    ignore: (name) => name !== folder && !wanted.has(name),
    // Owner and time are fixed, so that the engine's own layer cache holds across checkouts.
    map: (header) => ({ ...header, uid: 0, gid: 0, mtime: new Date(0) }),
  });
  // It is no stream of Node's.
  return Readable.from(tar, { objectMode: false });
}

interface Rules {
  ignores(name: string): boolean;
  /** Something inside a folder that is left out may be taken in. */
  readonly hasExceptions: boolean;
}

async function ignoreRules(dockerfile: string): Promise<Rules> {
  const places = [`${dockerfile}.dockerignore`, path.join(path.dirname(dockerfile), '.dockerignore')];
  for (const place of places) {
    const text = await readFile(place, 'utf8').catch(() => null);
    if (text === null) continue;
    const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
    const rules = dockerignore.default({ ignorecase: false }).add(lines.map(literal));
    return { ignores: (name) => rules.ignores(name), hasExceptions: lines.some((line) => line.trim().startsWith('!')) };
  }
  return { ignores: () => false, hasExceptions: false };
}

/** Escapes what the rules' language takes as it is, and the library for a regular expression. */
function literal(line: string): string {
  return line.replace(/[+(){}|]|(?<!\[)\^/g, '\\$&');
}

/** Null for what an image cannot have: sockets, pipes, devices. */
async function entryOf(folder: string, name: string): Promise<Entry | null> {
  const stat = await lstat(path.join(folder, name));
  const mode = stat.mode & 0o7777;
  if (stat.isFile()) return { name, type: 'file', mode, bytes: stat.size };
  if (stat.isDirectory()) return { name, type: 'folder', mode, bytes: 0 };
  return stat.isSymbolicLink() ? { name, type: 'link', mode, bytes: 0 } : null;
}

async function folderAt(folder: string, name: string): Promise<Entry> {
  const { mode } = await lstat(path.join(folder, name));
  return { name, type: 'folder', mode: mode & 0o7777, bytes: 0 };
}

function parentsOf(name: string): string[] {
  const parts = name.split('/').slice(0, -1);
  return parts.map((_, at) => parts.slice(0, at + 1).join('/'));
}

/** What was found so far; refuses more than a context may be, naming what is largest. */
class Total {
  readonly #folder: string;
  readonly #bytesAt = new Map<string, number>();
  #bytes = 0;
  #entries = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  add({ name, bytes }: Entry): void {
    const [top = name] = name.split('/');
    this.#bytesAt.set(top, (this.#bytesAt.get(top) ?? 0) + bytes);
    this.#bytes += bytes;
    this.#entries += 1;
    if (this.#bytes <= MAX_BYTES && this.#entries <= MAX_ENTRIES) return;
    const largest = [...this.#bytesAt].sort((a, b) => b[1] - a[1]).slice(0, NAMED_AT_MOST);
    const named = largest.map(([at, size]) => `${at} (${Math.round(size / 1024 ** 2)} MiB)`).join(', ');
    throw usageError(
      'CONTEXT_TOO_LARGE',
      `${this.#folder} is too large to build an image from: more than 1 GiB or ${MAX_ENTRIES} files. So far the most is in ${named}`,
      {
        hint: 'leave out with a .dockerignore what the image does not need, or move the Dockerfile to a folder of its own',
      },
    );
  }
}
