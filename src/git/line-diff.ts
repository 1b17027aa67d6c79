/** What differs between two trees, file by file and hunk by hunk, with every path in bytes and renames as two files. */

import { failure } from '../errors.ts';
import type { ObjectId } from '../types.ts';
import { type RawChange, rawChanges } from './diff.ts';
import { gitStream } from './git.ts';
import { privateGit } from './private-dir.ts';
import type { Repository } from './repository.ts';

/** Lines that are other lines on the other side, with three lines around them; numbers as in a hunk's header. */
export interface LineHunk {
  readonly oldStart: number;
  readonly oldLines: number;
  readonly newStart: number;
  readonly newLines: number;
  readonly insertions: number;
  readonly deletions: number;
  /** `@@ -1,3 +1,4 @@ function`, without its newline. */
  readonly header: Buffer;
  /** Its lines with their signs. */
  readonly body: Buffer;
}

export interface FileDiff extends RawChange {
  /**
   * `lines`: the hunks say all; `binary`: there is nothing to read; `cut`: the files before it fill all that is looked at.
   * Links and submodules have lines as well; a change of type has those of both sides.
   */
  readonly content: 'lines' | 'binary' | 'cut';
  readonly hunks: readonly LineHunk[];
}

/** More than anybody reads; what follows is told by name alone. */
const MOST_BYTES = 64 * 1024 * 1024;

/** Sorted as git sorts. The same trees always give the same hunks. */
export async function lineDiff(repo: Repository, from: ObjectId, to: ObjectId, most = MOST_BYTES): Promise<FileDiff[]> {
  if (from === to) return [];
  const where = await privateGit(repo);
  const [changes, text] = await Promise.all([rawChanges(where, from, to), diffText(repo, { from, to }, most)]);
  const sections = new Sections(text.bytes, text.isCut);
  const files = changes.map((change): FileDiff => {
    // A change of type is told as a deletion and an addition.
    const told = Array.from({ length: change.status === 'T' ? 2 : 1 }, () => sections.next());
    const known = told.filter((section) => section !== null);
    if (known.length < told.length) return { ...change, content: 'cut', hunks: [] };
    const content = known.some((section) => section.isBinary) ? 'binary' : 'lines';
    return { ...change, content, hunks: content === 'binary' ? [] : known.flatMap((section) => section.hunks) };
  });
  if (!sections.areOver) throw failure('GIT_FAILED', 'git diff-tree told of more files than there are.');
  return files;
}

async function diffText(
  repo: Repository,
  { from, to }: { readonly from: ObjectId; readonly to: ObjectId },
  most: number,
): Promise<{ readonly bytes: Buffer; readonly isCut: boolean }> {
  const quiet = ['--no-renames', '--no-ext-diff', '--no-textconv', '--no-color'];
  const args = ['diff-tree', '-r', '--patch', '--full-index', ...quiet, from, to];
  const output = gitStream(async () => ({ where: await privateGit(repo), args, input: '' }));
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of output as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > most) return { bytes: Buffer.concat(chunks), isCut: true };
  }
  return { bytes: Buffer.concat(chunks), isCut: false };
}

interface Section {
  readonly isBinary: boolean;
  readonly hunks: readonly LineHunk[];
}

const FILE = Buffer.from('diff --git ');
const HUNK = Buffer.from('@@ ');
const BINARY = Buffer.from('Binary files ');
const NUMBERS = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/;
const [LF, PLUS, MINUS, BACKSLASH] = [0x0a, 0x2b, 0x2d, 0x5c];

/** What git says of one file after the other; names are not read, because they are known in the same order. */
class Sections {
  #at = 0;

  constructor(
    readonly bytes: Buffer,
    /** Its end is missing: whatever is last does not count. */
    readonly isCut: boolean,
  ) {}

  get areOver(): boolean {
    return this.#at >= this.bytes.length;
  }

  /** Null for what is cut off. */
  next(): Section | null {
    if (this.areOver && this.isCut) return null;
    if (!this.#begins(FILE)) throw misread();
    let isBinary = false;
    this.#line();
    // Names with a newline are quoted: nothing in a header can look like these.
    while (!this.areOver && !this.#begins(FILE) && !this.#begins(HUNK)) {
      if (this.#begins(BINARY)) isBinary = true;
      this.#line();
    }
    const hunks: LineHunk[] = [];
    while (this.#begins(HUNK)) hunks.push(this.#hunk());
    return this.isCut && this.areOver ? null : { isBinary, hunks };
  }

  #hunk(): LineHunk {
    const header = this.#line();
    const match = NUMBERS.exec(header.toString('latin1'));
    const [oldStart = 0, oldLines = 1, newStart = 0, newLines = 1] = (match ?? [])
      .slice(1)
      .map((number) => (number === undefined ? undefined : Number(number)));
    if (match === null && !this.isCut) throw misread();
    const from = this.#at;
    let [insertions, deletions, around] = [0, 0, 0];
    while (deletions + around < oldLines || insertions + around < newLines || this.bytes[this.#at] === BACKSLASH) {
      const sign = this.bytes[this.#at];
      if (sign === undefined && !this.isCut) throw misread();
      if (sign === undefined) break;
      if (sign === PLUS) insertions += 1;
      else if (sign === MINUS) deletions += 1;
      else if (sign !== BACKSLASH) around += 1;
      this.#line();
    }
    const body = this.bytes.subarray(from, this.#at);
    return { oldStart, oldLines, newStart, newLines, insertions, deletions, header, body };
  }

  #begins(prefix: Buffer): boolean {
    return this.bytes.subarray(this.#at, this.#at + prefix.length).equals(prefix);
  }

  #line(): Buffer {
    const end = this.bytes.indexOf(LF, this.#at);
    const line = this.bytes.subarray(this.#at, end === -1 ? this.bytes.length : end);
    this.#at = end === -1 ? this.bytes.length : end + 1;
    return line;
  }
}

function misread(): Error {
  return failure('GIT_FAILED', 'git diff-tree did not write a diff as it is known.');
}
