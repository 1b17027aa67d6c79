/** Files of a tree by pattern or by name, without reading their content. */

import type { ObjectId } from '../types.ts';
import { emptyTree, splitNul } from './bytes.ts';
import { rawChanges } from './diff.ts';
import { git } from './git.ts';
import { privateGit } from './private-dir.ts';
import type { Repository } from './repository.ts';

export interface TreeFile {
  readonly path: Buffer;
  /** Of its content. */
  readonly id: ObjectId;
  /** As git writes it: `100644`. */
  readonly mode: string;
}

/** The files that match any of the globs (`*` within a folder, a double asterisk across folders), as git sorts them. */
export async function filesLike(repo: Repository, tree: ObjectId, globs: readonly string[]): Promise<TreeFile[]> {
  if (globs.length === 0) return [];
  const only = globs.map((glob) => `:(glob)${glob}`);
  const found = await rawChanges(await privateGit(repo), emptyTree(repo.objectFormat), tree, { only });
  return found.map(({ path, newId: id, newMode: mode }) => ({ path, id, mode }));
}

/** Those of the names that are files of the tree; folders and what is not there are passed over. */
export async function filesNamed(repo: Repository, tree: ObjectId, names: readonly string[]): Promise<TreeFile[]> {
  if (names.length === 0) return [];
  const { stdout } = await git(await privateGit(repo), ['ls-tree', '-z', '--full-tree', tree, '--', ...names]);
  return splitNul(stdout).flatMap((entry) => {
    const tab = entry.indexOf(0x09);
    const [mode = '', type = '', id = ''] = entry.toString('latin1', 0, tab).split(' ');
    return type === 'blob' ? [{ path: entry.subarray(tab + 1), id: id as ObjectId, mode }] : [];
  });
}
