/**
 * The strict reader of patches: exactly what `git diff` writes, and nothing that git, a file system or a person could
 * take for something else. Pure and iterative; time and memory follow the size of the patch.
 */

import { isSafePath } from '../git/safe-path.ts';
import { type Budget, parseBinaryHunk } from './binary-hunks.ts';
import { checkIds } from './content-ids.ts';
import { type FileHead, parseHead } from './file-head.ts';
import { parseHunks } from './hunks.ts';
import { nameFindings } from './inspect/names.ts';
import type { Hunk, ParsedPatch, PatchContent, PatchedFile, PatchLimits } from './parsed.ts';
import { fileName } from './patch-names.ts';
import { badPatch, PatchText, shown } from './patch-text.ts';
import { checkPaths } from './path-set.ts';

/** No file system takes more. */
const MAX_PATH_BYTES = 4095;
const MAX_NAME_BYTES = 255;

/**
 * Reads the output of `git diff` (also `diff-tree -p`, `show --format=`), with prefixes `a/` and `b/`; an empty patch
 * has no files. Binary content needs `--binary --full-index`. Full object ids are verified wherever the patch holds the
 * whole content.
 *
 * What a patch alone cannot tell has to be judged on the tree that it makes: whether a file that is only renamed is a
 * symbolic link, and whether a name differs from one in the base only in case.
 * @throws OrchestrateError usage BAD_PATCH, with line and reason
 */
export function parsePatch(bytes: Buffer, limits: PatchLimits): ParsedPatch {
  if (bytes.length > limits.maxBytes) throw badPatch(1, `it is larger than ${limits.maxBytes} bytes`);
  const text = new PatchText(bytes);
  const files: PatchedFile[] = [];
  const left: Left = { hunks: limits.maxHunks, unpacked: { bytes: limits.maxUnpackedBytes } };
  while (!text.done) {
    if (files.length >= limits.maxFiles) throw text.bad('it changes too many files');
    files.push(parseFile(text, left));
  }
  checkPaths(files);
  const patch = { bytes, files };
  if (limits.suspicious === 'refuse') {
    for (const { line, flag } of nameFindings(patch)) throw badPatch(line, `${flag.path}: ${flag.detail}`);
  }
  return patch;
}

/** What the rest of the patch may still hold. */
interface Left {
  hunks: number;
  readonly unpacked: Budget;
}

function parseFile(text: PatchText, left: Left): PatchedFile {
  const head = parseHead(text);
  checkPath(head.oldName, head.oldMode ?? head.newMode, head.line);
  if (head.newName !== head.oldName) checkPath(head.newName, head.newMode, head.line);
  const content = parseContent(text, head, left);
  if (!text.atFile) throw text.misplaced();
  return fileOf(head, content);
}

function checkPath(name: string, mode: string | null, line: number): void {
  const path = Buffer.from(name, 'latin1');
  // A rename without change does not tell what it renames: it could be a link.
  if (!isSafePath(path, mode === '120000' || mode === null ? 'symlink' : 'file')) {
    throw badPatch(line, `no checkout may have a file called ${shown(name)}`);
  }
  if (name.length > MAX_PATH_BYTES || name.split('/').some((part) => part.length > MAX_NAME_BYTES)) {
    throw badPatch(line, 'a path is too long');
  }
}

function parseContent(text: PatchText, head: FileHead, left: Left): PatchContent {
  const { line } = text;
  if (text.begins('--- ')) {
    checkFileName(text, '--- ', head.kind === 'add' ? null : `a/${head.oldName}`);
    checkFileName(text, '+++ ', head.kind === 'delete' ? null : `b/${head.newName}`);
    const hunks = parseHunks(text, left.hunks);
    left.hunks -= hunks.length;
    checkWhole(head, hunks, line);
    checkIds({ bytes: text.bytes, head, line }, { type: 'text', hunks });
    return { type: 'text', hunks };
  }
  if (text.after('GIT binary patch') === '') {
    const forward = parseBinaryHunk(text, left.unpacked);
    const reverse = parseBinaryHunk(text, left.unpacked);
    checkIds({ bytes: text.bytes, head, line }, { type: 'binary', forward, reverse });
    return { type: 'binary', forward: forward.hunk, reverse: reverse.hunk };
  }
  if (text.begins('Binary files ')) throw text.bad('binary content is missing');
  if (!text.atFile) throw text.misplaced();
  checkIds({ bytes: text.bytes, head, line: head.line }, { type: 'none' });
  return { type: 'none' };
}

function checkFileName(text: PatchText, prefix: string, wanted: string | null): void {
  const { line } = text;
  const rest = text.expect(prefix);
  if (wanted === null ? rest === '/dev/null' : rest !== '/dev/null' && fileName(rest) === wanted) return;
  throw badPatch(line, `${shown(rest)} is not the name in the header`);
}

/** A file that is added has no old lines, one that is deleted no new ones. */
function checkWhole(head: FileHead, hunks: readonly Hunk[], line: number): void {
  const [hunk] = hunks;
  const alone = hunks.length === 1;
  if (head.kind === 'add' && !(alone && hunk?.oldStart === 0 && hunk.oldLines === 0)) {
    throw badPatch(line, 'a new file has old lines');
  }
  if (head.kind === 'delete' && !(alone && hunk?.newStart === 0 && hunk.newLines === 0)) {
    throw badPatch(line, 'a deleted file has new lines');
  }
}

function fileOf(head: FileHead, content: PatchContent): PatchedFile {
  const { kind, line, oldMode, newMode, oldId, newId } = head;
  const oldPath = Buffer.from(head.oldName, 'latin1');
  const newPath = Buffer.from(head.newName, 'latin1');
  if (kind === 'add') return { kind, line, content, oldPath: null, oldMode, oldId, newPath, newMode, newId };
  if (kind === 'delete') return { kind, line, content, oldPath, oldMode, oldId, newPath: null, newMode, newId };
  if (kind === 'modify') {
    const { dissimilarity } = head;
    return { kind, line, content, oldPath, newPath, oldMode, newMode, oldId, newId, dissimilarity };
  }
  const { similarity } = head;
  return { kind, line, content, oldPath, newPath, oldMode, newMode, oldId, newId, similarity };
}
