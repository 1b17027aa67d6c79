/**
 * Builds a tree from a stream of changes in a private git directory that has the user's objects as alternates, and
 * publishes its objects after its id was confirmed. Cost follows the changes, never the repository.
 */

import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { failure } from '../errors.ts';
import type { ObjectId } from '../types.ts';
import { emptyTree, printablePath, quotePath } from './bytes.ts';
import { endOf, type GitEnvironment, type GitProcess, startGit } from './git.ts';
import { newObjects, packArguments } from './objects.ts';
import { makeQuarantine, privateGit } from './private-dir.ts';
import type { Repository } from './repository.ts';
import { isSafePath } from './safe-path.ts';

/** One change against the base. A delete takes a file or a whole folder; contents are read once, in order. */
export type TreeChange =
  | { readonly path: Buffer; readonly kind: 'delete' }
  | {
      readonly path: Buffer;
      readonly kind: 'file';
      readonly mode: '100644' | '100755';
      readonly size: number;
      readonly content: AsyncIterable<Buffer>;
    }
  /** What is in the object store already, at whatever path; of a submodule (160000) only the id is kept. */
  | { readonly path: Buffer; readonly kind: 'known'; readonly mode: KnownMode; readonly id: ObjectId }
  | { readonly path: Buffer; readonly kind: 'symlink'; readonly target: Buffer };

type KnownMode = '100644' | '100755' | '120000' | '160000';

export interface QuarantinedTree extends AsyncDisposable {
  readonly tree: ObjectId;
  /** Copies the objects that the base has not into the user's object store, flushed to the disk. May be repeated. */
  publish(): Promise<void>;
}

/** Larger blobs are streamed by git instead of being held in its memory. */
const STREAMED_ABOVE = 'core.bigFileThreshold=16m';
/** As git writes loose objects; the best compression of a pack takes three times as long. */
const QUICKLY = 'pack.compression=1';
/** Fewer objects than this become loose ones, as with a fetch (transfer.unpackLimit). */
const LOOSE_BELOW = 100;
const FLUSHED = ['core.fsync=committed', 'core.fsyncMethod=batch'];

/**
 * The tree that `changes` make of `base`. Deletes must come before files. Nothing is written but the quarantine, which
 * the caller disposes of; `beside`: by another process than the run. Failures: UNSAFE_PATH (a path that no checkout may have), SIZE_MISMATCH (content that is not
 * as long as announced), and what `git` throws; then the quarantine is gone already.
 */
export async function importChanges(
  repo: Repository,
  base: { readonly tree: ObjectId },
  changes: AsyncIterable<TreeChange>,
  { beside = false }: { readonly beside?: boolean } = {},
): Promise<QuarantinedTree> {
  const where = await makeQuarantine(repo, beside);
  const dispose = () => rm(where.cwd, { recursive: true, force: true });
  try {
    const tree = await importInto(where, base.tree === emptyTree(repo.objectFormat) ? null : base.tree, changes);
    return {
      tree,
      publish: () => publish(repo, where, { from: base.tree, to: tree }),
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function importInto(
  where: GitEnvironment,
  base: ObjectId | null,
  changes: AsyncIterable<TreeChange>,
): Promise<ObjectId> {
  const args = ['fast-import', '--quiet', '--done', '--date-format=raw', '--depth=0'];
  const process = startGit(where, args, { config: [STREAMED_ABOVE, QUICKLY, 'fastimport.unpackLimit=0'] });
  const answer = readAll(process);
  const problem = await pipeline(inBatches(commands(base, changes)), process.stdin).catch((error: unknown) => error);
  if (problem !== undefined && !isBrokenPipe(problem)) {
    process.kill();
    await process;
    throw problem;
  }
  await endOf(process, args);
  const tree = /^040000 tree ([0-9a-f]+)\t$/m.exec(await answer)?.[1];
  if (tree === undefined) throw failure('GIT_FAILED', 'git fast-import did not name the tree that it made.');
  return tree as ObjectId;
}

async function readAll(process: GitProcess): Promise<string> {
  let text = '';
  for await (const chunk of process.stdout as AsyncIterable<Uint8Array>) text += Buffer.from(chunk).toString('latin1');
  return text;
}

function isBrokenPipe(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'EPIPE' || code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE';
}

/** The input of git fast-import (git-fast-import(1)): one commit that is thrown away, and the name of its tree. */
async function* commands(base: ObjectId | null, changes: AsyncIterable<TreeChange>): AsyncGenerator<Buffer> {
  yield Buffer.from('commit refs/heads/result\ncommitter orchestrate <orchestrate@localhost> 0 +0000\ndata 0\n');
  if (base !== null) yield Buffer.from(`M 040000 ${base} ""\n`);
  for await (const change of changes) {
    if (!isSafePath(change.path, kindOf(change))) {
      throw failure('UNSAFE_PATH', `No checkout may have a file called ${printablePath(change.path)}.`);
    }
    const path = quotePath(change.path);
    if (change.kind === 'delete') yield Buffer.from(`D ${path}\n`);
    else if (change.kind === 'known') yield Buffer.from(`M ${change.mode} ${change.id} ${path}\n`);
    else if (change.kind === 'symlink') {
      yield Buffer.from(`M 120000 inline ${path}\ndata ${change.target.length}\n`);
      yield change.target;
      yield NEWLINE;
    } else {
      yield Buffer.from(`M ${change.mode} inline ${path}\ndata ${change.size}\n`);
      yield* exactly(change.size, change.content, change.path);
      yield NEWLINE;
    }
  }
  yield Buffer.from('ls ""\n\ndone\n');
}

const NEWLINE = Buffer.from('\n');

function kindOf(change: TreeChange): 'delete' | 'file' | 'symlink' {
  if (change.kind !== 'known') return change.kind;
  return change.mode === '120000' ? 'symlink' : 'file';
}

async function* exactly(size: number, content: AsyncIterable<Buffer>, path: Buffer): AsyncGenerator<Buffer> {
  let seen = 0;
  for await (const chunk of content) {
    seen += chunk.length;
    if (seen > size) break;
    if (chunk.length > 0) yield chunk;
  }
  if (seen === size) return;
  throw failure('SIZE_MISMATCH', `${printablePath(path)} is ${seen > size ? 'longer' : 'shorter'} than announced.`);
}

/** Joins small pieces, so that many small files do not cost a system call each. */
async function* inBatches(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let batch: Buffer[] = [];
  let length = 0;
  for await (const piece of pieces) {
    batch.push(piece);
    length += piece.length;
    if (length < 64 * 1024) continue;
    yield batch.length === 1 ? piece : Buffer.concat(batch);
    batch = [];
    length = 0;
  }
  if (length > 0) yield Buffer.concat(batch);
}

async function publish(
  repo: Repository,
  quarantine: GitEnvironment,
  trees: { readonly from: ObjectId; readonly to: ObjectId },
): Promise<void> {
  if (trees.to === emptyTree(repo.objectFormat)) return;
  const objects = await newObjects(quarantine, trees.from, trees.to);
  if (objects.length === 0) return;
  const packing = packArguments();
  const source = startGit(quarantine, packing, { config: [STREAMED_ABOVE] });
  const unpacking = objects.length < LOOSE_BELOW ? ['unpack-objects', '-q'] : ['index-pack', '--stdin'];
  const sink = startGit(await privateGit(repo), unpacking, { config: [STREAMED_ABOVE, ...FLUSHED] });
  sink.stdout.resume();
  source.stdin.on('error', () => undefined);
  source.stdin.end(`${objects.join('\n')}\n`);
  const problem = await pipeline(source.stdout, sink.stdin).catch((error: unknown) => error);
  if (problem !== undefined) source.kill();
  const [packed, unpacked] = await Promise.allSettled([endOf(source, packing), endOf(sink, unpacking)]);
  // The receiver may close the pipe as soon as it has the pack's checksum: its own success is what counts.
  if (unpacked.status === 'fulfilled' && (packed.status === 'fulfilled' || isBrokenPipe(problem))) return;
  throw packed.status === 'rejected' && !isBrokenPipe(problem) ? packed.reason : failureOf(unpacked, problem);
}

function failureOf(ended: PromiseSettledResult<void>, problem: unknown): unknown {
  return ended.status === 'rejected' ? ended.reason : problem;
}
