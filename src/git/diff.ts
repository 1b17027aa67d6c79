/** Differences of two trees, rendered in the private git directory: no attribute or setting of anybody hides a line. */

import type { Readable } from 'node:stream';
import { failure } from '../errors.ts';
import type { ObjectId, PatchSize } from '../types.ts';
import { printablePath, splitNul } from './bytes.ts';
import { type GitEnvironment, git, gitStream } from './git.ts';
import { privateGit } from './private-dir.ts';
import type { Repository } from './repository.ts';

/** One entry that differs, with its path in bytes. Modes as git writes them; `000000` and a zero id where there is none. */
export interface RawChange {
  readonly status: 'A' | 'M' | 'D' | 'T';
  readonly path: Buffer;
  readonly oldMode: string;
  readonly newMode: string;
  readonly oldId: ObjectId;
  readonly newId: ObjectId;
}

export interface ChangedPath {
  /** Added, modified (content or mode), deleted, type changed. Renames are a deletion and an addition. */
  readonly status: 'A' | 'M' | 'D' | 'T';
  /** Printable (see `printablePath`). */
  readonly path: string;
  readonly rawPath: Buffer;
  readonly oldMode: string;
  readonly newMode: string;
}

const TEXT = ['--no-ext-diff', '--no-textconv', '--no-color', '--find-renames', '-l1000'] as const;

/**
 * Size (files, of which a rename is one, and lines added and deleted) and patch at the cost of one look for renames. The patch is null when it has more than `maxBytes`; nobody waits for
 * the rest of it then.
 */
export async function sizedPatch(
  repo: Repository,
  trees: { readonly from: ObjectId; readonly to: ObjectId },
  maxBytes: number,
): Promise<{ readonly size: PatchSize; readonly patch: Buffer | null }> {
  const { from, to } = trees;
  if (from === to) return { size: { files: 0, insertions: 0, deletions: 0 }, patch: Buffer.alloc(0) };
  const [command = '', ...args] = patchArguments(from, to);
  const output = gitStream(async () => ({
    where: await privateGit(repo),
    args: [command, '--numstat', ...args],
    input: '',
  }));
  let head: Buffer | null = null;
  let chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of output as AsyncIterable<Buffer>) {
    let rest = chunk;
    if (head === null) {
      const atSeam = chunks.at(-1)?.at(-1) === NEWLINE && chunk[0] === NEWLINE;
      const end = atSeam ? 0 : chunk.indexOf(END_OF_NUMBERS);
      if (end >= 0) {
        head = Buffer.concat([...chunks, chunk.subarray(0, end)]);
        chunks = [];
        rest = chunk.subarray(atSeam ? 1 : end + END_OF_NUMBERS.length);
      }
    }
    chunks.push(rest);
    if (head === null) continue;
    length += rest.length;
    if (length > maxBytes) return { size: sizeOf(head), patch: null };
  }
  if (head === null) throw failure('GIT_FAILED', 'git diff-tree did not count what differs.');
  return { size: sizeOf(head), patch: Buffer.concat(chunks) };
}

const NEWLINE = 0x0a;
/** An empty line: names with newlines are quoted. */
const END_OF_NUMBERS = Buffer.from('\n\n');

/** A line of `--numstat` for each file: two numbers (`-` for binary files), and its names. */
function sizeOf(numbers: Buffer): PatchSize {
  const lines = numbers.toString('latin1').split('\n').filter(Boolean);
  const size = { files: lines.length, insertions: 0, deletions: 0 };
  for (const line of lines) {
    const [added, deleted] = line.split('\t', 2);
    size.insertions += Number(added) || 0;
    size.deletions += Number(deleted) || 0;
  }
  return size;
}

/** The patch: what `git apply` takes to get from one tree to the other, byte for byte. Empty when they are the same. */
export async function binaryDiff(repo: Repository, from: ObjectId, to: ObjectId): Promise<Buffer> {
  if (from === to) return Buffer.alloc(0);
  return (await git(await privateGit(repo), patchArguments(from, to))).stdout;
}

/** The same as a stream, for patches of any size; a failing git is the stream's error. */
export function binaryDiffStream(repo: Repository, from: ObjectId, to: ObjectId): Readable {
  return gitStream(async () => ({ where: await privateGit(repo), args: patchArguments(from, to), input: '' }));
}

function patchArguments(from: ObjectId, to: ObjectId): string[] {
  return ['diff-tree', '-r', '--patch', '--binary', '--full-index', ...TEXT, from, to];
}

/** Every path that differs, sorted as git sorts. */
export async function changedPaths(repo: Repository, from: ObjectId, to: ObjectId): Promise<ChangedPath[]> {
  const changes = await rawChanges(await privateGit(repo), from, to);
  return changes.map(({ status, path, oldMode, newMode }) => ({
    status,
    path: printablePath(path),
    rawPath: path,
    oldMode,
    newMode,
  }));
}

/** `git diff --stat --summary` as text for people. Names come from agents: sanitise before a terminal sees it. */
export async function diffStat(repo: Repository, from: ObjectId, to: ObjectId): Promise<string> {
  if (from === to) return '';
  const args = ['diff-tree', '-r', '--stat=100', '--summary', ...TEXT, from, to];
  return (await git(await privateGit(repo), args)).stdout.toString('utf8');
}

/**
 * Entries that differ between two trees; with `trees`, folders that differ too; with `only`, those that one of these
 * pathspecs matches. Cost follows the difference.
 */
export async function rawChanges(
  where: GitEnvironment,
  from: ObjectId,
  to: ObjectId,
  options: { readonly trees?: boolean; readonly only?: readonly string[] } = {},
): Promise<RawChange[]> {
  if (from === to) return [];
  const depth = options.trees === true ? ['-r', '-t'] : ['-r'];
  const only = options.only === undefined ? [] : ['--', ...options.only];
  const args = ['diff-tree', ...depth, '-z', '--raw', '--no-abbrev', '--no-renames', from, to, ...only];
  const answer = await git(where, args);
  const fields = splitNul(answer.stdout);
  const changes: RawChange[] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [oldMode = '', newMode = '', oldId = '', newId = '', status = ''] = (fields[at] ?? Buffer.alloc(0))
      .toString('latin1')
      .slice(1)
      .split(' ');
    changes.push({
      status: status as RawChange['status'],
      path: fields[at + 1] ?? Buffer.alloc(0),
      oldMode,
      newMode,
      oldId: oldId as ObjectId,
      newId: newId as ObjectId,
    });
  }
  return changes;
}
