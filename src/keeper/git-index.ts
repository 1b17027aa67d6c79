/** The stat data in a git index (gitformat-index(5), versions 2 and 3): read, and renewed for files that were copied. */

import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { CallFault } from '../session/protocol.ts';
import { type BytePath, bytePath } from './names.ts';
import type { ObjectFormat } from './tree.ts';

const HEADER = 12;
/** Ten u32: ctime s, ctime ns, mtime s, mtime ns, dev, ino, mode, uid, gid, size. */
const STAT = 40;
const EXTENDED = 0x4000;

/** What is remembered of a file: who changed it afterwards could not have kept all of it. */
export interface Stamp {
  readonly id: string;
  /** As Node computes it from the same nanoseconds. Nobody can set it but the kernel. */
  readonly ctimeMs: number;
  /** The lower 32 bits. */
  readonly ino: number;
  readonly size: number;
}

/** @throws CallFault KEEPER_BAD_INDEX */
export function stampsOf(index: Buffer, format: ObjectFormat): Map<BytePath, Stamp> {
  const stamps = new Map<BytePath, Stamp>();
  for (const { at, idAt, name } of entriesOf(index, format)) {
    stamps.set(bytePath(name), {
      id: index.toString('hex', idAt, idAt + idBytes(format)),
      ctimeMs: index.readUInt32BE(at) * 1000 + index.readUInt32BE(at + 4) / 1_000_000,
      ino: index.readUInt32BE(at + 20),
      size: index.readUInt32BE(at + 36),
    });
  }
  return stamps;
}

/** Writes the stat data of the files as they are now into the index, in place. @throws CallFault KEEPER_BAD_INDEX */
export function restamp(index: Buffer, format: ObjectFormat, lstat: (path: Buffer) => BigIntStats): void {
  const second = 1_000_000_000n;
  for (const { at, name } of entriesOf(index, format)) {
    const stat = lstat(name);
    const fields = [
      ...[stat.ctimeNs / second, stat.ctimeNs % second, stat.mtimeNs / second, stat.mtimeNs % second],
      ...[stat.dev, stat.ino],
    ];
    for (const [nth, value] of fields.entries()) index.writeUInt32BE(Number(BigInt.asUintN(32, value)), at + 4 * nth);
    index.writeUInt32BE(Number(BigInt.asUintN(32, stat.size)), at + 36);
  }
  const end = index.length - idBytes(format);
  createHash(format).update(index.subarray(0, end)).digest().copy(index, end);
}

interface Entry {
  readonly at: number;
  readonly idAt: number;
  readonly name: Buffer;
}

function* entriesOf(index: Buffer, format: ObjectFormat): Generator<Entry> {
  const version = index.length < HEADER ? 0 : index.readUInt32BE(4);
  if (index.toString('latin1', 0, 4) !== 'DIRC' || (version !== 2 && version !== 3)) throw badIndex();
  let at = HEADER;
  for (let left = index.readUInt32BE(8); left > 0; left -= 1) {
    const idAt = at + STAT;
    const flagsAt = idAt + idBytes(format);
    if (flagsAt + 2 > index.length) throw badIndex();
    const nameAt = flagsAt + ((index.readUInt16BE(flagsAt) & EXTENDED) === 0 ? 2 : 4);
    const nameEnd = index.indexOf(0, nameAt);
    if (nameEnd < 0) throw badIndex();
    yield { at, idAt, name: index.subarray(nameAt, nameEnd) };
    // One to eight NULs, so that the entry's length is a multiple of eight.
    at += ((nameEnd - at) & ~7) + 8;
  }
}

function idBytes(format: ObjectFormat): number {
  return format === 'sha1' ? 20 : 32;
}

function badIndex(): CallFault {
  return new CallFault('KEEPER_BAD_INDEX', 'the index of a layer is not as git writes it');
}
