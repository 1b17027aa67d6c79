/** `patch checkout`: the patched tree as files in a new folder, to try by hand. */

import { resolve } from 'node:path';
import { revealLine, sanitiseLine, shellWord } from '../../src/sanitise.ts';
import type { Context } from '../context.ts';
import { patchOf, someState } from '../find.ts';
import { flagLines } from '../render/text.ts';

export async function checkoutPatch(context: Context, typed: string, directory: string): Promise<number> {
  const state = someState(await context.readState(), typed);
  const patch = patchOf(state, typed);
  const [{ checkoutTree }, repository] = await Promise.all([
    import('../../src/git/checkout-tree.ts'),
    context.repository(),
  ]);
  const folder = resolve(context.cwd, directory);
  await checkoutTree(repository, patch.tree, folder);
  const remove = `rm -rf -- ${shellWord(folder)}`;
  if (context.json) {
    context.printJson({ patch: patch.id, task: patch.task, tree: patch.tree, folder, remove });
    return 0;
  }
  const flags = flagLines(patch.flags);
  context.print(
    `${patch.id} (${sanitiseLine(state.task(patch.task).title)}) is in ${revealLine(folder)}: plain files, no repository.\n` +
      `${flags === '' ? '' : `Look at these before you run anything:\n${flags}`}` +
      `Throw it away with: ${revealLine(remove)}\n`,
  );
  return 0;
}
