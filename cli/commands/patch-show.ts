/** `patch show`: the diff for the eye on a terminal; the exact bytes for `git apply` in a pipe or a file. */

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { environmentError } from '../../src/errors.ts';
import { reveal, revealLine, sanitiseLine } from '../../src/sanitise.ts';
import type { PatchRecord } from '../../src/state/records.ts';
import type { State } from '../../src/state/state.ts';
import type { Context } from '../context.ts';
import { patchOf, someState } from '../find.ts';
import type { PatchShowOptions } from '../options.ts';
import { checkLines } from '../render/checks.ts';
import { diffLines } from '../render/diff-lines.ts';
import { patchJson } from '../render/json.ts';
import { coloursOf, flagLines, sizeOf } from '../render/text.ts';

export async function showPatch(context: Context, typed: string, options: PatchShowOptions): Promise<number> {
  const state = someState(await context.readState(), typed);
  const patch = patchOf(state, typed);
  const [{ binaryDiff, binaryDiffStream, diffStat }, repository] = await Promise.all([
    import('../../src/git/diff.ts'),
    context.repository(),
  ]);
  const { baseTree, tree } = patch;
  if (options.output !== null) {
    await writeFile(resolve(context.cwd, options.output), binaryDiffStream(repository, baseTree, tree));
    if (context.json) context.printJson(patchJson(patch));
    else context.note(`wrote ${options.output}`);
    return 0;
  }
  if (context.json) {
    const diff = options.stat ? {} : { diff: (await binaryDiff(repository, baseTree, tree)).toString('utf8') };
    context.printJson({ ...patchJson(patch), stat: await diffStat(repository, baseTree, tree), ...diff });
    return 0;
  }
  if (options.stat) {
    context.print(reveal(await diffStat(repository, baseTree, tree)));
    return 0;
  }
  const diff = binaryDiffStream(repository, baseTree, tree);
  if (context.out.isTTY === true) await show(context, headOf(state, patch), diff);
  else await copy(context, diff);
  return 0;
}

function headOf(state: State, patch: PatchRecord): string {
  const reason = patch.reason === null ? '' : ` (${revealLine(patch.reason)})`;
  const title = sanitiseLine(state.task(patch.task).title);
  return `patch ${patch.id}, ${patch.state}${reason}: ${title}\n${sizeOf(patch.size)}\n${flagLines(patch.flags)}${checkLines(patch.checks, state.directory)}\n`;
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
