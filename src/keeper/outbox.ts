/**
 * Reading what an agent puts into `/context/outbox`. The folder is the agent's: whatever is in there is looked at without
 * following, blocking or reading more than a little of it.
 */

import { closeSync, constants, fstatSync, lstatSync, opendirSync, openSync, readSync, type Stats } from 'node:fs';
import { isMissing } from './layers.ts';
import { type BytePath, bytePath, pathBytes, printable } from './names.ts';

/** Of one file; what comes after is not read. */
const READ_BYTES = 1 << 14;
/** Entries of a folder that are looked at, in the folder's own order; more of them are not seen. */
const MOST_ENTRIES = 1000;
const LONGEST_NAME = 100;
/** Room that an answer needs besides what it says. */
const OVERHEAD = 100;

export interface OutboxFile {
  /** Printable. */
  readonly name: string;
  /** Bytes of the whole file. */
  readonly size: number;
  /** How it begins, at most READ_BYTES of it. */
  readonly text: string;
}

export interface RefusedFile {
  readonly name: string;
  /** For people: `is a symbolic link`. */
  readonly reason: string;
}

export interface OutboxNews {
  readonly files: readonly OutboxFile[];
  readonly refused: readonly RefusedFile[];
  /** Files that there was no leave to take. */
  readonly left: number;
  /** There is more than fits into one answer: look again. */
  readonly more: boolean;
}

export const NO_NEWS: OutboxNews = { files: [], refused: [], left: 0, more: false };

export interface Look {
  /** Files that may be taken. */
  readonly most: number;
  /** Nobody writes any more: nothing can be unfinished. */
  readonly final: boolean;
  /** Bytes of JSON that the answer may have. */
  readonly room: number;
}

interface Entry {
  readonly name: BytePath;
  readonly stat: Stats;
  /** The same as long as nobody touches it. */
  readonly stamp: string;
}

/** One outbox over time: each state of a file is told once, when two looks in a row found it the same. */
export class Outbox {
  #seen: ReadonlyMap<BytePath, string> = new Map();
  #told: ReadonlyMap<BytePath, string> = new Map();

  /** @param folder absolute, and nobody but root can put another in its place; missing: there is no news */
  look(folder: string, { most, final, room }: Look): OutboxNews {
    const fd = openFolder(folder);
    if (fd === null) return NO_NEWS;
    try {
      const entries = entriesOf(fd);
      // Of files that are gone nothing is remembered: an agent must not be able to make this grow.
      const told = new Map(entries.filter(({ name, stamp }) => this.#told.get(name) === stamp).map(namedStamp));
      const files: OutboxFile[] = [];
      const refused: RefusedFile[] = [];
      let left = 0;
      let used = 0;
      let more = false;
      for (const entry of entries.sort(byAge)) {
        if (told.has(entry.name) || !(final || this.#seen.get(entry.name) === entry.stamp)) continue;
        // Whoever makes a file and writes it later is not done.
        if (entry.stat.isFile() && entry.stat.size === 0 && !final) continue;
        if (files.length >= most && refusalOf(entry.stat) === null) {
          left += 1;
          continue;
        }
        const found = read(fd, entry);
        used += Buffer.byteLength(JSON.stringify(found)) + OVERHEAD;
        if (used > room) {
          more = true;
          break;
        }
        if ('text' in found) files.push(found);
        else refused.push(found);
        told.set(entry.name, entry.stamp);
      }
      this.#seen = new Map(entries.map(namedStamp));
      this.#told = told;
      return { files, refused, left, more };
    } finally {
      closeSync(fd);
    }
  }
}

function openFolder(folder: string): number | null {
  try {
    return openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** Names that begin with a dot are the agent's own business: unfinished files, editors' swap files. */
function entriesOf(fd: number): Entry[] {
  // The types know no encoding 'buffer' here; Node does.
  const folder = opendirSync(pathIn(fd, ''), { encoding: 'buffer' as BufferEncoding, bufferSize: 256 });
  const entries: Entry[] = [];
  try {
    for (let looked = 0; looked < MOST_ENTRIES; looked += 1) {
      const found: { readonly name: unknown } | null = folder.readSync();
      if (found === null) break;
      if (!Buffer.isBuffer(found.name)) throw new Error('names must come as bytes');
      const name = bytePath(found.name);
      if (name.startsWith('.')) continue;
      const stat = statOf(fd, name);
      if (stat === null) continue;
      entries.push({ name, stat, stamp: `${stat.ino} ${stat.mode} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}` });
    }
  } finally {
    folder.closeSync();
  }
  return entries;
}

function statOf(fd: number, name: BytePath): Stats | null {
  try {
    return lstatSync(pathIn(fd, name));
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

function namedStamp({ name, stamp }: Entry): [BytePath, string] {
  return [name, stamp];
}

function byAge(a: Entry, b: Entry): number {
  return a.stat.mtimeMs - b.stat.mtimeMs || (a.name < b.name ? -1 : 1);
}

/** Why nothing is read from it; null: it can be tried. */
function refusalOf(stat: Stats): string | null {
  if (stat.isDirectory()) return 'is a folder: a note is a file';
  if (stat.isSymbolicLink()) return 'is a symbolic link';
  if (!stat.isFile()) return 'is a special file';
  if (stat.nlink > 1) return 'has another name elsewhere (a hard link)';
  return stat.size === 0 ? 'is empty' : null;
}

function read(folder: number, { name, stat }: Entry): OutboxFile | RefusedFile {
  const shown = printable(name).slice(0, LONGEST_NAME);
  const refused = (reason: string): RefusedFile => ({ name: shown, reason });
  const reason = refusalOf(stat);
  if (reason !== null) return refused(reason);
  let fd: number;
  try {
    // Whatever it has become meanwhile, it is neither followed nor waited for.
    fd = openSync(pathIn(folder, name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return refused('cannot be opened');
  }
  try {
    const now = fstatSync(fd);
    if (now.ino !== stat.ino || refusalOf(now) !== null) return refused('changed while it was read');
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    let length = 0;
    for (let bytes = -1; length < READ_BYTES && bytes !== 0; length += bytes) {
      bytes = readSync(fd, buffer, length, READ_BYTES - length, null);
    }
    const text = textOf(buffer.subarray(0, length), now.size > length);
    return text === null ? refused('is not UTF-8 text') : { name: shown, size: now.size, text };
  } catch {
    return refused('cannot be read');
  } finally {
    closeSync(fd);
  }
}

/** @param cut the last character may not be whole */
function textOf(bytes: Buffer, cut: boolean): string | null {
  if (bytes.includes(0)) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: cut });
  } catch {
    return null;
  }
}

function pathIn(fd: number, name: BytePath): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), pathBytes(name)]);
}
