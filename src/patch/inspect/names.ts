/** Names and links in a patch that git takes, but that could fool a person or another file system. */

import { bytePath, gitRefuses, printable } from '../../keeper/names.ts';
import type { Flag } from '../../types.ts';
import { sideContent } from '../hunks.ts';
import type { ParsedPatch, PatchedFile } from '../parsed.ts';

const BIDI = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
const EVERY_BIDI = new RegExp(BIDI, 'g');
/** Format characters, blank letters, and spaces that are not the plain one. */
const INVISIBLE = /[\p{Cf}\p{Zl}\p{Zp}\u115f\u1160\u2800\u3164\uffa0]|[^\P{Zs} ]/u;
const PLAIN_NAME = /^[ -~]*$/;

/** The findings in order of the patch, each with the line of its file; those about pairs of names come last. */
export interface NameFinding {
  readonly line: number;
  readonly flag: Flag;
}

/**
 * Codes: `control-characters`, `bidi-characters`, `invisible-characters`, `not-utf8`, `backslash-path`, `submodule`,
 * `symlink-outside` (absolute, out of the tree, into `.git`, or not wholly shown by the patch) and `case-twin` (names in
 * this patch that some file systems take for one; the base may hold others).
 */
export function inspectNames(parsed: ParsedPatch): Flag[] {
  return [...nameFindings(parsed)].map(({ flag }) => flag);
}

/** The same, found one by one. */
export function* nameFindings(parsed: ParsedPatch): Generator<NameFinding> {
  for (const file of parsed.files) {
    const path = file.newPath ?? file.oldPath;
    const finding = (code: string, detail: string): NameFinding => ({
      line: file.line,
      flag: { code, path: printable(bytePath(path)), detail },
    });
    for (const [code, detail] of oddCharacters(path)) yield finding(code, detail);
    if (file.newMode === '160000' || file.oldMode === '160000') yield finding('submodule', 'a submodule is changed');
    const link = file.newMode === '120000' ? linkProblem(parsed, file) : null;
    if (link !== null) yield finding('symlink-outside', link);
  }
  yield* caseTwins(parsed.files);
}

function* oddCharacters(path: Buffer): Generator<readonly [string, string]> {
  const bytes = path.toString('latin1');
  if (bytes.includes('\\')) yield ['backslash-path', 'a backslash in its name is a folder on other systems'];
  if (PLAIN_NAME.test(bytes)) return;
  const text = path.toString('utf8');
  if (/\p{Cc}/u.test(text)) yield ['control-characters', 'control characters in its name'];
  if (BIDI.test(text)) yield ['bidi-characters', 'characters in its name that turn the direction of text'];
  if (INVISIBLE.test(text.replace(EVERY_BIDI, ''))) {
    yield ['invisible-characters', 'invisible characters or odd spaces in its name'];
  }
  if (!Buffer.from(text).equals(path)) yield ['not-utf8', 'its name is not UTF-8'];
}

/** What is wrong with the link that a file becomes, or null. */
function linkProblem(parsed: ParsedPatch, file: PatchedFile): string | null {
  if (file.newPath === null) return null;
  const target = linkTarget(parsed, file);
  if (target === null) return 'a symbolic link whose target the patch does not show';
  return judgeTarget(file.newPath.toString('latin1'), target.toString('latin1'));
}

function linkTarget(parsed: ParsedPatch, file: PatchedFile): Buffer | null {
  if (file.content.type !== 'text') return null;
  const { hunks } = file.content;
  const target = sideContent(parsed.bytes, hunks, 'new');
  if (file.kind === 'add') return target;
  // What a change shows is all of it only from the first line to the end, which a missing newline tells.
  const whole = hunks.length === 1 && hunks[0]?.newStart === 1 && target.at(-1) !== 0x0a;
  return whole ? target : null;
}

function judgeTarget(path: string, target: string): string | null {
  const leads = `leads to ${printable(target.length > 200 ? `${target.slice(0, 200)}...` : target)}`;
  if (/^[/\\]|^[a-z]:/i.test(target)) return `a symbolic link that ${leads}`;
  // A link among the parts is followed by the system, not by this count: that link is judged where it is made.
  let depth = path.split('/').length - 1;
  for (const part of target.split(/[/\\]/)) {
    if (part === '' || part === '.') continue;
    depth += part === '..' ? -1 : 1;
    if (depth < 0) return `a symbolic link out of the tree: it ${leads}`;
    if (part !== '..' && gitRefuses(part, false)) return `a symbolic link into .git: it ${leads}`;
  }
  return null;
}

/** Paths or folders of paths that differ, but not when case and composition of characters are folded. */
function* caseTwins(files: readonly PatchedFile[]): Generator<NameFinding> {
  const entries = files
    .flatMap(({ newPath, line }) => (newPath === null ? [] : [{ path: newPath.toString('latin1'), line }]))
    .map((one) => ({ ...one, folded: folded(one.path) }))
    .sort((a, b) => (a.folded < b.folded ? -1 : a.folded > b.folded ? 1 : 0));
  for (const [n, entry] of entries.entries()) {
    const before = entries[n - 1];
    if (before === undefined || !areTwins(before, entry)) continue;
    const detail = `differs from ${printable(before.path)} only in case or in how its letters are composed`;
    yield { line: entry.line, flag: { code: 'case-twin', path: printable(entry.path), detail } };
  }
}

interface FoldedPath {
  readonly path: string;
  /** Separated by NUL, so that what shares a folder stands together. */
  readonly folded: string;
}

function areTwins(a: FoldedPath, b: FoldedPath): boolean {
  if (a.path === b.path) return false;
  if (a.path.length === a.folded.length && b.path.length === b.folded.length) {
    let at = 0;
    while (a.path[at] === b.path[at]) at += 1;
    return a.folded.slice(0, partEnd(a.folded, at)) === b.folded.slice(0, partEnd(b.folded, at));
  }
  const [left, right] = [a.path.split('/'), b.path.split('/')];
  const [leftFolded, rightFolded] = [a.folded.split('\0'), b.folded.split('\0')];
  for (const [n, part] of leftFolded.entries()) {
    if (part !== rightFolded[n]) return false;
    if (left[n] !== right[n]) return true;
  }
  return false;
}

/** Where the part that holds this position ends. */
function partEnd(folded: string, at: number): number {
  const end = folded.indexOf('\0', at);
  return end === -1 ? folded.length : end;
}

/** Upper before lower case: some letters have one only in one direction. */
function folded(path: string): string {
  if (PLAIN_NAME.test(path)) return path.toLowerCase().replaceAll('/', '\0');
  const text = Buffer.from(path, 'latin1').toString('utf8');
  const isText = Buffer.from(text).equals(Buffer.from(path, 'latin1'));
  const name = isText ? text.normalize('NFD').toUpperCase().toLowerCase().normalize('NFD') : path;
  return name.replaceAll('/', '\0');
}
