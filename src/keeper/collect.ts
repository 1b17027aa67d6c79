/** Collecting an attempt: list, leave out what did not really change, stream the rest, compute the resulting tree. */

import { createHash } from 'node:crypto';
import type { Outbound } from '../session/streams.ts';
import type { Flag } from '../types.ts';
import { breathe, type Candidate, type Listing, type ListOptions, listChanges } from './changes.ts';
import { ReadRoot, SMALL } from './files.ts';
import { type BytePath, pathBytes, printable } from './names.ts';
import { RECORD, RecordWriter } from './records.ts';
import {
  hashObject,
  isFolder,
  type ObjectFormat,
  resultingTree,
  SYMLINK_MODE,
  type TreeEdit,
  type TreeEntry,
} from './tree.ts';

export interface CollectOptions extends ListOptions {
  readonly format: ObjectFormat;
  /** Most bytes of changed files, by their apparent size; the largest are left out until the rest fits. */
  readonly maxBytes: number;
}

/** What is known before content is streamed. */
export interface CollectedChanges {
  readonly deletes: readonly BytePath[];
  readonly changed: readonly Candidate[];
  /** Blobs that the base has where something was deleted or replaced: where files were moved, their content is among them. */
  readonly gone: ReadonlySet<string>;
  readonly flags: readonly Flag[];
  readonly ignored: number;
  readonly bytes: number;
}

/** Flag of a file that was left out for its size: the collection is not complete. */
const TOO_LARGE = 'too-large';
/** Files looked into between two looks at other requests. */
const FILES_AT_ONCE = 50;
const NOTHING = Buffer.alloc(0);
const SETUID_OR_SETGID = 0o6000;

/**
 * Lists, then reads only files that could be as they were in the base (same mode and size). What is too large for the
 * cap is left out with the flag `too-large`. @throws CallFault COLLECT_TOO_LARGE for too many entries
 */
export async function findChanges(upper: string, options: CollectOptions): Promise<CollectedChanges> {
  const listing = await listChanges(upper, options);
  const changed = await differing(new ReadRoot(upper), listing.candidates, options);
  const { kept, left, bytes } = fitting(changed, options.maxBytes);
  return {
    deletes: [...listing.deletes].sort(),
    changed: kept.sort((a, b) => (a.path < b.path ? -1 : 1)),
    gone: await goneBlobs(listing, kept, options),
    flags: flagsOf(listing, kept, left),
    ignored: listing.ignored,
    bytes,
  };
}

/** Those that are not as the base has them; only files of the base's mode and size are read. */
export async function differing(
  root: ReadRoot,
  candidates: readonly Candidate[],
  options: Pick<CollectOptions, 'format' | 'objects'>,
): Promise<Candidate[]> {
  const doubtful: Candidate[] = [];
  const changed: Candidate[] = [];
  const same = await Promise.all(candidates.map((one) => couldBeAsBefore(one, options)));
  for (const [at, one] of candidates.entries()) (same[at] === true ? doubtful : changed).push(one);
  for (const [at, one] of doubtful.entries()) {
    if ((await blobId(root, one, options.format)) !== one.known?.id) changed.push(one);
    if (at % FILES_AT_ONCE === 0) await breathe();
  }
  return changed;
}

/** Streams the flags: there may be more of them than fit into one answer. */
export async function sendFlags(flags: readonly Flag[], out: Pick<Outbound, 'write'>): Promise<void> {
  const writer = new RecordWriter(out);
  for (const flag of flags) {
    const body = Buffer.from(JSON.stringify(flag));
    await writer.head(RECORD.flag, NOTHING, body.length);
    await writer.body(body);
  }
  await writer.flush();
}

/**
 * Streams deletes, then files and symlinks, then the id of the resulting tree.
 * @throws CallFault KEEPER_CHANGED_WHILE_READ when a file is not what was listed any more
 */
export async function sendChanges(
  upper: string,
  found: CollectedChanges,
  options: CollectOptions,
  out: Pick<Outbound, 'write'>,
): Promise<void> {
  const writer = new RecordWriter(out);
  const root = new ReadRoot(upper);
  const sending = { writer, format: options.format, gone: found.gone };
  const edits: TreeEdit[] = found.deletes.map((path) => ({ path, kind: 'delete' }));
  for (const path of found.deletes) await writer.head(RECORD.delete, pathBytes(path), 0);
  for (const [at, one] of found.changed.entries()) {
    const id = one.kind === 'symlink' ? await sendSymlink(root, one, sending) : await sendFile(root, one, sending);
    edits.push({ path: one.path, kind: 'put', mode: gitMode(one), id });
    if (at % FILES_AT_ONCE === 0) await breathe();
  }
  const tree = await resultingTree(options.tree, edits, {
    read: (id) => options.objects.tree(id),
    format: options.format,
  });
  const body = Buffer.from(tree);
  await writer.head(RECORD.tree, NOTHING, body.length);
  await writer.body(body);
  await writer.flush();
}

/** Found by reading the deleted folders in the base; not to the end where there are more of these than files to be sent. */
async function goneBlobs(listing: Listing, kept: readonly Candidate[], options: CollectOptions): Promise<Set<string>> {
  const replaced = kept.map((one) => one.known).filter((known) => known !== undefined);
  const blobs = new Set<string>();
  let entries: readonly TreeEntry[] = [...listing.deleted, ...replaced];
  for (let left = kept.length; ; ) {
    const folders = entries.filter(isFolder);
    for (const { mode, id } of entries) if (mode.startsWith('100')) blobs.add(id);
    left -= folders.length;
    if (folders.length === 0 || left < 0) return blobs;
    const trees = await Promise.all(folders.map(({ id }) => options.objects.tree(id)));
    entries = trees.flatMap((tree) => [...tree.values()]);
  }
}

interface Sending {
  readonly writer: RecordWriter;
  readonly format: ObjectFormat;
  readonly gone: ReadonlySet<string>;
}

async function sendSymlink(root: ReadRoot, one: Candidate, { writer, format }: Sending): Promise<string> {
  const target = root.target(one.path);
  await writer.head(RECORD.symlink, pathBytes(one.path), target.length);
  await writer.body(target);
  return hashObject('blob', target, format);
}

/** A file that was moved is sent by its blob's id alone: the other side has the base. */
async function sendFile(root: ReadRoot, one: Candidate, sending: Sending): Promise<string> {
  if (one.stat.size > SMALL) {
    // Read twice where it may have been moved: reading costs less than sending.
    const moved = sending.gone.size > 0 ? await blobId(root, one, sending.format) : null;
    return moved !== null && sending.gone.has(moved) ? sendKnown(one, moved, sending) : sendBig(root, one, sending);
  }
  const chunks: Buffer[] = [];
  await root.read(one.path, one.stat, (chunk) => {
    chunks.push(chunk);
  });
  const content = Buffer.concat(chunks);
  const id = hashObject('blob', content, sending.format);
  if (sending.gone.has(id)) return sendKnown(one, id, sending);
  await sending.writer.head(
    isExecutable(one.stat.mode) ? RECORD.executable : RECORD.file,
    pathBytes(one.path),
    content.length,
  );
  await sending.writer.body(content);
  return id;
}

async function sendKnown(one: Candidate, id: string, { writer }: Sending): Promise<string> {
  const body = Buffer.from(id);
  await writer.head(
    isExecutable(one.stat.mode) ? RECORD.knownExecutable : RECORD.known,
    pathBytes(one.path),
    body.length,
  );
  await writer.body(body);
  return id;
}

async function sendBig(root: ReadRoot, one: Candidate, { writer, format }: Sending): Promise<string> {
  const kind = isExecutable(one.stat.mode) ? RECORD.executable : RECORD.file;
  await writer.head(kind, pathBytes(one.path), one.stat.size);
  const hash = createHash(format).update(`blob ${one.stat.size}\0`);
  await root.read(one.path, one.stat, (chunk) => {
    hash.update(chunk);
    return writer.body(chunk);
  });
  return hash.digest('hex');
}

async function blobId(root: ReadRoot, one: Candidate, format: ObjectFormat): Promise<string> {
  if (one.kind === 'symlink') return hashObject('blob', root.target(one.path), format);
  const hash = createHash(format).update(`blob ${one.stat.size}\0`);
  await root.read(one.path, one.stat, (chunk) => {
    hash.update(chunk);
  });
  return hash.digest('hex');
}

async function couldBeAsBefore(one: Candidate, options: Pick<CollectOptions, 'objects'>): Promise<boolean> {
  const { known } = one;
  if (known === undefined || !sameKind(one, known)) return false;
  return one.kind === 'symlink' || (await options.objects.size(known.id)) === one.stat.size;
}

/** Old trees hold modes like 100664: for git only the owner's x bit counts. */
function sameKind(one: Candidate, known: TreeEntry): boolean {
  if (one.kind === 'symlink') return known.mode === SYMLINK_MODE;
  return known.mode.startsWith('100') && isExecutable(Number.parseInt(known.mode, 8)) === isExecutable(one.stat.mode);
}

function gitMode(one: Candidate): string {
  if (one.kind === 'symlink') return SYMLINK_MODE;
  return isExecutable(one.stat.mode) ? '100755' : '100644';
}

function isExecutable(mode: number): boolean {
  return (mode & 0o100) !== 0;
}

interface Fitting {
  readonly kept: Candidate[];
  readonly left: readonly Candidate[];
  /** Of what is kept. */
  readonly bytes: number;
}

function fitting(candidates: readonly Candidate[], maxBytes: number): Fitting {
  let bytes = candidates.reduce((sum, one) => sum + one.stat.size, 0);
  const kept = [...candidates].sort((a, b) => b.stat.size - a.stat.size || (a.path < b.path ? -1 : 1));
  let leave = 0;
  for (const one of kept) {
    if (bytes <= maxBytes) break;
    bytes -= one.stat.size;
    leave += 1;
  }
  return { left: kept.splice(0, leave), kept, bytes };
}

function flagsOf(listing: Listing, changed: readonly Candidate[], left: readonly Candidate[]): readonly Flag[] {
  const large = left.map((one) => ({
    code: TOO_LARGE,
    path: printable(one.path),
    detail: `${one.stat.size} bytes are more than a patch may have: left out`,
  }));
  const setuid = changed
    .filter((one) => one.kind === 'file' && (one.stat.mode & SETUID_OR_SETGID) !== 0)
    .map((one) => ({
      code: 'setuid',
      path: printable(one.path),
      detail: 'setuid or setgid: kept as an ordinary file',
    }));
  return [...listing.flags, ...setuid, ...large].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}
