/** The header of one file in a patch, from `diff --git` to `index`: the lines that git writes, in git's order. */

import { FILE_MODES, type FileMode } from './parsed.ts';
import { decodeName, headerNames, type TwoNames } from './patch-names.ts';
import { badPatch, type PatchText, shown } from './patch-text.ts';

/** One character per byte in names. Where there is no old or no new file, its name is the other's. */
interface HeadBase extends TwoNames {
  readonly line: number;
}

export type FileHead = HeadBase &
  (
    | { readonly kind: 'add'; oldMode: null; newMode: FileMode; oldId: null; newId: string }
    | { readonly kind: 'delete'; oldMode: FileMode; newMode: null; oldId: string; newId: null }
    | (Kept & { readonly kind: 'modify'; readonly dissimilarity: number | null })
    | (Kept & { readonly kind: 'rename' | 'copy'; readonly similarity: number })
  );

interface Kept {
  readonly oldMode: FileMode | null;
  readonly newMode: FileMode | null;
  readonly oldId: string | null;
  readonly newId: string | null;
}

interface Index {
  readonly oldId: string;
  readonly newId: string;
  /** Of both sides, where the mode stays. */
  readonly mode: FileMode | null;
}

/** @throws OrchestrateError BAD_PATCH */
export function parseHead(text: PatchText): FileHead {
  const { line } = text;
  const names = text.after('diff --git ');
  if (names === null) throw text.bad('a file begins with "diff --git"');
  const newMode = text.after('new file mode ');
  if (newMode !== null)
    return wholeHead(text, { line, ...namesOf(names, null, line) }, { kind: 'add', written: newMode });
  const oldMode = text.after('deleted file mode ');
  if (oldMode !== null) {
    return wholeHead(text, { line, ...namesOf(names, null, line) }, { kind: 'delete', written: oldMode });
  }
  return keptHead(text, names, line);
}

function wholeHead(
  text: PatchText,
  base: HeadBase,
  { kind, written }: { readonly kind: 'add' | 'delete'; readonly written: string },
): FileHead {
  const mode = modeOf(written, text.line - 1);
  const { line } = text;
  const index = parseIndex(text);
  if (index === null) throw text.bad('the "index" line is missing');
  if (index.mode !== null) throw badPatch(line, 'the mode is told twice');
  const { oldId, newId } = index;
  if (isZero(oldId) !== (kind === 'add') || isZero(newId) !== (kind === 'delete')) {
    throw badPatch(line, 'the object ids do not fit a file that is added or deleted');
  }
  return kind === 'add'
    ? { ...base, kind, oldMode: null, newMode: mode, oldId: null, newId }
    : { ...base, kind, oldMode: mode, newMode: null, oldId, newId: null };
}

function keptHead(text: PatchText, names: string, line: number): FileHead {
  const modes = parseModes(text);
  const moved = parseMove(text);
  const dissimilarity = moved === null ? text.after('dissimilarity index ') : null;
  const rewritten = dissimilarity === null ? null : percentOf(dissimilarity, text.line - 1);
  const indexLine = text.line;
  const index = parseIndex(text);
  if (index !== null) {
    if (isZero(index.oldId) || isZero(index.newId)) throw badPatch(indexLine, 'an object id is zero');
    if (index.oldId === index.newId) throw badPatch(indexLine, 'both object ids are the same');
    if ((index.mode === null) === (modes === null)) throw badPatch(indexLine, 'the mode is told twice or not at all');
  }
  const { oldName, newName } = namesOf(names, moved, line);
  const oldMode = modes?.oldMode ?? index?.mode ?? null;
  const newMode = modes?.newMode ?? index?.mode ?? null;
  const [oldId, newId] = [index?.oldId ?? null, index?.newId ?? null];
  if (moved === null) {
    if (index === null && modes === null) throw text.atFile ? text.bad('the file is not changed') : text.misplaced();
    if (index === null && rewritten !== null) throw text.bad('the "index" line is missing');
    return { line, oldName, newName, oldMode, newMode, oldId, newId, kind: 'modify', dissimilarity: rewritten };
  }
  const { kind, similarity } = moved;
  if (index === null && similarity !== 100) throw text.bad('the "index" line is missing');
  return { line, oldName, newName, oldMode, newMode, oldId, newId, kind, similarity };
}

function namesOf(text: string, known: TwoNames | null, line: number): TwoNames {
  const names = headerNames(text, known);
  if (names === null) throw badPatch(line, `${shown(text)} are not the two names of this file`);
  return names;
}

function parseModes(text: PatchText): { readonly oldMode: FileMode; readonly newMode: FileMode } | null {
  const old = text.after('old mode ');
  if (old === null) return null;
  const oldMode = modeOf(old, text.line - 1);
  const newMode = modeOf(text.expect('new mode '), text.line - 1);
  if (oldMode === newMode) throw badPatch(text.line - 1, 'the mode is not changed');
  // A change of type is a deletion and an addition.
  if (oldMode.slice(0, 3) !== newMode.slice(0, 3)) throw badPatch(text.line - 1, 'the mode changes what the file is');
  return { oldMode, newMode };
}

interface Move extends TwoNames {
  readonly kind: 'rename' | 'copy';
  readonly similarity: number;
}

function parseMove(text: PatchText): Move | null {
  const percent = text.after('similarity index ');
  if (percent === null) return null;
  const similarity = percentOf(percent, text.line - 1);
  const kind = text.begins('copy ') ? 'copy' : 'rename';
  const oldName = decodeName(text.expect(`${kind} from `));
  const newName = decodeName(text.expect(`${kind} to `));
  if (oldName === null || newName === null) throw badPatch(text.line - 1, 'a name is not quoted as git does it');
  if (oldName === newName) throw badPatch(text.line - 1, 'both names are the same');
  return { kind, similarity, oldName, newName };
}

function parseIndex(text: PatchText): Index | null {
  const { line } = text;
  const rest = text.after('index ');
  if (rest === null) return null;
  const match = /^([0-9a-f]{4,64})\.\.([0-9a-f]{4,64})(?: (.*))?$/s.exec(rest);
  const [, oldId = '', newId = '', mode] = match ?? [];
  if (match === null || isFullId(oldId) !== isFullId(newId) || (isFullId(oldId) && oldId.length !== newId.length)) {
    throw badPatch(line, `${shown(rest)} are not two object ids`);
  }
  return { oldId, newId, mode: mode === undefined ? null : modeOf(mode, line) };
}

/** Whether it is a whole SHA-1 or SHA-256 id. */
export function isFullId(id: string): boolean {
  return id.length === 40 || id.length === 64;
}

function isZero(id: string): boolean {
  return /^0+$/.test(id);
}

function modeOf(text: string, line: number): FileMode {
  const mode = FILE_MODES.find((one) => one === text);
  if (mode === undefined) throw badPatch(line, `${shown(text)} is not a mode that git makes`);
  return mode;
}

function percentOf(text: string, line: number): number {
  const match = /^(100|[1-9]?[0-9])%$/.exec(text);
  if (match === null) throw badPatch(line, `${shown(text)} is not a percentage`);
  return Number(match[1]);
}
