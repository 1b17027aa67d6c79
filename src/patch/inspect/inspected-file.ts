/** One changed file as the rules see it: plain data, cut out of a parsed patch. */

import { bytePath, printable } from '../../keeper/names.ts';
import type { Flag } from '../../types.ts';
import type { FlagCode } from './codes.ts';

export interface Line {
  /** From 1, in the file before (removed) or after (added). */
  readonly number: number;
  /** Without its newline. */
  readonly text: string;
  /** The line that it stands below, as far as the patch shows it; only of short added lines. */
  readonly above?: string;
}

export interface InspectedFile {
  readonly kind: 'add' | 'delete' | 'modify' | 'rename' | 'copy';
  /** Printable; the old one of a file that is deleted. */
  readonly path: string;
  /** The path as rules compare it (see `comparable`). */
  readonly key: string;
  /** The path that a renamed file had, comparable; null for every other kind. */
  readonly oldKey: string | null;
  /** As git writes them; null where there is none or the patch does not tell. */
  readonly oldMode: string | null;
  readonly newMode: string | null;
  /** Whether only the name or the mode changes. */
  readonly contentStays: boolean;
  /** Whether git shows the content as lines. */
  readonly isText: boolean;
  readonly added: readonly Line[];
  readonly removed: readonly Line[];
  /** Size of the content after the change where it is binary; of the added lines where it is text. */
  readonly bytes: number;
  /** The first bytes of a binary content after the change, as far as they are known. */
  readonly head: Buffer;
  /** Whole contents, read for the files that `wantsWhole` names; null where there is none or it is too large. */
  readonly before: string | null;
  readonly after: string | null;
}

/** Pure; time and memory follow the size of the file. At most a few flags for a file: one for each code. */
export type Rule = (file: InspectedFile) => readonly Flag[];

/** Whether a file that rules compare as a whole is what it was, under the same name in perhaps another folder. */
export function isOnlyMoved({ contentStays, key, oldKey }: InspectedFile): boolean {
  const name = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
  return contentStays && (oldKey === null || name(oldKey) === name(key));
}

/** `detail` may quote the file: what cannot be shown is spelled out here. */
export function flagOf(file: Pick<InspectedFile, 'path'>, code: FlagCode, detail: string): Flag {
  return { code, path: file.path, detail: printable(bytePath(Buffer.from(detail))) };
}

/** One flag for all lines that are meant: `line 3 and 4 more: …`. None for no lines. */
export function flagOfLines(file: InspectedFile, code: FlagCode, found: readonly Line[], detail: string): Flag[] {
  const [first] = found;
  if (first === undefined) return [];
  const more = found.length > 1 ? ` and ${found.length - 1} more` : '';
  return [flagOf(file, code, `line ${first.number}${more}: ${detail}`)];
}

/** A piece of the file for a sentence: short, in quotes. */
export function quoted(text: string, longest = 60): string {
  const trimmed = text.length > 4 * longest ? text.slice(0, 4 * longest).trim() : text.trim();
  return `"${trimmed.length > longest ? `${trimmed.slice(0, longest)}...` : trimmed}"`;
}

/** Names whose short form on NTFS (`GITHUB~1`) would stand for them. */
const SHORT_FOR = [
  ...['.github', '.gitlab', '.husky', '.vscode', '.claude', '.cursor', '.codex', '.cargo', '.devcontainer'],
  ...['.githooks', '.circleci', '.npmrc', '.envrc', '.mcp.json', '.gitattributes', '.gitmodules'],
];

/**
 * A path as the most forgiving file system would find it: lower case, compatibility forms composed, invisible characters,
 * trailing dots and spaces, alternate streams and short names resolved. Only for comparing.
 */
export function comparable(path: Buffer): string {
  const text = path.toString('utf8');
  if (/^[!-9;-[\]-}]*$/.test(text) && !/\.(?:\/|$)/.test(text)) return text.toLowerCase();
  return text
    .replace(/[\p{Cf}\p{Variation_Selector}]/gu, '')
    .normalize('NFKC')
    .toUpperCase()
    .toLowerCase()
    .split(/[/\\]/)
    .map((part) => longName(part.replace(/:.*$/s, '').replace(/[. ]{1,255}$/, '')))
    .join('/');
}

function longName(part: string): string {
  const stem = /^([a-z]{1,6})~[1-9]/.exec(part)?.[1];
  if (stem === undefined) return part;
  return SHORT_FOR.find((name) => name.slice(1).startsWith(stem)) ?? part;
}
