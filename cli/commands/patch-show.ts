/** `patch show`: the diff for the eye on a terminal; the exact bytes for `git apply` in a pipe or a file. */

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { environmentError, usageError } from '../../src/errors.ts';
import { reveal, revealLine, sanitiseLine } from '../../src/sanitise.ts';
import type { PatchRecord } from '../../src/state/records.ts';
import type { State } from '../../src/state/state.ts';
import type { ObjectId } from '../../src/types.ts';
import { conflictsOf } from '../conflicts.ts';
import type { Context } from '../context.ts';
import { patchOf, someState } from '../find.ts';
import type { PatchShowOptions } from '../options.ts';
import { checkLines } from '../render/checks.ts';
import { diffLines } from '../render/diff-lines.ts';
import { patchJson } from '../render/json.ts';
import { coloursOf, flagLines, sizeOf } from '../render/text.ts';

export async function showPatch(context: Context, typed: string, options: PatchShowOptions): Promise<number> {
  if (options.hunks && (options.stat || options.output !== null)) {
    throw usageError('BAD_USAGE', '--hunks goes with neither --stat nor --output');
  }
  const state = someState(await context.readState(), typed);
  const patch = patchOf(state, typed);
  const [{ binaryDiff, binaryDiffStream, diffStat }, repository] = await Promise.all([
    import('../../src/git/diff.ts'),
    context.repository(),
  ]);
  const [from, to] = treesOf(patch, options);
  if (options.hunks) {
    const { showHunks } = await import('./patch-hunks.ts');
    return showHunks(context, patch, repository, { from, to });
  }
  if (options.output !== null) {
    await writeFile(resolve(context.cwd, options.output), binaryDiffStream(repository, from, to));
    if (context.json) context.printJson(patchJson(patch, conflictsOf(state, patch.id)));
    else context.note(`wrote ${options.output}`);
    return 0;
  }
  if (context.json) {
    const diff = options.stat ? {} : { diff: (await binaryDiff(repository, from, to)).toString('utf8') };
    context.printJson({
      ...patchJson(patch, conflictsOf(state, patch.id)),
      stat: await diffStat(repository, from, to),
      ...diff,
    });
    return 0;
  }
  if (options.stat) {
    context.print(reveal(await diffStat(repository, from, to)));
    return 0;
  }
  if (from === to && options.rejected) {
    context.note(`nothing was left out of ${patch.id}`);
    return 0;
  }
  const diff = binaryDiffStream(repository, from, to);
  if (context.out.isTTY === true) await show(context, headOf(state, patch, options), diff);
  else await copy(context, diff);
  return 0;
}

/** What is shown is the way from the one to the other. */
function treesOf({ baseTree, tree, original }: PatchRecord, { rejected }: PatchShowOptions): [ObjectId, ObjectId] {
  return rejected ? [tree, original?.tree ?? tree] : [baseTree, tree];
}

function headOf(state: State, patch: PatchRecord, { rejected }: PatchShowOptions): string {
  const reason = patch.reason === null ? '' : ` (${revealLine(patch.reason)})`;
  const title = sanitiseLine(state.task(patch.task).title);
  if (rejected) return `what was left out of patch ${patch.id}: ${title}\n\n`;
  const amended = patch.original === null ? '' : 'amended: --rejected shows what was left out\n';
  return `patch ${patch.id}, ${patch.state}${reason}: ${title}\n${amended}${sizeOf(patch.size)}\n${flagLines(patch.flags)}${checkLines(patch.checks, state.directory)}\n`;
}

/** Line by line, so that a patch of any size can be shown. */
async function show(context: Context, head: string, diff: Readable): Promise<void> {
  context.print(head);
  for await (const text of diffLines(diff, coloursOf(context.colour))) {
    if (!context.out.write(text)) await once(context.out, 'drain');
  }
}

async function copy(context: Context, diff: Readable): Promise<void> {
  for await (const chunk of diff) if (!context.out.write(chunk)) await once(context.out, 'drain');
}

async function writeFile(path: string, diff: Readable): Promise<void> {
  try {
    await pipeline(diff, createWriteStream(path));
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error && 'code' in error)) throw error;
    throw environmentError('UNWRITABLE_FILE', `${path} cannot be written (${String(error.code)})`, { cause: error });
  }
}
