/** Finds the roles: built in < the user's `~/.claude/agents` < the repository's `.claude/agents` as a commit has it. */

import type { Dirent } from 'node:fs';
import { open, readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { printablePath } from '../git/bytes.ts';
import type { Repository } from '../git/repository.ts';
import { smallFilesBelow } from '../git/small-files.ts';
import { layered, type RoleLayer, type Roles } from './catalogue.ts';
import { LARGEST_ROLE, parseRole } from './parse.ts';
import type { RoleSource } from './role.ts';

export const BUILT_IN_ROLES = fileURLToPath(new URL('./built-in', import.meta.url));

const FOLDER = '.claude/agents';
const SUFFIX = '.md';
/** Of one source. */
const MOST_FILES = 200;
/** Folders below the folder. */
const DEEPEST = 8;

export interface RoleSources {
  /** The user's home; null: nobody's. */
  readonly home: string | null;
  readonly repository: Repository | null;
  /** The commit whose roles count. */
  readonly revision: string;
}

/** Never rejects for what is in the files: a broken one is in the warnings, and the role it would have been stays what it was. */
export async function loadRoles({ home, repository, revision }: RoleSources): Promise<Roles> {
  const [builtIn, user, ofRepository] = await Promise.all([
    folderLayer('built-in', BUILT_IN_ROLES),
    home === null ? null : folderLayer('user', path.join(home, ...FOLDER.split('/'))),
    repository === null ? null : repositoryLayer(repository, revision),
  ]);
  return layered([builtIn, user, ofRepository].filter((layer) => layer !== null));
}

async function repositoryLayer(repository: Repository, revision: string): Promise<RoleLayer> {
  const wanted = { folder: FOLDER, suffix: SUFFIX, largest: LARGEST_ROLE, most: MOST_FILES, deepest: DEEPEST };
  const { files, hasMore } = await smallFilesBelow(repository, revision, wanted);
  const parsed = files.map(({ path: name, content }) => {
    const file = printablePath(name);
    if (content === null) return unreadable(file, `is larger than ${LARGEST_ROLE / 1024} KiB, or not in this clone`);
    return parseRole({ source: 'repository', file, content });
  });
  return { source: 'repository', parsed, problems: hasMore ? [tooMany(FOLDER)] : [] };
}

/** A folder of this machine. Links are followed: people keep their files elsewhere. A folder that is not there holds nothing. */
async function folderLayer(source: RoleSource, folder: string): Promise<RoleLayer> {
  const walk: Walk = { files: [], seen: new Set(), isCut: false };
  await findFiles(folder, 0, walk);
  const parsed = await Promise.all(
    walk.files.map(async (file) => {
      try {
        return parseRole({ source, file, content: await readSmall(file) });
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
        return unreadable(file, `cannot be read (${code})`);
      }
    }),
  );
  return { source, parsed, problems: walk.isCut ? [tooMany(folder)] : [] };
}

interface Walk {
  readonly files: string[];
  /** Real paths of folders: a link may lead back to one. */
  readonly seen: Set<string>;
  isCut: boolean;
}

async function findFiles(folder: string, depth: number, walk: Walk): Promise<void> {
  const real = await realpath(folder).catch(() => null);
  if (real === null || walk.seen.has(real)) return;
  walk.seen.add(real);
  const entries = await readdir(folder, { withFileTypes: true }).catch((): Dirent[] => []);
  for (const { name } of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const file = path.join(folder, name);
    const found = await stat(file).catch(() => null);
    if (found?.isDirectory() === true) {
      if (depth < DEEPEST) await findFiles(file, depth + 1, walk);
      else walk.isCut = true;
    }
    if (found?.isFile() !== true || !name.endsWith(SUFFIX)) continue;
    if (walk.files.length >= MOST_FILES) walk.isCut = true;
    else walk.files.push(file);
  }
}

/** One byte more than may be, so that it is seen to be too large. */
async function readSmall(file: string): Promise<Uint8Array> {
  await using handle = await open(file, 'r');
  const buffer = Buffer.alloc(LARGEST_ROLE + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length);
    length += bytesRead;
    if (bytesRead === 0 || length === buffer.length) return buffer.subarray(0, length);
  }
}

function unreadable(file: string, reason: string) {
  const name = path.basename(file, SUFFIX);
  return { role: null, name, reason: `${file}: ${reason}` } as const;
}

function tooMany(folder: string): string {
  return `${folder}: only the first ${MOST_FILES} files, and folders at most ${DEEPEST} deep, are read`;
}
