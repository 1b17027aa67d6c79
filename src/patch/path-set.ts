/** Whether the files of a patch can stand beside each other, before it and after it. Order does not matter to git. */

import type { PatchedFile } from './parsed.ts';
import { badPatch } from './patch-text.ts';

/** Path, one character per byte, to the line of its file. */
type Paths = Map<string, number>;

/**
 * Every path is changed once, but for a change of type: a deletion and right after it an addition of another type.
 * No path lies below another one that is a file or link on the same side.
 * @throws OrchestrateError BAD_PATCH
 */
export function checkPaths(files: readonly PatchedFile[]): void {
  const before: Paths = new Map();
  const after: Paths = new Map();
  const sources: Paths = new Map();
  let previous: PatchedFile | null = null;
  for (const file of files) {
    const oldPath = file.oldPath?.toString('latin1');
    const newPath = file.newPath?.toString('latin1');
    if (oldPath !== undefined && file.kind !== 'copy') {
      if (before.has(oldPath) || after.has(oldPath)) throw twice(file);
      before.set(oldPath, file.line);
    }
    if (oldPath !== undefined && file.kind === 'copy' && !sources.has(oldPath)) sources.set(oldPath, file.line);
    if (newPath !== undefined) {
      const kept = newPath === oldPath || changesType(previous, file);
      if (after.has(newPath) || (before.has(newPath) && !kept)) throw twice(file);
      after.set(newPath, file.line);
    }
    previous = file;
  }
  for (const [path, line] of sources) {
    if (after.has(path) && !before.has(path)) throw badPatch(line, 'the source of a copy is a new file');
    before.set(path, line);
  }
  checkFolders(before);
  checkFolders(after);
}

function twice(file: PatchedFile) {
  return badPatch(file.line, 'a path is changed twice');
}

function changesType(previous: PatchedFile | null, file: PatchedFile): boolean {
  if (previous?.kind !== 'delete' || file.kind !== 'add' || !previous.oldPath.equals(file.newPath)) return false;
  return previous.oldMode.slice(0, 3) !== file.newMode.slice(0, 3);
}

/** With the separator as the least character, what lies below a path sorts right behind it. */
function checkFolders(paths: Paths): void {
  const sorted = [...paths.keys()].map((path) => path.replaceAll('/', '\0')).sort();
  for (const [n, path] of sorted.entries()) {
    const next = sorted[n + 1];
    if (next?.startsWith(`${path}\0`) === true) {
      throw badPatch(paths.get(next.replaceAll('\0', '/')) ?? 1, 'a path lies below a file or symbolic link');
    }
  }
}
