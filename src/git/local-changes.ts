/** What a person has changed in a work tree and not committed, and whether a change of the tree would run over it. */

import { lstat, readdir, readlink } from 'node:fs/promises';
import { failure } from '../errors.ts';
import { nameSome, objectId, printablePath, quotePath, splitNul } from './bytes.ts';
import type { RawChange } from './diff.ts';
import { git } from './git.ts';
import { type Repository, userGit } from './repository.ts';

/** Paths as latin1 strings of their bytes, so that any path is a key. */
export interface LocalState {
  /** Tracked paths whose index entry or file differs from HEAD. */
  readonly changed: ReadonlySet<string>;
  /** Entries that git was told not to look at (assume-unchanged, skip-worktree), by their letter in `ls-files -v`. */
  readonly hidden: ReadonlyMap<string, string>;
}

const UNMERGED = new Set(['DD', 'AU', 'UD', 'UA', 'DU', 'AA', 'UU']);

/** Reads the local state. Failure UNMERGED when the index holds an unfinished merge. */
export async function readLocalState(repo: Repository): Promise<LocalState> {
  const where = userGit(repo, 'read');
  const status = [
    'status',
    '--porcelain=v1',
    '-z',
    '--no-renames',
    '--untracked-files=no',
    '--ignore-submodules=dirty',
  ];
  const [tracked, listed] = await Promise.all([git(where, status), git(where, ['ls-files', '-v', '-z'])]);
  const changed = new Set<string>();
  const unmerged: string[] = [];
  for (const entry of splitNul(tracked.stdout)) {
    changed.add(entry.toString('latin1', 3));
    if (UNMERGED.has(entry.toString('latin1', 0, 2))) unmerged.push(printablePath(entry.subarray(3)));
  }
  if (unmerged.length > 0) {
    throw failure('UNMERGED', `The index holds conflicts that are not resolved: ${nameSome(unmerged)}.`, {
      hint: 'Finish or abort that merge first.',
    });
  }
  const hidden = new Map<string, string>();
  for (const entry of splitNul(listed.stdout)) {
    const letter = String.fromCharCode(entry[0] ?? 0);
    if (letter !== 'H') hidden.set(entry.toString('latin1', 2), letter);
  }
  return { changed, hidden };
}

/**
 * Refuses a change from HEAD's tree where local work is in its way: failure LOCAL_CHANGES, naming the files.
 * In the way are: a path whose index entry or file differs from HEAD, an untracked or ignored file at the place of a
 * new one, a file where a new folder must be, and files in a folder that becomes a file.
 */
export async function refuseLocalChanges(
  repo: Repository,
  changes: readonly RawChange[],
  local: LocalState,
): Promise<void> {
  const blocked = new Set(trackedInTheWay(changes, local));
  const byPath = new Map(changes.map((change) => [keyOf(change), change]));
  const parents = new Map<string, Promise<string | null>>();
  for (const change of changes) {
    if (blocked.has(keyOf(change))) continue;
    const found = isNew(change)
      ? await untrackedInTheWay(repo, change, { byPath, parents })
      : await hiddenInTheWay(repo, change, local);
    if (found !== null) blocked.add(found);
  }
  if (blocked.size === 0) return;
  const names = [...blocked].sort().map((path) => printablePath(Buffer.from(path, 'latin1')));
  throw failure('LOCAL_CHANGES', `The patch changes files that have local changes: ${nameSome(names, 10)}.`, {
    hint: 'Commit them, put them away (git stash --include-untracked) or move them, then apply again.',
  });
}

function keyOf(change: RawChange): string {
  return change.path.toString('latin1');
}

function isNew(change: RawChange): boolean {
  return change.status === 'A' || (change.oldMode === '160000' && change.newMode !== '160000' && change.status !== 'D');
}

function foldersOf(path: string): string[] {
  const folders: string[] = [];
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) folders.push(path.slice(0, at));
  return folders;
}

/** Tracked local changes at a changed path, above one, or below one. */
function trackedInTheWay(changes: readonly RawChange[], local: LocalState): string[] {
  const paths = new Set(changes.map(keyOf));
  const above = new Set(changes.flatMap((change) => foldersOf(keyOf(change))));
  return [...local.changed].filter(
    (path) => paths.has(path) || above.has(path) || foldersOf(path).some((folder) => paths.has(folder)),
  );
}

interface Changing {
  readonly byPath: ReadonlyMap<string, RawChange>;
  /** Remembers what was found where a folder must be: a path in the way, or null. */
  readonly parents: Map<string, Promise<string | null>>;
}

async function untrackedInTheWay(repo: Repository, change: RawChange, changing: Changing): Promise<string | null> {
  const path = keyOf(change);
  for (const folder of foldersOf(path)) {
    let found = changing.parents.get(folder);
    if (found === undefined) {
      found = fileAt(repo, folder, changing);
      changing.parents.set(folder, found);
    }
    const inTheWay = await found;
    if (inTheWay !== null) return inTheWay;
  }
  const there = await statOf(repo, path);
  if (there === null) return null;
  return there.isDirectory() ? fileThatStays(repo, path, changing) : path;
}

/** A file where a folder must be, unless the change deletes it. */
async function fileAt(repo: Repository, folder: string, changing: Changing): Promise<string | null> {
  const there = await statOf(repo, folder);
  if (there === null || there.isDirectory() || changing.byPath.get(folder)?.status === 'D') return null;
  return folder;
}

/** The first file below a folder that the change does not delete. */
async function fileThatStays(repo: Repository, folder: string, changing: Changing): Promise<string | null> {
  const entries = await readdir(onDisk(repo, folder), { withFileTypes: true, encoding: 'buffer' });
  for (const entry of entries) {
    const path = `${folder}/${entry.name.toString('latin1')}`;
    if (entry.isDirectory()) {
      const found = await fileThatStays(repo, path, changing);
      if (found !== null) return found;
    } else if (changing.byPath.get(path)?.status !== 'D') return path;
  }
  return null;
}

/** For entries that `git status` is told not to look at: the path when its file is not what HEAD has. */
async function hiddenInTheWay(repo: Repository, change: RawChange, local: LocalState): Promise<string | null> {
  const path = keyOf(change);
  const letter = local.hidden.get(path);
  if (letter === undefined || change.oldMode === '160000') return null;
  const there = await statOf(repo, path);
  if (there === null) return letter.toUpperCase() === 'S' ? null : path;
  const isLink = change.oldMode === '120000';
  if (there.isSymbolicLink() !== isLink || !(isLink || there.isFile())) return path;
  const id = isLink
    ? objectId(repo.objectFormat, 'blob', await readlink(onDisk(repo, path), { encoding: 'buffer' }))
    : await cleanId(repo, path);
  return id === change.oldId ? null : path;
}

/** Id that the file would have in the index. */
async function cleanId(repo: Repository, path: string): Promise<string> {
  const input = `${quotePath(Buffer.from(path, 'latin1'))}\n`;
  const answer = await git(userGit(repo, 'read'), ['hash-object', '--stdin-paths'], { input });
  return answer.stdout.toString('latin1').trim();
}

async function statOf(repo: Repository, path: string) {
  return lstat(onDisk(repo, path)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw error;
  });
}

/** The path in the file system, byte for byte. */
export function onDisk(repo: Repository, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${repo.root}/`), Buffer.from(path, 'latin1')]);
}
