/** Puts files back that an interrupted move had touched, and no file that somebody wrote since. */

import { chmod, constants, copyFile, lstat, mkdir, readFile, readlink, rm, symlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { removeEmptyFolders } from './checkout.ts';
import type { RawChange } from './diff.ts';
import { git } from './git.ts';
import { onDisk } from './local-changes.ts';
import { type Repository, userGit } from './repository.ts';

/**
 * `kept` has the files as they were, named by the number of their change. Touched by the move are files that are as the
 * change makes them, a beginning of that, or gone; all others stay. Returns the paths of those that stay and are neither.
 */
export async function restoreKept(repo: Repository, changes: readonly RawChange[], kept: string): Promise<Buffer[]> {
  const left: Buffer[] = [];
  for (const [n, change] of changes.entries()) {
    if (change.oldMode === '160000' || change.newMode === '160000') continue;
    const copy = join(kept, String(n));
    const state = await stateOf(repo, change, copy);
    if (state === 'foreign') left.push(change.path);
    if (state !== 'touched') continue;
    const path = change.path.toString('latin1');
    await rm(onDisk(repo, path), { force: true });
    if (change.status === 'A') await removeEmptyFolders(repo, path);
  }
  // All that was in the way is gone now.
  for (const [n, change] of changes.entries()) {
    if (change.status === 'A' || change.oldMode === '160000' || change.newMode === '160000') continue;
    const path = change.path.toString('latin1');
    if ((await lstat(onDisk(repo, path)).catch(() => null)) === null) await restore(repo, path, join(kept, String(n)));
  }
  return left;
}

async function restore(repo: Repository, path: string, copy: string): Promise<void> {
  const was = await lstat(copy).catch(() => null);
  if (was === null) return;
  await mkdir(onDisk(repo, path.slice(0, Math.max(path.lastIndexOf('/'), 0))), { recursive: true });
  if (was.isSymbolicLink()) {
    await symlink(await readlink(copy, { encoding: 'buffer' }), onDisk(repo, path));
    return;
  }
  await copyFile(copy, onDisk(repo, path), constants.COPYFILE_FICLONE);
  await utimes(onDisk(repo, path), was.atime, was.mtime);
  await chmod(onDisk(repo, path), was.mode & 0o777);
}

async function stateOf(repo: Repository, change: RawChange, copy: string): Promise<'before' | 'touched' | 'foreign'> {
  const file = onDisk(repo, change.path.toString('latin1'));
  const there = await lstat(file).catch(() => null);
  if (there === null || there.isDirectory()) return 'before';
  const now = there.isSymbolicLink() ? await readlink(file, { encoding: 'buffer' }) : await readFile(file);
  const was = await lstat(copy).catch(() => null);
  if (was !== null && was.isSymbolicLink() === there.isSymbolicLink()) {
    const before = was.isSymbolicLink() ? await readlink(copy, { encoding: 'buffer' }) : await readFile(copy);
    if (before.equals(now) && (was.mode & 0o111) === (there.mode & 0o111)) return 'before';
  }
  if (change.status === 'D') return 'foreign';
  if (there.isSymbolicLink() !== (change.newMode === '120000')) return 'foreign';
  const after = await contentOf(repo, change);
  return after.subarray(0, now.length).equals(now) ? 'touched' : 'foreign';
}

/** What git writes into the work tree for the new side of a change. */
async function contentOf(repo: Repository, change: RawChange): Promise<Buffer> {
  const where = userGit(repo, 'read');
  // Line by line, so that a path with a newline cannot be asked for: such a file is compared as git stores it.
  if (change.newMode === '120000' || change.path.includes(0x0a)) {
    return (await git(where, ['cat-file', 'blob', change.newId])).stdout;
  }
  const input = Buffer.concat([Buffer.from(`${change.newId} `), change.path, Buffer.from('\n')]);
  const answer = await git(where, ['cat-file', '--batch', '--filters'], { input });
  return answer.stdout.subarray(answer.stdout.indexOf(0x0a) + 1, -1);
}
