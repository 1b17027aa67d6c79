/** Which of the trees that a host has already another one differs least from: only the difference is sent then. */

import type { ObjectId } from '../types.ts';
import { rawChanges } from './diff.ts';
import { type GitEnvironment, git } from './git.ts';
import { privateGit } from './private-dir.ts';
import type { Repository } from './repository.ts';

/** So many are compared, milliseconds each. */
const MOST_COMPARED = 16;
/** Up to here nobody counts how many files the tree has at all. */
const FEW_CHANGES = 200;

/**
 * The one of `among`, best first where they are equal, that differs least from `tree`. Null where the repository has none of
 * them (any more), or less than half of the tree is the same.
 */
export async function nearestTree(
  repo: Repository,
  tree: ObjectId,
  among: readonly ObjectId[],
): Promise<ObjectId | null> {
  if (among.length === 0) return null;
  const where = await privateGit(repo);
  const compared = await Promise.all(
    (await presentTrees(where, among)).slice(0, MOST_COMPARED).map(async (one) => ({
      tree: one,
      // Of a tree that is not whole any more nobody can say.
      changes: (await rawChanges(where, one, tree).catch(() => null))?.length ?? Number.POSITIVE_INFINITY,
    })),
  );
  const [nearest] = compared.sort((a, b) => a.changes - b.changes);
  if (nearest === undefined || !Number.isFinite(nearest.changes)) return null;
  if (nearest.changes <= FEW_CHANGES) return nearest.tree;
  return nearest.changes < (await countFiles(where, tree)) / 2 ? nearest.tree : null;
}

async function presentTrees(where: GitEnvironment, among: readonly ObjectId[]): Promise<ObjectId[]> {
  const { stdout } = await git(where, ['cat-file', '--batch-check=%(objectname) %(objecttype)'], {
    input: `${among.join('\n')}\n`,
  });
  const lines = stdout.toString('latin1').split('\n');
  return among.filter((tree) => lines.includes(`${tree} tree`));
}

async function countFiles(where: GitEnvironment, tree: ObjectId): Promise<number> {
  const { stdout } = await git(where, ['ls-tree', '-r', '-z', '--name-only', tree]);
  return stdout.reduce((count, byte) => count + (byte === 0 ? 1 : 0), 0);
}
