/** Which changes can be in each other's way at all, by the paths that they touch. Pure; errs to "can". */

import type { PathChange } from '../git/many-changes.ts';

/** What one change touches. */
export interface Touched {
  readonly paths: ReadonlySet<string>;
  /** Folders above these. */
  readonly folders: ReadonlySet<string>;
  /** Folders above what is new. */
  readonly grows: ReadonlySet<string>;
  /** Folders above what is gone: git may take these for renamed. Empty where nothing is new that they could have become. */
  readonly moves: ReadonlySet<string>;
}

export function touchedBy(changes: readonly PathChange[]): Touched {
  const paths = changes.map(({ path }) => path);
  const added = changes.filter(({ status }) => status === 'A').map(({ path }) => path);
  const deleted = changes.filter(({ status }) => status === 'D').map(({ path }) => path);
  return {
    paths: new Set(paths),
    folders: foldersOf(paths),
    grows: foldersOf(added),
    moves: foldersOf(added.length === 0 ? [] : deleted),
  };
}

/** Whether git may take a file that is new for one that is gone. */
export function mayRename(changes: readonly PathChange[]): boolean {
  return changes.some(({ status }) => status === 'A') && changes.some(({ status }) => status === 'D');
}

/**
 * Whether a merge of the two, from the same base, can conflict: they share a path, one has a file where the other has a
 * folder, or one adds to a folder that the other may have renamed (git moves the file along).
 */
export function canConflict(a: Touched, b: Touched): boolean {
  return (
    meet(a.paths, b.paths) ||
    meet(a.paths, b.folders) ||
    meet(a.folders, b.paths) ||
    meet(a.moves, b.grows) ||
    meet(a.grows, b.moves)
  );
}

function meet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  const [few, many] = a.size < b.size ? [a, b] : [b, a];
  for (const each of few) if (many.has(each)) return true;
  return false;
}

function foldersOf(paths: readonly string[]): Set<string> {
  const folders = new Set<string>();
  for (const path of paths) {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      const folder = path.slice(0, at);
      if (folders.has(folder)) break;
      folders.add(folder);
    }
  }
  return folders;
}
