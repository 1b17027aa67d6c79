/** Bytes as git writes and reads them: quoted paths, printable paths, object ids. */

import { createHash } from 'node:crypto';
import type { ObjectId } from '../types.ts';

export type ObjectFormat = 'sha1' | 'sha256';

const EMPTY_TREES: Record<ObjectFormat, ObjectId> = {
  sha1: '4b825dc642cb6eb9a060e54bf8d69288fbee4904' as ObjectId,
  sha256: '6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321' as ObjectId,
};

/** Id of the tree without entries. git knows it, whether or not the object exists. */
export function emptyTree(format: ObjectFormat): ObjectId {
  return EMPTY_TREES[format];
}

/** The id that means "no object". */
export function zeroId(format: ObjectFormat): ObjectId {
  return '0'.repeat(format === 'sha1' ? 40 : 64) as ObjectId;
}

/** Id of an object as git computes it: hash of `<type> <length>\0<content>`. */
export function objectId(format: ObjectFormat, type: 'blob' | 'tree' | 'commit', content: Buffer): ObjectId {
  return createHash(format).update(`${type} ${content.length}\0`).update(content).digest('hex') as ObjectId;
}

/** A path in git's C-style quotes (quote.c): ASCII only, every other byte as three octal digits. */
export function quotePath(path: Buffer): string {
  let quoted = '"';
  for (const byte of path) {
    if (byte === 0x22 || byte === 0x5c) quoted += `\\${String.fromCharCode(byte)}`;
    else if (byte >= 0x20 && byte < 0x7f) quoted += String.fromCharCode(byte);
    else quoted += `\\${byte.toString(8).padStart(3, '0')}`;
  }
  return `${quoted}"`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** A path for people: valid UTF-8 as it is; bytes that are not, and control characters, as `\xNN`. */
export function printablePath(path: Buffer): string {
  const text = path.toString('utf8');
  if (!text.includes('\ufffd') && !CONTROL.test(text)) return text;
  let printable = '';
  for (let at = 0; at < path.length; ) {
    const length = characterLength(path, at);
    const character = path.subarray(at, at + Math.max(length, 1));
    const shown = character.toString('utf8');
    if (length === 0 || CONTROL.test(shown)) {
      for (const byte of character) printable += `\\x${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    } else printable += shown;
    at += character.length;
  }
  return printable;
}

/** Bytes of the valid UTF-8 character at `at`; 0 where there is none. */
function characterLength(bytes: Buffer, at: number): number {
  const lead = bytes[at] ?? 0;
  const length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  const character = bytes.subarray(at, at + length);
  return character.length === length && Buffer.from(character.toString('utf8')).equals(character) ? length : 0;
}

/** Splits NUL-terminated fields as `-z` prints them. */
export function splitNul(bytes: Buffer): Buffer[] {
  const fields: Buffer[] = [];
  for (let from = 0; from < bytes.length; ) {
    const end = bytes.indexOf(0, from);
    fields.push(bytes.subarray(from, end === -1 ? bytes.length : end));
    from = end === -1 ? bytes.length : end + 1;
  }
  return fields;
}

/** At most `limit` names, joined for a sentence: `a, b and 3 more`. */
export function nameSome(names: readonly string[], limit = 5): string {
  const shown = names.slice(0, limit).join(', ');
  return names.length > limit ? `${shown} and ${names.length - limit} more` : shown;
}
