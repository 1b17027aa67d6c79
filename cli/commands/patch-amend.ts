/** `patch amend`: another patch in the place of one, from a file; or what the agent left again. */

import { usageError } from '../../src/errors.ts';
import type { Repository } from '../../src/git/repository.ts';
import { OUTSIDE_PATCH } from '../../src/patch/parsed.ts';
import type { PatchRecord } from '../../src/state/records.ts';
import type { ObjectId } from '../../src/types.ts';
import type { Context } from '../context.ts';
import { patchOf, someState } from '../find.ts';
import { readBytes } from '../input.ts';
import type { PatchAmendOptions } from '../options.ts';
import { tellDecided } from '../render/decided.ts';
import { open } from './patch-decide.ts';

export async function amend(context: Context, typed: string, { file, original }: PatchAmendOptions): Promise<number> {
  if ((file === null) === !original) {
    throw usageError('BAD_USAGE', 'either --file or --original says what the patch becomes');
  }
  const patch = patchOf(someState(await context.knownState(), typed), typed);
  // Before the state is opened for writing: standard input may take its time.
  const bytes = file === null ? null : await readBytes(context, file, OUTSIDE_PATCH.maxBytes);
  const [{ decideTree }, bench] = await Promise.all([import('../../src/review/decide.ts'), open(context)]);
  const tree = bytes === null ? originalOf(patch) : await patchedTree(bench.repository, patch, bytes);
  await tellDecided(context, await decideTree(bench, patch, tree, null), 'amended');
  return 0;
}

function originalOf({ id, original, tree }: PatchRecord): ObjectId {
  if (original !== null) return original.tree;
  throw usageError('NOT_AMENDED', `${id} is as the agent left it (tree ${tree.slice(0, 12)})`);
}

/** What comes from outside is read strictly before git sees it. */
export async function patchedTree(repository: Repository, patch: PatchRecord, bytes: Buffer): Promise<ObjectId> {
  const [{ parsePatch }, { applyToTree }] = await Promise.all([
    import('../../src/patch/parse.ts'),
    import('../../src/git/apply-patch.ts'),
  ]);
  parsePatch(bytes, OUTSIDE_PATCH);
  return applyToTree(repository, patch.baseTree, bytes);
}
