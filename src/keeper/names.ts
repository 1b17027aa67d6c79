/**
 * Paths inside the keeper: bytes, held as latin1 strings (one character per byte), so that they can be keys and sort as
 * bytes do. Also: which paths git refuses, and how a path is shown to people.
 */

import { CallFault } from '../session/protocol.ts';

/** One character per byte; parts are separated by `/`, no part is empty, `.` or `..`. The root is ''. */
export type BytePath = string;

export function bytePath(bytes: Buffer): BytePath {
  return bytes.toString('latin1');
}

export function pathBytes(path: BytePath): Buffer {
  return Buffer.from(path, 'latin1');
}

export function join(folder: BytePath, name: BytePath): BytePath {
  return folder === '' ? name : `${folder}/${name}`;
}

/** The folder that holds it; '' for what lies in the root. */
export function parentOf(path: BytePath): BytePath {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** Whether the name is `.git` in any case: git never stores it. */
export function isDotGit(name: BytePath): boolean {
  return name.toLowerCase() === '.git';
}

/**
 * Whether git refuses a name with its protections for HFS+ and NTFS switched on, whatever the system: what passes can
 * be checked out everywhere that its characters exist. The rules are those of git's verify_path (read-cache.c), a
 * little stricter: what HFS+ ignores is also ignored before NTFS's rules are applied.
 * @param symlink whether the entry is a symbolic link (which may not be called `.gitmodules`)
 */
export function gitRefuses(name: BytePath, symlink: boolean): boolean {
  return refuses(name, symlink) || refuses(name.replace(HFS_IGNORED_BYTES, ''), symlink);
}

function refuses(name: BytePath, symlink: boolean): boolean {
  if (name === '' || name === '.' || name === '..' || isDotGit(name)) return true;
  if (hfsEquals(name, '.git') || (symlink && hfsEquals(name, '.gitmodules'))) return true;
  // On NTFS a backslash separates folders.
  return name.split('\\').some((part, at, parts) => {
    const rest = parts.slice(at).join('\\');
    return isNtfsDotGit(part) || (symlink && isNtfsDotGitmodules(rest));
  });
}

/** `.git` or its short name `git~1`, then dots and spaces, then perhaps an alternate stream. */
function isNtfsDotGit(part: BytePath): boolean {
  return /^(?:\.git|git~1)[. ]*(?::|$)/i.test(part);
}

/** git's is_ntfs_dot_generic for `.gitmodules`, whose hashed short name begins with `gi7eba`. */
function isNtfsDotGitmodules(name: BytePath): boolean {
  if (/^(?:\.gitmodules|gitmod~[1-4])[. ]*(?::|$)/i.test(name)) return true;
  const short = /^[^~]{0,6}~[1-9][0-9]*/.exec(name)?.[0].slice(0, 8);
  if (short === undefined || short.length < 8) return false;
  const stem = short.slice(0, short.indexOf('~')).toLowerCase();
  return 'gi7eba'.startsWith(stem) && /^[. ]*(?::|$)/.test(name.slice(8));
}

const HFS_IGNORED: ReadonlySet<number> = new Set([
  0x200c, 0x200d, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x206a, 0x206b, 0x206c, 0x206d, 0x206e,
  0x206f, 0xfeff,
]);

/** The same code points as UTF-8 in a name. */
const HFS_IGNORED_BYTES = /\xe2\x80[\x8c-\x8f\xaa-\xae]|\xe2\x81[\xaa-\xaf]|\xef\xbb\xbf/g;

/** HFS+ drops some code points and folds case; like git, malformed UTF-8 counts as the end of the name. */
function hfsEquals(name: BytePath, wanted: string): boolean {
  let seen = '';
  for (const point of codePoints(pathBytes(name))) {
    if (HFS_IGNORED.has(point)) continue;
    if (point > 127) return false;
    seen += String.fromCharCode(point).toLowerCase();
    if (!wanted.startsWith(seen)) return false;
  }
  return seen === wanted;
}

/** As git's pick_one_utf8_char decodes: up to the first malformed byte. */
function* codePoints(bytes: Buffer): Generator<number> {
  let at = 0;
  while (at < bytes.length) {
    const character = characterAt(bytes, at);
    if (character === null) return;
    const point = character.codePointAt(0) ?? 0;
    // git refuses these two code points as malformed.
    if (point === 0xfffe || point === 0xffff) return;
    yield point;
    at += Buffer.byteLength(character);
  }
}

const STRICT = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The character of valid UTF-8 that begins here, or null. */
function characterAt(bytes: Buffer, at: number): string | null {
  const first = bytes[at] ?? 0;
  const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  try {
    return STRICT.decode(bytes.subarray(at, at + length));
  } catch {
    return null;
  }
}

/** Printable UTF-8 of a path: controls, what has no ink and malformed bytes are shown as `\xNN`. */
export function printable(path: BytePath): string {
  const bytes = pathBytes(path);
  let shown = '';
  for (let at = 0; at < bytes.length; ) {
    const character = characterAt(bytes, at);
    const length = character === null ? 1 : Buffer.byteLength(character);
    shown +=
      character === null || /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u.test(character)
        ? escaped(bytes, at, length)
        : character;
    at += length;
  }
  return shown;
}

function escaped(bytes: Buffer, at: number, length: number): string {
  return [...bytes.subarray(at, at + length)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
}

/** @throws CallFault unless it is an object id: it becomes part of a path */
export function objectIdParam(value: unknown): string {
  if (typeof value === 'string' && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(value)) return value;
  throw new CallFault('KEEPER_BAD_CALL', `not an object id: ${JSON.stringify(value)}`);
}

/** @throws CallFault unless it is an attempt's id: it becomes part of a path */
export function attemptParam(value: unknown): string {
  if (typeof value === 'string' && /^[a-z0-9][a-z0-9.-]{0,79}$/.test(value)) return value;
  throw new CallFault('KEEPER_BAD_CALL', `not an attempt: ${JSON.stringify(value)}`);
}
