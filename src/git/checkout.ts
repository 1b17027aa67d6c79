/**
 * Moves a work tree and its index from one tree to another, all or nothing: files are kept aside before git touches
 * them, and put back byte for byte when it fails halfway.
 */

import { randomBytes } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { chmod, constants, copyFile, lstat, mkdir, readlink, rm, rmdir, symlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { failure } from '../errors.ts';
import type { ObjectId } from '../types.ts';
import type { RawChange } from './diff.ts';
import { git } from './git.ts';
import { onDisk } from './local-changes.ts';
import { cannotWrite } from './private-dir.ts';
import { type Repository, userGit } from './repository.ts';

/** Copies of the files before the move, named by the number of their change, and what `lstat` said of the originals. */
export interface Kept {
  readonly folder: string;
  readonly stats: readonly (BigIntStats | null)[];
}

/** `changes` are those from tree `from` to tree `to`. */
export interface TreeMove {
  readonly from: ObjectId;
  readonly to: ObjectId;
  readonly changes: readonly RawChange[];
}

/**
 * `git read-tree -m -u`: other local changes and index entries stay. The user's line-end and LFS settings apply, but no
 * filter of theirs is chosen by attributes that the change itself brings.
 * Throws what git says, after everything was put back; ROLLBACK_FAILED names where the kept files are.
 */
export async function moveCheckout(repo: Repository, move: TreeMove): Promise<void> {
  const filters = await foreignFilters(repo, move.changes);
  const folder = join(repo.stateDir, `checkout.${randomBytes(6).toString('hex')}`);
  const kept = await keepAside(repo, move.changes, folder).catch(async (error: unknown) => {
    await rm(folder, { recursive: true, force: true });
    throw cannotWrite(repo.stateDir, error);
  });
  try {
    await readTree(repo, move, filters);
  } catch (error) {
    await putBack(repo, move.changes, kept).catch((problem: unknown) => {
      throw failure(
        'ROLLBACK_FAILED',
        `The work tree could not be put back after git failed: ${(error as Error).message}`,
        {
          hint: `The files as they were are in ${folder}, numbered from 0 as \`git diff-tree -r --no-renames --name-only ${move.from} ${move.to}\` lists them.`,
          cause: problem,
        },
      );
    });
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  await rm(folder, { recursive: true, force: true });
}

async function readTree(repo: Repository, move: TreeMove, filters: readonly string[]): Promise<void> {
  const where = userGit(repo, 'write');
  const args = [...filters, 'read-tree', '-m', '-u', move.from, move.to];
  const options = { env: NO_FILTERS, shielded: true };
  try {
    await git(where, args, options);
  } catch (error) {
    // Files that were touched but not changed: git says so before it writes anything.
    if (!(error instanceof Error) || !/not uptodate/.test(error.message)) throw error;
    await git(where, ['update-index', '-q', '--really-refresh'], { accept: [1], shielded: true });
    await git(where, args, options);
  }
}

/** Arguments that switch the user's filters off, when the change itself says which files go through which filter. */
export async function foreignFilters(repo: Repository, changes: readonly RawChange[]): Promise<string[]> {
  if (!changes.some((change) => /(?:^|\/)\.gitattributes$/i.test(change.path.toString('latin1')))) return [];
  const args = ['config', '--name-only', '-z', '--get-regexp', '^filter\\..*'];
  const answer = await git(userGit(repo, 'read'), args, { accept: [1] });
  const keys = answer.stdout.toString('utf8').split('\0').filter(Boolean);
  const drivers = new Set(keys.map((key) => key.slice(0, key.lastIndexOf('.'))));
  // --config-env, because a driver's name may hold an equals sign, which -c splits at.
  return [...drivers].flatMap((driver) => [
    ...['smudge', 'clean', 'process'].map((key) => `--config-env=${driver}.${key}=ORCHESTRATE_NOTHING`),
    `--config-env=${driver}.required=ORCHESTRATE_FALSE`,
  ]);
}

/** Copies every file that the change replaces or deletes; a hard link would change its ctime, which git watches. */
export async function keepAside(repo: Repository, changes: readonly RawChange[], kept: string): Promise<Kept> {
  const stats: (BigIntStats | null)[] = [];
  await mkdir(kept, { recursive: true, mode: 0o700 });
  for (const [n, change] of changes.entries()) {
    stats.push(null);
    if (change.status === 'A' || change.oldMode === '160000') continue;
    const file = onDisk(repo, change.path.toString('latin1'));
    const there = await lstat(file, { bigint: true }).catch(() => null);
    stats[n] = there;
    if (there?.isSymbolicLink() === true) {
      await symlink(await readlink(file, { encoding: 'buffer' }), join(kept, String(n)));
    } else if (there?.isFile() === true) {
      await copyFile(file, join(kept, String(n)), constants.COPYFILE_FICLONE);
      await utimes(join(kept, String(n)), there.atime, there.mtime);
      await chmod(join(kept, String(n)), Number(there.mode & 0o777n));
    }
  }
  return { folder: kept, stats };
}

/** The environment for what `foreignFilters` names. */
export const NO_FILTERS = { ORCHESTRATE_NOTHING: '', ORCHESTRATE_FALSE: 'false' };

/** The work tree as it was; git writes the index last, so that is still the old one. */
export async function putBack(repo: Repository, changes: readonly RawChange[], kept: Kept): Promise<void> {
  for (const change of changes) {
    if (change.status !== 'A') continue;
    const path = change.path.toString('latin1');
    const there = await lstat(onDisk(repo, path)).catch(() => null);
    // A folder here is one that was to be replaced and still is as it was.
    if (there !== null && !there.isDirectory()) await rm(onDisk(repo, path));
    await removeEmptyFolders(repo, path);
  }
  for (const [n, change] of changes.entries()) {
    const before = kept.stats[n];
    if (!before) continue;
    const path = change.path.toString('latin1');
    const now = await lstat(onDisk(repo, path), { bigint: true }).catch(() => null);
    if (now?.ino === before.ino && now.ctimeNs === before.ctimeNs) continue;
    const copy = join(kept.folder, String(n));
    const was = await lstat(copy).catch(() => null);
    if (was === null) continue;
    await mkdir(onDisk(repo, path.slice(0, Math.max(path.lastIndexOf('/'), 0))), { recursive: true });
    await rm(onDisk(repo, path), { force: true });
    if (was.isSymbolicLink()) await symlink(await readlink(copy, { encoding: 'buffer' }), onDisk(repo, path));
    else {
      await copyFile(copy, onDisk(repo, path), constants.COPYFILE_FICLONE);
      await utimes(onDisk(repo, path), was.atime, was.mtime);
      await chmod(onDisk(repo, path), was.mode & 0o777);
    }
  }
}

/** Removes the folders above a path (latin1) that nothing is left in. */
export async function removeEmptyFolders(repo: Repository, path: string): Promise<void> {
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
    const removed = await rmdir(onDisk(repo, path.slice(0, at))).then(
      () => true,
      () => false,
    );
    if (!removed) return;
  }
}
