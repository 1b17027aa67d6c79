/** Reading and writing of regular files, whatever stands under their name: never waits for a FIFO, never opens a device's depths. */

import { constants } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import path from 'node:path';

/** What the editor takes. */
const MAX_FILE = 10 * 1024 * 1024;

/** Something that the model should know; its message is the tool's answer. */
export class EditProblem extends Error {
  override readonly name = 'EditProblem';
}

/** A file that is open for reading, or for reading and writing. */
export class OpenFile implements AsyncDisposable {
  private constructor(
    readonly name: string,
    readonly handle: FileHandle,
  ) {}

  /** @throws EditProblem when it is not there, not regular or too big */
  static async open(name: string, flags: 'read' | 'write'): Promise<OpenFile> {
    // Not to wait for whoever is at the other end of a FIFO.
    const access =
      (flags === 'read' ? constants.O_RDONLY : constants.O_RDWR) | constants.O_NONBLOCK | constants.O_NOCTTY;
    const handle = await open(name, access).catch((error: unknown) => {
      throw problemOf(name, error);
    });
    const stats = await handle.stat();
    if (stats.isFile() && stats.size <= MAX_FILE) return new OpenFile(name, handle);
    await handle.close();
    if (stats.isDirectory()) throw new EditProblem(`${name} is a folder`);
    if (!stats.isFile()) throw new EditProblem(`${name} is not a regular file`);
    throw new EditProblem(`${name} has ${stats.size} bytes: too big for the editor, use bash`);
  }

  /** Creates it with the folders above it. @throws EditProblem, also when it is there already */
  static async create(name: string): Promise<OpenFile> {
    try {
      await mkdir(path.dirname(name), { recursive: true });
      return new OpenFile(name, await open(name, 'wx'));
    } catch (error) {
      throw problemOf(name, error);
    }
  }

  /** Files of the kernel have no size that could be believed: reads to the end, or to the limit. */
  async read(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let total = 0;
    for (;;) {
      const chunk = Buffer.alloc(64 * 1024);
      const { bytesRead } = await this.handle.read(chunk, 0, chunk.length, total).catch((error: unknown) => {
        throw problemOf(this.name, error);
      });
      if (bytesRead === 0) return Buffer.concat(chunks);
      chunks.push(chunk.subarray(0, bytesRead));
      total += bytesRead;
      if (total > MAX_FILE) throw new EditProblem(`${this.name} is too big for the editor, use bash`);
    }
  }

  /** In place: mode, owner and links stay. What was there comes back where the disk does not take the new content. */
  async replace(content: Buffer, before: Buffer): Promise<void> {
    if (content.length > MAX_FILE) throw new EditProblem(`${this.name} would become too big for the editor`);
    try {
      await this.#put(content);
    } catch (error) {
      await this.#put(before).catch(() => {});
      throw problemOf(this.name, error);
    }
  }

  async #put(content: Buffer): Promise<void> {
    let at = 0;
    while (at < content.length) at += (await this.handle.write(content, at, content.length - at, at)).bytesWritten;
    await this.handle.truncate(content.length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.handle.close();
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'is below something that is not a folder',
  EISDIR: 'is a folder',
  EACCES: 'may not be accessed',
  EPERM: 'may not be accessed',
  EROFS: 'is in a read-only file system',
  EEXIST: 'exists already',
  ELOOP: 'goes round in symlinks',
  ENXIO: 'is not a regular file',
  ENOSPC: 'cannot be written: the disk is full',
  EDQUOT: 'cannot be written: the disk is full',
  ENAMETOOLONG: 'has too long a name',
  ETXTBSY: 'is a program that runs',
};

export function problemOf(name: string, error: unknown): EditProblem {
  if (error instanceof EditProblem) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return new EditProblem(
    `${name} ${REASONS[code] ?? `cannot be used: ${error instanceof Error ? error.message : error}`}`,
  );
}
