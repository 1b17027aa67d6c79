/** From what an agent left in its sandbox to a patch in the user's object store: exact, or not at all. */

import { failure } from '../errors.ts';
import { commitTree } from '../git/commits.ts';
import { diffSize } from '../git/diff.ts';
import { importChanges } from '../git/quarantine.ts';
import { createRef, resultRef } from '../git/refs.ts';
import type { Repository } from '../git/repository.ts';
import type { Collection } from '../sandbox/sandbox.ts';
import type { AttemptEnd } from '../state/records.ts';
import type { AttemptId, ObjectId, TaskId } from '../types.ts';

export type CollectedPatch = NonNullable<AttemptEnd['patch']>;

export interface PatchOrigin {
  readonly attempt: AttemptId;
  readonly task: TaskId;
  readonly start: { readonly tree: ObjectId; readonly commit: ObjectId };
}

/**
 * Builds the result tree from the sandbox's changes in quarantine, refuses it unless its id equals the one that the
 * sandbox's side computed on its own, and keeps it as `refs/orchestrate/<task>/<n>/result`.
 * @returns null when the agent changed nothing
 * @throws OrchestrateError PATCH_MISMATCH when the two sides disagree; nothing is kept then
 */
export async function collectPatch(
  repository: Repository,
  sandbox: { collect(): Promise<Collection> },
  origin: PatchOrigin,
): Promise<CollectedPatch | null> {
  const { attempt, task, start } = origin;
  const collection = await sandbox.collect();
  await using imported = await importChanges(repository, start, collection.changes);
  const expected = await collection.tree;
  if (imported.tree !== expected) {
    throw failure('PATCH_MISMATCH', `the patch of ${attempt} does not match what the sandbox holds`, {
      hint: `the sandbox has tree ${expected}, the patch makes ${imported.tree}: please report this`,
    });
  }
  if (imported.tree === start.tree) return null;
  await imported.publish();
  const commit = await commitTree(repository, {
    tree: imported.tree,
    parents: [start.commit],
    message: `orchestrate: result of ${attempt}\n`,
  });
  await createRef(repository, resultRef(attempt), commit);
  return {
    id: attempt,
    task,
    state: 'pending',
    baseTree: start.tree,
    baseCommit: start.commit,
    tree: imported.tree,
    commit,
    size: await diffSize(repository, start.tree, imported.tree),
    flags: collection.flags,
    reason: null,
  };
}
