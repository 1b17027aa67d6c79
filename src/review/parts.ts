/** The files and hunks of a patch, and the tree that some of them make: base and exactly what was chosen. */

import { usageError } from '../errors.ts';
import { readBlobs } from '../git/blobs.ts';
import { nameSome, printablePath, quotePath } from '../git/bytes.ts';
import { type FileDiff, type LineHunk, lineDiff } from '../git/line-diff.ts';
import { importChanges, type TreeChange } from '../git/quarantine.ts';
import type { Repository } from '../git/repository.ts';
import type { ObjectId } from '../types.ts';

/** One file of a patch. A rename is a deletion and an addition. */
export interface PatchFile {
  /** Printable, and unlike that of any other file of the patch: what a choice names it by. */
  readonly path: string;
  readonly rawPath: Buffer;
  /** Added, modified (content or mode), deleted, type changed. */
  readonly status: 'A' | 'M' | 'D' | 'T';
  /** As git writes them; `000000` where there is none. */
  readonly oldMode: string;
  readonly newMode: string;
  /** It is taken or left as one: binary, mode, link, submodule, too large to look into, or nothing to split. */
  readonly isWhole: boolean;
  /** Why there is nothing to read though there is content: it is binary, or beyond what is looked at; null: hunks say all. */
  readonly unread: 'binary' | 'too-large' | null;
  /** For the eye also where the file is whole. */
  readonly hunks: readonly PatchHunk[];
  readonly insertions: number;
  readonly deletions: number;
}

export interface PatchHunk {
  /** From 1, within its file. */
  readonly n: number;
  /** `@@ -1,3 +1,4 @@ function` */
  readonly header: string;
  /** Its lines with their signs; bytes that are not UTF-8 are replaced. For display: nothing is made from it. */
  readonly text: string;
  readonly insertions: number;
  readonly deletions: number;
}

/** Of which file what is wanted; a file that is not named is left out. Numbers are those of its hunks. */
export type Choice = ReadonlyMap<string, 'all' | ReadonlySet<number>>;

interface Trees {
  readonly base: ObjectId;
  readonly tree: ObjectId;
}

/** As git sorts. Cost follows the patch: 100,000 changed lines take a fraction of a second. */
export async function listParts(repository: Repository, base: ObjectId, tree: ObjectId): Promise<readonly PatchFile[]> {
  return named(await lineDiff(repository, base, tree)).map(({ path, diff }) => fileOf(path, diff));
}

/**
 * The tree of `base` with exactly the chosen files and hunks of the patch base → tree, written into the user's object
 * store. All chosen gives `tree`, nothing gives `base`.
 * Errors (usage): UNKNOWN_PART for a path or hunk that the patch has not; WHOLE_FILE for some hunks of a file that is taken
 * as one; PARTS_CLASH where a chosen file stands in the place of one that would have to go and was not chosen.
 */
export async function treeOfChoice(repository: Repository, { base, tree }: Trees, choice: Choice): Promise<ObjectId> {
  const files = named(await lineDiff(repository, base, tree));
  refuseUnknown(files, choice);
  const chosen = files.flatMap((file): ChosenFile[] => {
    const hunks = chosenHunks(file, choice.get(file.path));
    return hunks === null ? [] : [{ ...file, hunks }];
  });
  refuseClashes(files, chosen);
  await using result = await importChanges(repository, { tree: base }, changesOf(repository, chosen), { beside: true });
  await result.publish();
  return result.tree;
}

interface NamedFile {
  readonly path: string;
  readonly diff: FileDiff;
}

interface ChosenFile extends NamedFile {
  readonly hunks: 'all' | readonly LineHunk[];
}

/** Two names in bytes may look the same in print (a byte that is no UTF-8, and its spelling): then one is quoted. */
function named(diffs: readonly FileDiff[]): NamedFile[] {
  const taken = new Set<string>();
  return diffs.map((diff) => {
    let path = printablePath(diff.path);
    if (taken.has(path)) path = quotePath(diff.path);
    while (taken.has(path)) path = quotePath(Buffer.from(path));
    taken.add(path);
    return { path, diff };
  });
}

function fileOf(path: string, diff: FileDiff): PatchFile {
  const sum = (side: 'insertions' | 'deletions') => diff.hunks.reduce((total, hunk) => total + hunk[side], 0);
  return {
    path,
    rawPath: diff.path,
    status: diff.status,
    oldMode: diff.oldMode,
    newMode: diff.newMode,
    isWhole: isWhole(diff),
    unread: diff.content === 'lines' ? null : diff.content === 'cut' ? 'too-large' : 'binary',
    hunks: diff.hunks.map(({ header, body, insertions, deletions }, at) => ({
      n: at + 1,
      header: header.toString('utf8'),
      text: body.toString('utf8'),
      insertions,
      deletions,
    })),
    insertions: sum('insertions'),
    deletions: sum('deletions'),
  };
}

function isWhole({ status, oldMode, newMode, hunks }: FileDiff): boolean {
  return status !== 'M' || oldMode !== newMode || !newMode.startsWith('100') || hunks.length < 2;
}

/** Null: nothing of the file. */
function chosenHunks(
  { path, diff }: NamedFile,
  wanted: 'all' | ReadonlySet<number> | undefined,
): ChosenFile['hunks'] | null {
  if (wanted === undefined || wanted === 'all') return wanted ?? null;
  if (wanted.size === 0) return null;
  if (wanted.size === diff.hunks.length) return 'all';
  if (!isWhole(diff)) return diff.hunks.filter((_, at) => wanted.has(at + 1));
  const why = diff.oldMode === diff.newMode ? '' : ', because its mode changes';
  throw usageError('WHOLE_FILE', `${path} can only be taken or left as a whole${why}.`, {
    hint: 'Name it without numbers of hunks, or leave it out.',
  });
}

function refuseUnknown(files: readonly NamedFile[], choice: Choice): void {
  const byPath = new Map(files.map((file) => [file.path, file]));
  for (const [path, wanted] of choice) {
    const file = byPath.get(path);
    if (file === undefined) {
      const there = files.map((known) => known.path);
      throw usageError('UNKNOWN_PART', `The patch does not change ${path}.`, {
        hint: there.length === 0 ? 'It changes nothing.' : `It changes ${nameSome(there, 20)}.`,
      });
    }
    const count = file.diff.hunks.length;
    const numbers = wanted === 'all' ? [] : [...wanted];
    const unknown = numbers.find((n) => !Number.isInteger(n) || n < 1 || n > count);
    if (unknown === undefined) continue;
    throw usageError('UNKNOWN_PART', `${path} has no hunk ${unknown}.`, {
      hint: count === 0 ? 'It can only be taken or left as a whole.' : `It has the hunks 1 to ${count}.`,
    });
  }
}

/** A file cannot be where a folder still is, nor below a file that still is one. */
function refuseClashes(files: readonly NamedFile[], chosen: readonly ChosenFile[]): void {
  const taken = new Set(chosen.map((file) => file.path));
  const staying = new Map<string, string>();
  const foldersStaying = new Map<string, string>();
  for (const { path, diff } of files) {
    if (diff.status !== 'D' || taken.has(path)) continue;
    staying.set(diff.path.toString('latin1'), path);
    for (const folder of foldersOf(diff.path)) foldersStaying.set(folder, path);
  }
  if (staying.size === 0) return;
  for (const { path, diff } of chosen) {
    if (diff.status !== 'A') continue;
    const inTheWay =
      foldersStaying.get(diff.path.toString('latin1')) ??
      foldersOf(diff.path)
        .map((folder) => staying.get(folder))
        .find((name) => name !== undefined);
    if (inTheWay === undefined) continue;
    throw usageError('PARTS_CLASH', `${path} takes the place of ${inTheWay}, which would stay.`, {
      hint: `Choose ${inTheWay} (its deletion) as well, or leave ${path} out.`,
    });
  }
}

/** All folders that a path is in. */
function foldersOf(path: Buffer): string[] {
  const text = path.toString('latin1');
  const folders: string[] = [];
  for (let at = text.indexOf('/'); at !== -1; at = text.indexOf('/', at + 1)) folders.push(text.slice(0, at));
  return folders;
}

/** So many files are held in memory at once. */
const AT_ONCE = 100;
const NO_LIMITS = { maxBytes: Number.POSITIVE_INFINITY, maxTotalBytes: Number.POSITIVE_INFINITY };

async function* changesOf(repository: Repository, chosen: readonly ChosenFile[]): AsyncGenerator<TreeChange> {
  for (const { diff } of chosen) if (diff.status === 'D') yield { kind: 'delete', path: diff.path };
  const split: (NamedFile & { readonly hunks: readonly LineHunk[] })[] = [];
  for (const { path, diff, hunks } of chosen) {
    if (diff.status === 'D') continue;
    if (hunks !== 'all') split.push({ path, diff, hunks });
    else yield { kind: 'known', path: diff.path, mode: modeOf(diff), id: diff.newId };
  }
  for (let from = 0; from < split.length; from += AT_ONCE) {
    const some = split.slice(from, from + AT_ONCE);
    const ids = some.flatMap(({ diff }) => [diff.oldId, diff.newId]);
    const contents = await readBlobs(repository, ids, NO_LIMITS);
    for (const { diff, hunks } of some) {
      const [old, now] = [contents.get(diff.oldId), contents.get(diff.newId)];
      // git has read them for its diff a moment ago.
      if (old === undefined || now === undefined) throw new Error(`the contents of ${diff.newId} are gone`);
      const pieces = withHunks(old, now, hunks);
      const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
      const mode = diff.newMode === '100755' ? '100755' : '100644';
      yield { kind: 'file', path: diff.path, mode, size, content: inTurn(pieces) };
    }
  }
}

const MODES = ['100644', '100755', '120000', '160000'] as const;

function modeOf({ newMode }: FileDiff): (typeof MODES)[number] {
  // Anything else is of a tree that git itself would not write: as git reads it.
  return MODES.find((mode) => mode === newMode) ?? '100644';
}

async function* inTurn(pieces: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* pieces;
}

/** The old content with the lines of these hunks as they are in the new one; in pieces. */
function withHunks(old: Buffer, now: Buffer, hunks: readonly LineHunk[]): Buffer[] {
  const [oldLines, newLines] = [new LineCursor(old), new LineCursor(now)];
  const pieces: Buffer[] = [];
  let kept = 0;
  for (const hunk of hunks) {
    // A range without lines names the line before it.
    const oldFirst = hunk.oldLines === 0 ? hunk.oldStart : hunk.oldStart - 1;
    const newFirst = hunk.newLines === 0 ? hunk.newStart : hunk.newStart - 1;
    const start = newLines.after(newFirst);
    pieces.push(
      old.subarray(kept, oldLines.after(oldFirst)),
      now.subarray(start, newLines.after(newFirst + hunk.newLines)),
    );
    kept = oldLines.after(oldFirst + hunk.oldLines);
  }
  pieces.push(old.subarray(kept));
  return pieces;
}

/** Goes through a content once, line by line. */
class LineCursor {
  #line = 0;
  #at = 0;

  constructor(readonly bytes: Buffer) {}

  /** The offset behind the first `lines` lines; never less than was asked for before. */
  after(lines: number): number {
    for (; this.#line < lines; this.#line += 1) {
      const end = this.bytes.indexOf(0x0a, this.#at);
      this.#at = end === -1 ? this.bytes.length : end + 1;
    }
    return this.#at;
  }
}
