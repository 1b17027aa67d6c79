/** The inverse of the parser: a parsed patch written again, and applied to files in memory. */

import { inflateSync } from 'node:zlib';
import { quotePath } from '../../src/git/bytes.ts';
import { hunkLines } from '../../src/patch/hunks.ts';
import type { BinaryHunk, Hunk, ParsedPatch, PatchedFile } from '../../src/patch/parsed.ts';
import type { Entry, Tree } from './trees.ts';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~';
const MARKER = '\\ No newline at end of file\n';

/** A patch that means the same, in another spelling: every name in quotes, every count written. */
export function serialise(patch: ParsedPatch): Buffer {
  return Buffer.concat(patch.files.flatMap((file) => [Buffer.from(head(file), 'latin1'), ...body(patch, file)]));
}

function name(prefix: string, path: Buffer | null): string {
  if (path === null) return '/dev/null';
  return quotePath(Buffer.concat([Buffer.from(prefix), path]));
}

function head(file: PatchedFile): string {
  const [oldPath, newPath] = [file.oldPath ?? file.newPath, file.newPath ?? file.oldPath];
  let text = `diff --git ${name('a/', oldPath)} ${name('b/', newPath)}\n`;
  const zero = '0'.repeat((file.oldId ?? file.newId ?? '').length);
  const index = file.oldId === null && file.newId === null ? '' : `index ${file.oldId ?? zero}..${file.newId ?? zero}`;
  if (file.kind === 'add') return `${text}new file mode ${file.newMode}\n${index}\n`;
  if (file.kind === 'delete') return `${text}deleted file mode ${file.oldMode}\n${index}\n`;
  if (file.oldMode !== file.newMode) text += `old mode ${file.oldMode}\nnew mode ${file.newMode}\n`;
  if (file.kind !== 'modify') {
    text += `similarity index ${file.similarity}%\n`;
    text += `${file.kind} from ${name('', file.oldPath)}\n${file.kind} to ${name('', file.newPath)}\n`;
  } else if (file.dissimilarity !== null) text += `dissimilarity index ${file.dissimilarity}%\n`;
  if (index === '') return text;
  return `${text}${index}${file.oldMode === file.newMode ? ` ${file.oldMode}` : ''}\n`;
}

function body(patch: ParsedPatch, file: PatchedFile): Buffer[] {
  if (file.content.type === 'none') return [];
  if (file.content.type === 'binary') {
    const { forward, reverse } = file.content;
    return [Buffer.from(`GIT binary patch\n${binary(forward)}${binary(reverse)}`)];
  }
  const tab = (path: Buffer | null) => (path?.includes(' ') === true ? '\t' : '');
  const names = `--- ${name('a/', file.oldPath)}${tab(file.oldPath)}\n+++ ${name('b/', file.newPath)}${tab(file.newPath)}\n`;
  return [Buffer.from(names), ...file.content.hunks.flatMap((hunk) => textHunk(patch.bytes, hunk))];
}

function textHunk(bytes: Buffer, hunk: Hunk): Buffer[] {
  const pieces: Buffer[] = [
    Buffer.from(`@@ -${hunk.oldStart},${hunk.oldLines} +${hunk.newStart},${hunk.newLines} @@\n`),
  ];
  for (const { sign, content } of hunkLines(bytes, hunk)) {
    pieces.push(Buffer.from(sign), content);
    if (content.at(-1) !== 0x0a) pieces.push(Buffer.from(`\n${MARKER}`));
  }
  return pieces;
}

function binary({ method, size, packed }: BinaryHunk): string {
  return `${method} ${size}\n${base85Lines(packed)}\n`;
}

/** Bytes as lines of a binary patch (diff.c, emit_binary_diff_body). */
export function base85Lines(bytes: Buffer): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 52) {
    const line = bytes.subarray(at, at + 52);
    text += String.fromCharCode(line.length <= 26 ? 0x40 + line.length : 0x60 + line.length - 26);
    for (let from = 0; from < line.length; from += 4) {
      let value = 0;
      for (let n = 0; n < 4; n += 1) value = value * 256 + (line[from + n] ?? 0);
      let group = '';
      for (let n = 0; n < 5; n += 1) {
        group = (ALPHABET[value % 85] ?? '') + group;
        value = Math.floor(value / 85);
      }
      text += group;
    }
    text += '\n';
  }
  return text;
}

/** The tree that a parsed patch makes of another one. Throws where it does not fit. */
export function applyParsed(patch: ParsedPatch, base: Tree): Tree {
  const after = new Map(base);
  for (const { kind, oldPath } of patch.files) {
    if (kind === 'delete' || kind === 'rename') after.delete(oldPath.toString('latin1'));
  }
  for (const file of patch.files) {
    if (file.kind === 'delete') continue;
    const before = file.oldPath === null ? null : (base.get(file.oldPath.toString('latin1')) ?? null);
    if ((before === null) !== (file.kind === 'add')) throw new Error('the file before the patch is not there');
    if (file.kind !== 'add' && file.oldMode !== null && file.oldMode !== before?.mode) throw new Error('another mode');
    const mode = (file.newMode ?? before?.mode) as Entry['mode'];
    after.set(file.newPath.toString('latin1'), { mode, content: patched(patch, file, before?.content) });
  }
  return after;
}

function patched(patch: ParsedPatch, file: PatchedFile, base: Buffer = Buffer.alloc(0)): Buffer {
  if (file.content.type === 'none') return base;
  if (file.content.type === 'binary') {
    const { forward } = file.content;
    const data = inflateSync(forward.packed);
    return forward.method === 'literal' ? data : applyDelta(base, data);
  }
  const old = base.toString('latin1').split(/(?<=\n)/);
  const now: string[] = [];
  let at = 0;
  for (const hunk of file.content.hunks) {
    const first = hunk.oldLines === 0 ? hunk.oldStart : hunk.oldStart - 1;
    now.push(...old.slice(at, first));
    at = first;
    for (const { sign, content } of hunkLines(patch.bytes, hunk)) {
      const line = content.toString('latin1');
      if (sign !== '+' && old[at] !== line) throw new Error('a line is not as the patch has it');
      if (sign !== '+') at += 1;
      if (sign !== '-') now.push(line);
    }
  }
  return Buffer.from([...now, ...old.slice(at)].join(''), 'latin1');
}

function applyDelta(base: Buffer, delta: Buffer): Buffer {
  let at = 0;
  for (let numbers = 0; numbers < 2; at += 1) if ((delta[at] ?? 0) < 0x80) numbers += 1;
  const pieces: Buffer[] = [];
  while (at < delta.length) {
    const code = delta[at] ?? 0;
    at += 1;
    if (code < 0x80) {
      pieces.push(delta.subarray(at, at + code));
      at += code;
      continue;
    }
    let [from, size] = [0, 0];
    for (let bit = 0; bit < 7; bit += 1) {
      if ((code & (1 << bit)) === 0) continue;
      if (bit < 4) from += (delta[at] ?? 0) * 256 ** bit;
      else size += (delta[at] ?? 0) * 256 ** (bit - 4);
      at += 1;
    }
    pieces.push(base.subarray(from, from + (size === 0 ? 0x10000 : size)));
  }
  return Buffer.concat(pieces);
}
