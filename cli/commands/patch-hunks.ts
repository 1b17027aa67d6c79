/** `patch show --hunks`: file by file, with the numbers by which parts can be approved. */

import { once } from 'node:events';
import type { Repository } from '../../src/git/repository.ts';
import type { PatchFile } from '../../src/review/parts.ts';
import { revealLine } from '../../src/sanitise.ts';
import type { PatchRecord } from '../../src/state/records.ts';
import type { ObjectId } from '../../src/types.ts';
import { conflictsById } from '../conflicts.ts';
import type { Context } from '../context.ts';
import { patchJson } from '../render/json.ts';
import { type Colours, coloursOf, diffText } from '../render/text.ts';

export async function showHunks(
  context: Context,
  patch: PatchRecord,
  repository: Repository,
  { from, to }: { readonly from: ObjectId; readonly to: ObjectId },
): Promise<number> {
  const { listParts } = await import('../../src/review/parts.ts');
  const files = await listParts(repository, from, to);
  if (context.json) {
    const conflicts = conflictsById((await context.readState())?.conflicts() ?? []);
    context.printJson({ ...patchJson(patch, conflicts.get(patch.id) ?? []), parts: files.map(partJson) });
    return 0;
  }
  const colours = coloursOf(context.colour);
  for (const file of files) {
    if (!context.out.write(fileText(file, colours))) await once(context.out, 'drain');
  }
  if (files.length === 0) context.note(`there is nothing to show of ${patch.id}`);
  return 0;
}

/** The bytes of a path that is no UTF-8 are in `path` as `\xNN`. */
function partJson({ rawPath: _, ...file }: PatchFile): object {
  return file;
}

const WORDS = { A: 'added', M: 'modified', D: 'deleted', T: 'type changed' } as const;

function fileText(file: PatchFile, colours: Colours): string {
  const { path, status, hunks, insertions, deletions, isWhole, unread } = file;
  const size = unread === null ? `+${insertions} -${deletions}` : unread === 'binary' ? 'binary' : 'too large to show';
  const modes =
    file.oldMode === file.newMode || status === 'A' || status === 'D'
      ? ''
      : `, mode ${file.oldMode} -> ${file.newMode}`;
  const whole = isWhole ? ', as a whole' : '';
  const head = `${revealLine(path)}  ${WORDS[status]}${modes}, ${size}${whole}`;
  const body = hunks.map(({ n, header, text }) => {
    const number = isWhole ? '' : `${colours.bold(`${revealLine(path)}:${n}`)}  `;
    return `${number}${colours.cyan(revealLine(header))}\n${diffText(text.replace(/\n$/, ''), colours)}\n`;
  });
  return `${colours.bold(head)}\n${body.join('')}\n`;
}
