/** Whether a file's content, its object ids and its mode fit each other. */

import { type ObjectFormat, objectId } from '../git/bytes.ts';
import type { UnpackedHunk } from './binary-hunks.ts';
import { type FileHead, isFullId } from './file-head.ts';
import { sideContent } from './hunks.ts';
import type { Hunk } from './parsed.ts';
import { badPatch } from './patch-text.ts';

const SYMLINK = '120000';
const SUBMODULE = '160000';
const MAX_TARGET_BYTES = 4095;

type Content =
  | { readonly type: 'none' }
  | { readonly type: 'text'; readonly hunks: readonly Hunk[] }
  | { readonly type: 'binary'; readonly forward: UnpackedHunk; readonly reverse: UnpackedHunk };

interface Place {
  readonly bytes: Buffer;
  readonly head: FileHead;
  readonly line: number;
}

/** @throws OrchestrateError BAD_PATCH */
export function checkIds(place: Place, content: Content): void {
  const { head, line } = place;
  if (content.type === 'none') {
    checkNothing(place);
    return;
  }
  if (head.oldId === null && head.newId === null) throw badPatch(line, 'the "index" line is missing');
  if (content.type === 'text') for (const side of ['old', 'new'] as const) checkText(place, content.hunks, side);
  else checkBinary(place, content);
}

/** No content stands for no change of it, or for an empty file. */
function checkNothing({ head, line }: Place): void {
  if (head.kind !== 'add' && head.kind !== 'delete') {
    if (head.oldId !== null) throw badPatch(line, 'the content that the "index" line announces is missing');
    return;
  }
  const id = head.newId ?? head.oldId;
  const mode = head.newMode ?? head.oldMode;
  const isEmpty = (['sha1', 'sha256'] as const).some((format) =>
    objectId(format, 'blob', Buffer.alloc(0)).startsWith(id ?? 'none'),
  );
  if (!isEmpty) throw badPatch(line, 'the content of the file is missing');
  if (mode === SYMLINK || mode === SUBMODULE) throw badPatch(line, 'a link or submodule is empty');
}

function checkText({ bytes, head, line }: Place, hunks: readonly Hunk[], side: 'old' | 'new'): void {
  const [id, mode] = side === 'old' ? [head.oldId, head.oldMode] : [head.newId, head.newMode];
  if (id === null) return;
  if (mode === SUBMODULE) {
    const told = /^Subproject commit ([0-9a-f]{40}|[0-9a-f]{64})\n$/.exec(textOf(sideContent(bytes, hunks, side)));
    if (told?.[1]?.startsWith(id) !== true) throw badPatch(line, 'a submodule is not told as git does it');
    return;
  }
  const whole = head.kind === 'add' || head.kind === 'delete';
  if (mode !== SYMLINK && !(whole && isFullId(id))) return;
  const content = sideContent(bytes, hunks, side);
  if (mode === SYMLINK && !canBeTarget(content, whole)) {
    throw badPatch(line, 'no symbolic link can have this target');
  }
  if (whole && isFullId(id) && !isIdOf(id, content)) {
    throw badPatch(line, 'the content is not what its object id names');
  }
}

function textOf(content: Buffer): string {
  return content.toString('latin1', 0, MAX_TARGET_BYTES);
}

function canBeTarget(shown: Buffer, whole: boolean): boolean {
  return shown.length <= MAX_TARGET_BYTES && !shown.includes(0) && !(whole && shown.length === 0);
}

function checkBinary(
  { head, line }: Place,
  { forward, reverse }: { readonly forward: UnpackedHunk; readonly reverse: UnpackedHunk },
): void {
  if (head.newMode === SYMLINK || head.oldMode === SYMLINK) throw badPatch(line, 'a symbolic link is binary');
  if (head.newMode === SUBMODULE || head.oldMode === SUBMODULE) throw badPatch(line, 'a submodule is binary');
  const whole = head.oldId === null || head.newId === null;
  if (whole && (forward.hunk.method === 'delta' || reverse.hunk.method === 'delta')) {
    throw badPatch(line, 'a delta has nothing to be against');
  }
  checkBinarySide(forward, { id: head.newId, other: reverse, line });
  checkBinarySide(reverse, { id: head.oldId, other: forward, line });
}

function checkBinarySide(
  { hunk, data }: UnpackedHunk,
  { id, other, line }: { readonly id: string | null; readonly other: UnpackedHunk; readonly line: number },
): void {
  if (id === null && hunk.size !== 0) {
    throw badPatch(line, 'a file that is not there has binary content');
  }
  if (id !== null && !isFullId(id)) throw badPatch(line, 'binary content needs full object ids');
  if (hunk.sourceSize !== null && hunk.sourceSize !== other.hunk.resultSize) {
    throw badPatch(line, 'a delta is against something of another size');
  }
  if (id !== null && hunk.method === 'literal' && !isIdOf(id, data)) {
    throw badPatch(line, 'the binary content is not what its object id names');
  }
}

function isIdOf(id: string, content: Buffer): boolean {
  const format: ObjectFormat = id.length === 40 ? 'sha1' : 'sha256';
  return objectId(format, 'blob', content) === id;
}
