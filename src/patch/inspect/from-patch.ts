/** Cuts a parsed patch into the files that rules look at. */

import { constants, inflateSync } from 'node:zlib';
import { bytePath, printable } from '../../keeper/names.ts';
import type { ObjectId } from '../../types.ts';
import { isFullId } from '../file-head.ts';
import { hunkLines } from '../hunks.ts';
import type { ParsedPatch, PatchedFile } from '../parsed.ts';
import { comparable, type InspectedFile, type Line } from './inspected-file.ts';

/** Of longer lines nobody asks what they stand below. */
const SHORT = 40;

/** Enough for every magic number. */
const HEAD_BYTES = 64;

/** Ids of the contents that rules want as a whole (see `wantsWhole`), before and after. */
export function wholeIds(patch: ParsedPatch, wants: (key: string) => boolean): ObjectId[] {
  return patch.files.flatMap((file) => {
    const isBinaryChange = file.content.type === 'binary' && file.content.forward.method === 'delta';
    const isWanted = file.newPath !== null && (isBinaryChange || wants(comparable(file.newPath)));
    if (!isWanted) return [];
    return [file.oldId, file.newId].filter((id) => id !== null && isFullId(id)) as ObjectId[];
  });
}

/** One file after the other; those whose content nobody asked for come without it. */
export function* filesOf(patch: ParsedPatch, contents: ReadonlyMap<string, Buffer>): Generator<InspectedFile> {
  for (const file of patch.files) yield inspected(patch, file, contents);
}

function inspected(patch: ParsedPatch, file: PatchedFile, contents: ReadonlyMap<string, Buffer>): InspectedFile {
  const path = file.newPath ?? file.oldPath;
  const { added, removed, bytes } = linesOf(patch, file);
  const isText = file.content.type !== 'binary';
  const after = contents.get(file.newId ?? '');
  return {
    kind: file.kind,
    path: printable(bytePath(path)),
    key: comparable(path),
    oldKey: file.kind === 'rename' ? comparable(file.oldPath) : null,
    oldMode: file.oldMode,
    newMode: file.newMode,
    contentStays: file.content.type === 'none' && file.oldPath !== null,
    isText,
    added,
    removed,
    bytes: file.content.type === 'binary' ? file.content.forward.resultSize : bytes,
    head: isText ? Buffer.alloc(0) : (after?.subarray(0, HEAD_BYTES) ?? headOf(file)),
    before: contents.get(file.oldId ?? '')?.toString('utf8') ?? null,
    after: after?.toString('utf8') ?? null,
  };
}

/** What a literal begins with; a delta does not tell. */
function headOf({ content }: PatchedFile): Buffer {
  if (content.type !== 'binary' || content.forward.method === 'delta') return Buffer.alloc(0);
  const begun = content.forward.packed.subarray(0, 4 * HEAD_BYTES);
  return inflateSync(begun, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, HEAD_BYTES);
}

interface Lines {
  readonly added: Line[];
  readonly removed: Line[];
  readonly bytes: number;
}

/** A link's target is no text of a file. */
function linesOf(patch: ParsedPatch, file: PatchedFile): Lines {
  const added: Line[] = [];
  const removed: Line[] = [];
  let bytes = 0;
  const isFile = (file.newMode ?? file.oldMode)?.startsWith('100') !== false;
  if (file.content.type !== 'text' || !isFile) return { added, removed, bytes };
  for (const hunk of file.content.hunks) {
    let [oldNumber, newNumber] = [hunk.oldStart, hunk.newStart];
    let above: Buffer | null = null;
    for (const { sign, content } of hunkLines(patch.bytes, hunk)) {
      if (sign === '+') {
        const line = { number: newNumber, text: textOf(content) };
        added.push(above === null || content.length > SHORT ? line : { ...line, above: textOf(above) });
        bytes += content.length;
      } else if (sign === '-') removed.push({ number: oldNumber, text: textOf(content) });
      if (sign !== '+') oldNumber += 1;
      if (sign === '-') continue;
      newNumber += 1;
      above = content;
    }
  }
  return { added, removed, bytes };
}

function textOf(content: Buffer): string {
  return content.toString('utf8', 0, content.at(-1) === 0x0a ? content.length - 1 : content.length);
}
