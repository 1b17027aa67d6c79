/** Reading what an agent left. Every folder and file is checked to be where its path says: no symlink leads elsewhere. */

import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  opendirSync,
  openSync,
  readlinkSync,
  readSync,
  type Stats,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { CallFault } from '../session/protocol.ts';
import { type BytePath, bytePath, pathBytes, printable } from './names.ts';

/** Files up to this many bytes are read in one go, without the way through the thread pool. */
export const SMALL = 1 << 18;
/** The kernel takes no longer path, its final NUL not counted. */
const LONGEST_PATH = 4095;

export interface FoundEntry {
  readonly name: BytePath;
  readonly stat: Stats;
}

/** A folder whose content is read by paths relative to it. */
export class ReadRoot {
  /** Absolute, without symlinks on the way. */
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Whether a path is short enough to be opened. */
  reaches(path: BytePath): boolean {
    return Buffer.byteLength(this.#root) + 1 + path.length <= LONGEST_PATH;
  }

  /**
   * The entries of a folder, in no order, with their lstat.
   * @param count called for every entry; may throw to stop
   * @throws CallFault KEEPER_CHANGED_WHILE_READ when it is not a folder any more
   */
  list(folder: BytePath, count: (name: BytePath) => void): FoundEntry[] {
    const fd = this.#open(folder, constants.O_DIRECTORY);
    try {
      const anchor = `/proc/self/fd/${fd}`;
      const found: FoundEntry[] = [];
      for (const name of this.#names(anchor)) {
        count(name);
        found.push({ name, stat: lstatSync(Buffer.concat([Buffer.from(`${anchor}/`), pathBytes(name)])) });
      }
      return found;
    } catch (error) {
      throw asFault(error, folder);
    } finally {
      closeSync(fd);
    }
  }

  /** The target of a symlink, unread by anybody. */
  target(path: BytePath): Buffer {
    try {
      return readlinkSync(this.#absolute(path), { encoding: 'buffer' });
    } catch (error) {
      throw asFault(error, path);
    }
  }

  /**
   * Hands the content of a regular file to `sink`, which must not keep it waiting for another file.
   * @throws CallFault KEEPER_CHANGED_WHILE_READ when it is not the file, or not of the size and time, that was listed
   */
  async read(path: BytePath, listed: Stats, sink: (chunk: Buffer) => Promise<void> | void): Promise<void> {
    const fd = this.#open(path, constants.O_NONBLOCK);
    try {
      requireSame(fstatSync(fd), listed, path);
      if (listed.size <= SMALL) {
        const content = Buffer.allocUnsafe(listed.size);
        for (let at = 0; at < content.length; ) {
          const bytes = readSync(fd, content, at, content.length - at, null);
          if (bytes === 0) throw changed(path);
          at += bytes;
        }
        requireSame(fstatSync(fd), listed, path);
        if (content.length > 0) await sink(content);
        return;
      }
      await this.#readBig(fd, { path, listed, sink });
    } finally {
      closeSync(fd);
    }
  }

  async #readBig(
    fd: number,
    file: { path: BytePath; listed: Stats; sink: (chunk: Buffer) => Promise<void> | void },
  ): Promise<void> {
    await using handle = await open(`/proc/self/fd/${fd}`, constants.O_RDONLY | constants.O_NONBLOCK);
    let left = file.listed.size;
    while (left > 0) {
      const buffer = Buffer.allocUnsafe(Math.min(SMALL, left));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) throw changed(file.path);
      left -= bytesRead;
      await file.sink(buffer.subarray(0, bytesRead));
    }
    requireSame(fstatSync(fd), file.listed, file.path);
  }

  #open(path: BytePath, flags: number): number {
    const absolute = this.#absolute(path);
    let fd: number;
    try {
      fd = openSync(absolute, constants.O_RDONLY | constants.O_NOFOLLOW | flags);
    } catch (error) {
      throw asFault(error, path);
    }
    if (readlinkSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' }).equals(absolute)) return fd;
    closeSync(fd);
    throw changed(path);
  }

  #absolute(path: BytePath): Buffer {
    return path === '' ? Buffer.from(this.#root) : Buffer.concat([Buffer.from(`${this.#root}/`), pathBytes(path)]);
  }

  *#names(anchor: string): Generator<BytePath> {
    // The types know no encoding 'buffer' here; Node does.
    const folder = opendirSync(anchor, { encoding: 'buffer' as BufferEncoding, bufferSize: 256 });
    try {
      for (let entry = folder.readSync(); entry !== null; entry = folder.readSync()) {
        const name: unknown = entry.name;
        if (!Buffer.isBuffer(name)) throw new Error('names must come as bytes');
        yield bytePath(name);
      }
    } finally {
      folder.closeSync();
    }
  }
}

function requireSame(now: Stats, listed: Stats, path: BytePath): void {
  const same =
    now.isFile() &&
    now.ino === listed.ino &&
    now.size === listed.size &&
    now.mtimeMs === listed.mtimeMs &&
    now.ctimeMs === listed.ctimeMs;
  if (!same) throw changed(path);
}

function changed(path: BytePath): CallFault {
  return new CallFault('KEEPER_CHANGED_WHILE_READ', `${printable(path)} changed while it was read`);
}

function asFault(error: unknown, path: BytePath): unknown {
  if (error instanceof CallFault) return error;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP' || code === 'EINVAL') return changed(path);
  if (typeof code !== 'string') return error;
  return new CallFault('KEEPER_UNREADABLE', `${printable(path)} cannot be read (${code})`);
}
