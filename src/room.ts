/** What a file system has room for. */

import { statfs } from 'node:fs/promises';
import type { Amount } from './sandbox/sandbox.ts';

export interface Room {
  /** Bytes. */
  readonly disk: Amount;
  /** 0 of 0 where the file system has no fixed number. */
  readonly inodes: Amount;
}

/** Of the file system that holds `folder`; rejects as `statfs` does. */
export async function roomAt(folder: string): Promise<Room> {
  const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(folder);
  // What is set aside for root is not to be had, and not part of the whole.
  return {
    disk: { free: bavail * bsize, total: (blocks - bfree + bavail) * bsize },
    inodes: { free: ffree, total: files },
  };
}
