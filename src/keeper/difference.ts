/** The difference of two trees as an overlay layer: what is written, what is hidden, what changes in the index. */

import { link, mkdir } from 'node:fs/promises';
import { type BytePath, bytePath, parentOf, pathBytes } from './names.ts';
import { run, type SpawnOptions } from './spawn.ts';

export interface TreeDifference {
  /** For `git update-index -z --index-info`: deletes first. */
  readonly indexInfo: Buffer;
  /** Files, symlinks and gitlinks that the layer itself must show. */
  readonly written: readonly BytePath[];
  /** Paths that need a whiteout, topmost only. */
  readonly hidden: readonly BytePath[];
}

interface Side {
  readonly mode: string;
  readonly id: string;
}

/** What stands in for "nothing" in git's raw output. */
const NOTHING = '000000';
const FOLDER = '040000';
const GITLINK = '160000';

/** @param git the program and its options; `spawning` must let it read both trees */
export async function treeDifference(
  git: readonly [string, ...string[]],
  trees: { readonly from: string; readonly tree: string },
  spawning: SpawnOptions,
): Promise<TreeDifference> {
  const command = ['diff-tree', '-r', '-t', '-z', '--raw', '--no-abbrev', '--no-renames'];
  const raw = bytePath(await run([...git, ...command, trees.from, trees.tree], spawning));
  const before = new Map<BytePath, Side>();
  const after = new Map<BytePath, Side>();
  const fields = raw.split('\0');
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [oldMode = '', newMode = '', oldId = '', newId = ''] = (fields[at] ?? '').slice(1).split(' ');
    const path = fields[at + 1] ?? '';
    if (oldMode !== NOTHING) before.set(path, { mode: oldMode, id: oldId });
    if (newMode !== NOTHING) after.set(path, { mode: newMode, id: newId });
  }
  return {
    indexInfo: indexInfo(before, after),
    written: [...after].filter(([path, side]) => isWritten(side, before.get(path))).map(([path]) => path),
    hidden: [...before.keys()].filter((path) => isHidden(path, before, after)),
  };
}

type Sides = ReadonlyMap<BytePath, Side>;

function indexInfo(before: Sides, after: Sides): Buffer {
  const gone = [...before].filter(([path, side]) => side.mode !== FOLDER && !isEntry(after.get(path)));
  const there = [...after].filter(([, side]) => side.mode !== FOLDER);
  const lines = [
    ...gone.map(([path, side]) => `0 ${'0'.repeat(side.id.length)}\t${path}\0`),
    ...there.map(([path, side]) => `${side.mode} ${side.id}\t${path}\0`),
  ];
  return Buffer.from(lines.join(''), 'latin1');
}

function isEntry(side: Side | undefined): boolean {
  return side !== undefined && side.mode !== FOLDER;
}

/** A gitlink is laid out as an empty folder: when only its commit moved there is nothing to write. */
function isWritten(side: Side, before: Side | undefined): boolean {
  return side.mode !== FOLDER && !(side.mode === GITLINK && before?.mode === GITLINK);
}

/** What comes in its place, or the whiteout of its folder, hides a path; an empty folder in its folder's place does not. */
function isHidden(path: BytePath, before: Sides, after: Sides): boolean {
  if (after.has(path)) return false;
  const parent = parentOf(path);
  const parentGone = before.get(parent)?.mode === FOLDER && after.get(parent)?.mode !== FOLDER;
  return !parentGone || after.get(parent)?.mode === GITLINK;
}

/**
 * Puts a whiteout (a character device 0:0, which anybody may make) at each path. All are links to the first one; where
 * a file system allows no more links to it, to the next one.
 */
export async function hideDeleted(folder: string, hidden: readonly BytePath[], signal: AbortSignal): Promise<void> {
  let whiteout: Buffer | null = null;
  for (const path of hidden) {
    const at = Buffer.concat([Buffer.from(`${folder}/`), pathBytes(path)]);
    await mkdir(at.subarray(0, at.lastIndexOf('/')), { recursive: true });
    if (whiteout !== null && (await linked(whiteout, at))) continue;
    // Its name goes through standard input: an argument could not hold all bytes.
    await run(['xargs', '-0', 'sh', '-c', 'exec mknod -- "$1" c 0 0', 'sh'], { cwd: folder, signal }, [
      at,
      Buffer.of(0),
    ]);
    whiteout = at;
  }
}

/** False when there are too many links already. */
async function linked(existing: Buffer, at: Buffer): Promise<boolean> {
  try {
    await link(existing, at);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EMLINK') return false;
    throw error;
  }
}
