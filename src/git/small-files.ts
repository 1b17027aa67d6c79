/** Small files below a folder of a revision, read from the object store and never from the work tree. */

import type { ObjectId } from '../types.ts';
import { splitNul } from './bytes.ts';
import { git } from './git.ts';
import { type Repository, userGit } from './repository.ts';

export interface SmallFile {
  readonly path: Buffer;
  /** Null: it is larger than was asked for, or this clone does not have it. */
  readonly content: Buffer | null;
}

export interface SmallFilesWanted {
  /** From the top, without a slash at its end. */
  readonly folder: string;
  /** What their names end with. */
  readonly suffix: string;
  /** Bytes of one file. */
  readonly largest: number;
  readonly most: number;
  /** Folders below the folder. */
  readonly deepest: number;
}

/**
 * In git's order. Symbolic links and submodules are no files. Empty where there is no such revision or folder;
 * `hasMore`: there are more than `most`, or deeper ones.
 */
export async function smallFilesBelow(
  repo: Repository,
  revision: string,
  { folder, suffix, largest, most, deepest }: SmallFilesWanted,
): Promise<{ readonly files: readonly SmallFile[]; readonly hasMore: boolean }> {
  const where = userGit(repo, 'read');
  const top = await git(where, ['rev-parse', '--verify', '--quiet', '--end-of-options', `${revision}^{tree}`], {
    accept: [1, 128],
  });
  const tree = top.stdout.toString('latin1').trim();
  if (top.exitCode !== 0 || !/^[0-9a-f]{40,64}$/.test(tree)) return { files: [], hasMore: false };
  const listed = await git(where, ['ls-tree', '-r', '-z', '--full-tree', tree, '--', `:(literal)${folder}/`]);
  const found = splitNul(listed.stdout).flatMap((entry) => {
    const tab = entry.indexOf(0x09);
    const [mode = '', , id = ''] = entry.toString('latin1', 0, tab).split(' ');
    const path = entry.subarray(tab + 1);
    const isFile = mode.startsWith('100') && path.toString('latin1').endsWith(suffix);
    return isFile ? [{ path, id: id as ObjectId }] : [];
  });
  const near = found.filter(({ path }) => depthOf(path) - depthOf(Buffer.from(`${folder}/`)) <= deepest);
  const wanted = near.slice(0, most);
  const sizes = await sizesOf(
    repo,
    wanted.map(({ id }) => id),
  );
  const files = [];
  for (const [at, { path, id }] of wanted.entries()) {
    const size = sizes[at] ?? null;
    const isWanted = size !== null && size <= largest;
    const content = isWanted ? (await git(where, ['cat-file', 'blob', id])).stdout : null;
    files.push({ path, content });
  }
  return { files, hasMore: wanted.length < found.length };
}

/** Null for what this clone does not have. */
async function sizesOf(repo: Repository, ids: readonly ObjectId[]): Promise<readonly (number | null)[]> {
  if (ids.length === 0) return [];
  const input = ids.map((id) => `${id}\n`).join('');
  const { stdout } = await git(userGit(repo, 'read'), ['cat-file', '--batch-check=%(objecttype) %(objectsize)'], {
    input,
  });
  return stdout
    .toString('latin1')
    .trimEnd()
    .split('\n')
    .map((line) => (/^blob \d+$/.test(line) ? Number(line.slice(5)) : null));
}

function depthOf(path: Buffer): number {
  return path.filter((byte) => byte === 0x2f).length;
}
