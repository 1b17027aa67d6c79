/** Git trees as values: parsing, hashing, and the id of the tree that edits make of a base, read lazily. Pure. */

import { createHash } from 'node:crypto';
import { CallFault } from '../session/protocol.ts';
import type { BytePath } from './names.ts';

export type ObjectFormat = 'sha1' | 'sha256';

export interface TreeEntry {
  /** Octal, as the tree object has it: `40000`, `100644`, `100755`, `120000`, `160000`, or an old non-canonical one. */
  readonly mode: string;
  readonly id: string;
}

/** The entries of one tree object by name. */
export type Tree = ReadonlyMap<BytePath, TreeEntry>;

/** Reads one tree object by its id. */
export type TreeReader = (id: string) => Promise<Tree>;

export type TreeEdit =
  | { readonly path: BytePath; readonly kind: 'delete' }
  | { readonly path: BytePath; readonly kind: 'put'; readonly mode: string; readonly id: string };

const FOLDER_MODE = '40000';
export const SYMLINK_MODE = '120000';
export const GITLINK_MODE = '160000';

export const NO_ENTRIES: Tree = new Map();

/** @throws CallFault KEEPER_BAD_OBJECT when the bytes are no tree */
export function parseTree(content: Buffer, format: ObjectFormat): Tree {
  const idBytes = format === 'sha1' ? 20 : 32;
  const entries = new Map<BytePath, TreeEntry>();
  let at = 0;
  while (at < content.length) {
    const space = content.indexOf(0x20, at);
    const nul = content.indexOf(0, at);
    const next = nul + 1 + idBytes;
    if (space < 0 || nul < space || next > content.length) {
      throw new CallFault('KEEPER_BAD_OBJECT', 'a tree object is malformed');
    }
    const name = content.toString('latin1', space + 1, nul);
    entries.set(name, { mode: content.toString('latin1', at, space), id: content.toString('hex', nul + 1, next) });
    at = next;
  }
  return entries;
}

/** The id of a git object with this content. */
export function hashObject(type: 'blob' | 'tree', content: Buffer, format: ObjectFormat): string {
  return createHash(format).update(`${type} ${content.length}\0`).update(content).digest('hex');
}

/** The id of a tree with these entries, in git's order (folders sort as if their name ended in `/`). */
function hashTree(entries: Tree, format: ObjectFormat): string {
  const parts = [...entries]
    .map(([name, entry]) => ({ name, entry, key: isFolder(entry) ? `${name}/` : name }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ name, entry }) =>
      Buffer.concat([Buffer.from(`${entry.mode} ${name}\0`, 'latin1'), Buffer.from(entry.id, 'hex')]),
    );
  return hashObject('tree', Buffer.concat(parts), format);
}

export function isFolder(entry: TreeEntry | undefined): boolean {
  return entry?.mode === FOLDER_MODE;
}

/** What is to become of one name in a folder. A `fresh` folder replaces whatever the base has there. */
type Edit =
  | { readonly kind: 'delete' }
  | { readonly kind: 'put'; readonly mode: string; readonly id: string }
  | { readonly kind: 'folder'; readonly fresh: boolean; readonly edits: Map<BytePath, Edit> };

/**
 * The id of the tree that results from applying the edits in order, as git fast-import would: a delete takes a whole
 * folder with it, a file put below a file replaces that file, a folder left without entries vanishes.
 * Reads only the base's folders on the way to an edit. Iterative: depth is no limit.
 */
export async function resultingTree(
  base: string,
  edits: Iterable<TreeEdit>,
  options: { readonly read: TreeReader; readonly format: ObjectFormat },
): Promise<string> {
  const root = new Map<BytePath, Edit>();
  for (const edit of edits) insert(root, edit);
  if (root.size === 0) return base;
  const entries = await apply(root, base, options);
  return hashTree(entries, options.format);
}

function insert(root: Map<BytePath, Edit>, edit: TreeEdit): void {
  const parts = edit.path.split('/');
  const name = parts.pop() ?? '';
  let folder = root;
  for (const part of parts) {
    const known = folder.get(part);
    if (known?.kind === 'folder') {
      folder = known.edits;
      continue;
    }
    // Nothing is left below a deleted path or a file that could be deleted.
    if (known !== undefined && edit.kind === 'delete') return;
    const made: Edit = { kind: 'folder', fresh: known !== undefined, edits: new Map() };
    folder.set(part, made);
    folder = made.edits;
  }
  folder.set(name, edit.kind === 'delete' ? { kind: 'delete' } : { kind: 'put', mode: edit.mode, id: edit.id });
}

interface Level {
  readonly name: BytePath;
  readonly base: TreeEntry | undefined;
  readonly fresh: boolean;
  readonly entries: Map<BytePath, TreeEntry>;
  readonly waiting: Iterator<[BytePath, Edit]>;
}

async function apply(
  root: Map<BytePath, Edit>,
  base: string,
  options: { readonly read: TreeReader; readonly format: ObjectFormat },
): Promise<Tree> {
  const open = async (name: BytePath, edit: Edit & { kind: 'folder' }, at: TreeEntry | undefined): Promise<Level> => ({
    name,
    base: at,
    fresh: edit.fresh,
    entries: new Map(at !== undefined && isFolder(at) && !edit.fresh ? await options.read(at.id) : []),
    waiting: edit.edits.entries(),
  });
  const levels: Level[] = [];
  let level = await open('', { kind: 'folder', fresh: false, edits: root }, { mode: FOLDER_MODE, id: base });
  for (;;) {
    const next = level.waiting.next();
    if (next.done !== true) {
      const [name, edit] = next.value;
      if (edit.kind === 'delete') level.entries.delete(name);
      else if (edit.kind === 'put') level.entries.set(name, { mode: edit.mode, id: edit.id });
      else {
        levels.push(level);
        level = await open(name, edit, level.entries.get(name));
      }
      continue;
    }
    const parent = levels.pop();
    if (parent === undefined) return level.entries;
    if (level.entries.size > 0) {
      parent.entries.set(level.name, { mode: FOLDER_MODE, id: hashTree(level.entries, options.format) });
    } else if (level.fresh || isFolder(level.base)) parent.entries.delete(level.name);
    level = parent;
  }
}
