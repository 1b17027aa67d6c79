/** The patch itself in the person's editor: what comes back replaces it, if it is one. What is refused is not lost. */

import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OrchestrateError } from '../../src/errors.ts';
import { binaryDiff } from '../../src/git/diff.ts';
import { decideTree } from '../../src/review/decide.ts';
import { revealLine, sanitise } from '../../src/sanitise.ts';
import type { PatchRecord } from '../../src/state/records.ts';
import { patchedTree } from '../commands/patch-amend.ts';
import { editedBytes } from '../editor.ts';
import { tellDecided } from '../render/decided.ts';
import type { Deciding, Outcome } from './decisions.ts';
import { recounted } from './recount.ts';
import type { Story } from './story.ts';
import { editorOf } from './written-text.ts';

export async function edit(deciding: Deciding, { patch }: Story): Promise<Outcome> {
  const { ground, keyboard } = deciding;
  const editor = await editorOf(ground.repository, ground.context.env);
  const before = await binaryDiff(ground.repository, patch.baseTree, patch.tree);
  let text = before;
  let isRefused = false;
  try {
    for (;;) {
      text = await keyboard.lend(() => editedBytes(text, ground.context, { editor, name: 'patch.diff' }));
      if (text.equals(before) || text.toString('latin1').trim() === '') {
        keyboard.print('The patch stays as it was.\n');
        isRefused = false;
        return 'stay';
      }
      const refusal = await amended(deciding, patch, recounted(text));
      isRefused = refusal !== null;
      if (refusal === null) return 'again';
      keyboard.print(`${sanitise(refusal.message)}\n`);
      if (refusal.code === 'PATCH_CHANGED' || !(await keyboard.yes('Edit it again?'))) return 'stay';
    }
  } finally {
    if (isRefused) keyboard.print(await kept(patch, text));
  }
}

/** Null: it is done. */
async function amended({ ground }: Deciding, patch: PatchRecord, bytes: Buffer): Promise<OrchestrateError | null> {
  try {
    const tree = await patchedTree(ground.repository, patch, bytes);
    tellDecided(ground.context, await decideTree(ground, patch, tree, null), 'amended');
    return null;
  } catch (error) {
    if (error instanceof OrchestrateError) return error;
    throw error;
  }
}

async function kept({ id }: PatchRecord, text: Buffer): Promise<string> {
  const file = join(await mkdtemp(join(tmpdir(), 'orchestrate-edited-')), `${id}.diff`);
  await writeFile(file, text, { mode: 0o600 });
  return `What you wrote is in ${revealLine(file)} (orchestrate patch amend ${id} --file …)\n`;
}
