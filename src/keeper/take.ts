/**
 * Takes out of a workspace that root worked in what its tree does not have, by moving it: the folders below a tracked one
 * go whole, whatever is in them. What was done to tracked paths stays behind and is named.
 */

import { chmodSync, lchownSync, lstatSync, mkdirSync, renameSync } from 'node:fs';
import type { Candidate, UpperView, WholeView } from './changes.ts';
import { breathe, isWhiteout } from './changes.ts';
import { differing } from './collect.ts';
import { type FoundEntry, ReadRoot } from './files.ts';
import { type BytePath, isDotGit, join, parentOf, pathBytes } from './names.ts';
import type { ObjectReader } from './objects.ts';
import { GITLINK_MODE, isFolder, NO_ENTRIES, type ObjectFormat, type Tree, type TreeEntry } from './tree.ts';

export interface TakeOptions {
  readonly tree: string;
  readonly format: ObjectFormat;
  readonly objects: ObjectReader;
  readonly view: UpperView | WholeView;
  readonly signal: AbortSignal;
}

interface Folder {
  readonly path: BytePath;
  readonly base: Tree;
  readonly entries: readonly FoundEntry[];
}

/** @returns the tracked paths that were changed, sorted */
export async function takeUntracked(from: string, to: string, options: TakeOptions): Promise<readonly BytePath[]> {
  const root = new ReadRoot(from);
  const folders = await trackedFolders(root, options);
  const opaque = await opaqueOf(folders, options);
  const taking = new Taking(from, to);
  const changed: BytePath[] = [];
  const doubtful: Candidate[] = [];
  for (const folder of folders) {
    const { path, base, entries } = folder;
    taking.takeOver(path);
    for (const { name, stat } of entries) {
      const known = base.get(name);
      const at = join(path, name);
      if (path === '' && isDotGit(name)) continue;
      if (options.view.kind === 'upper' && isWhiteout(stat)) {
        if (known !== undefined) changed.push(at);
      } else if (known === undefined) taking.move(at);
      else if (isContainer(known) !== stat.isDirectory()) changed.push(at);
      else if (!stat.isDirectory() && !isUnchanged(options, at, { name, stat }, known)) {
        if (!stat.isFile() && !stat.isSymbolicLink()) changed.push(at);
        else doubtful.push({ path: at, kind: stat.isFile() ? 'file' : 'symlink', stat, known });
      }
    }
    if (!opaque.has(path)) continue;
    const names = new Set(entries.map((entry) => entry.name));
    for (const name of base.keys()) if (!names.has(name)) changed.push(join(path, name));
  }
  for (const one of await differing(root, doubtful, options)) changed.push(one.path);
  return changed.sort();
}

/** Every folder of the workspace that the tree has as well, each with what is in it; parents first. */
async function trackedFolders(root: ReadRoot, { objects, tree }: TakeOptions): Promise<Folder[]> {
  const entriesOf = (path: BytePath): FoundEntry[] => root.list(path, () => {});
  const folders: Folder[] = [{ path: '', base: await objects.tree(tree), entries: entriesOf('') }];
  for (const { path, base, entries } of folders) {
    for (const { name, stat } of entries) {
      const known = base.get(name);
      const at = join(path, name);
      if (known === undefined || !isContainer(known) || !stat.isDirectory() || !root.reaches(at)) continue;
      const inside = isFolder(known) ? await objects.tree(known.id) : NO_ENTRIES;
      folders.push({ path: at, base: inside, entries: entriesOf(at) });
    }
    await breathe();
  }
  return folders;
}

/** Where what is missing was deleted. */
async function opaqueOf(folders: readonly Folder[], { view }: TakeOptions): Promise<ReadonlySet<BytePath>> {
  if (view.kind === 'whole') return new Set(folders.map((folder) => folder.path));
  const marked = await view.opaque(folders.map((folder) => folder.path).filter((path) => path !== ''));
  const opaque = new Set<BytePath>();
  // Parents come first: what lies in an opaque folder hides as much.
  for (const { path } of folders) if (marked.has(path) || opaque.has(parentOf(path))) opaque.add(path);
  return opaque;
}

/** A submodule is a folder whose content the tree does not have. */
function isContainer(known: TreeEntry): boolean {
  return isFolder(known) || known.mode === GITLINK_MODE;
}

function isUnchanged({ view }: TakeOptions, path: BytePath, { stat }: FoundEntry, known: TreeEntry): boolean {
  return view.kind === 'whole' && view.unchanged(path, stat, known);
}

/** Moving as root without the right to override permissions: what has to be written to is taken over first. */
class Taking {
  readonly #from: string;
  readonly #to: string;
  #made: BytePath = '';

  constructor(from: string, to: string) {
    this.#from = from;
    this.#to = to;
  }

  takeOver(folder: BytePath): void {
    const at = absolute(this.#from, folder);
    lchownSync(at, 0, 0);
    chmodSync(at, 0o700);
  }

  move(path: BytePath): void {
    const parent = parentOf(path);
    if (parent !== this.#made) mkdirSync(absolute(this.#to, parent), { recursive: true, mode: 0o755 });
    this.#made = parent;
    const source = absolute(this.#from, path);
    const target = absolute(this.#to, path);
    const stat = lstatSync(source);
    if (!stat.isDirectory()) {
      renameSync(source, target);
      return;
    }
    // Its ".." is rewritten.
    lchownSync(source, 0, 0);
    chmodSync(source, (stat.mode & 0o7777) | 0o700);
    renameSync(source, target);
    chmodSync(target, stat.mode & 0o7777);
  }
}

function absolute(root: string, path: BytePath): Buffer {
  return path === '' ? Buffer.from(root) : Buffer.concat([Buffer.from(`${root}/`), pathBytes(path)]);
}
