/** From what an agent left in its sandbox to a patch in the user's object store: exact, or not at all. */

import { failure, OrchestrateError } from '../errors.ts';
import { commitTree, treeOf } from '../git/commits.ts';
import { importChanges } from '../git/quarantine.ts';
import { createRef, deleteRefs, moveRef, readRef, resultRef, wipRef } from '../git/refs.ts';
import type { Repository } from '../git/repository.ts';
import type { Collection } from '../sandbox/sandbox.ts';
import type { AttemptEnd } from '../state/records.ts';
import type { StartTree } from '../tasks/start-tree.ts';
import type { AttemptId, ObjectId, TaskId } from '../types.ts';
import { inspectPatch } from './self-check.ts';

export type CollectedPatch = NonNullable<AttemptEnd['patch']>;

export interface CollectedResult {
  /** Null when nothing (that could be taken) was changed. */
  readonly patch: CollectedPatch | null;
  /** Printable paths that were left out for their size: the patch is not the whole work. */
  readonly tooLarge: readonly string[];
}

export interface KeptSnapshot extends Pick<CollectedResult, 'tooLarge'> {
  /** Null when nothing was changed, or somebody else moved the ref. */
  readonly tree: ObjectId | null;
}

export interface PatchOrigin {
  readonly attempt: AttemptId;
  readonly task: TaskId;
  readonly start: Pick<StartTree, 'tree' | 'commit' | 'base'>;
}

/** A tree that an agent left, in the user's object store. */
interface KeptTree {
  readonly tree: ObjectId;
  readonly commit: ObjectId;
}

/**
 * Builds the result tree from the sandbox's changes in quarantine, refuses it unless its id equals the one that the
 * sandbox's side computed on its own, and keeps it as `refs/orchestrate/<task>/<n>/result`.
 * @throws OrchestrateError PATCH_MISMATCH when the two sides disagree, nothing is kept then; COLLECT_TOO_LARGE when more
 * was changed than anybody reviews
 */
export async function collectPatch(
  repository: Repository,
  sandbox: { collect(): Promise<Collection> },
  origin: PatchOrigin,
): Promise<CollectedResult> {
  const collection = await sandbox.collect();
  const tooLarge = tooLargeOf(collection);
  const kept = await keep(repository, collection, origin);
  const ref = resultRef(origin.attempt);
  const created = kept !== null && (await createRef(repository, ref, kept.commit));
  await dropSnapshot(repository, wipRef(origin.attempt));
  if (kept === null) return { patch: null, tooLarge };
  // A coordinator that was killed right here has kept the same tree before.
  const commit = created ? kept.commit : ((await readRef(repository, ref)) ?? kept.commit);
  return { patch: await patchOf(repository, origin, { tree: kept.tree, commit, flags: collection.flags }), tooLarge };
}

/** The salvaged patch of an attempt that was given up, in place of what was kept of it before; null where it changed nothing. */
export async function collectAgain(
  repository: Repository,
  sandbox: { collect(): Promise<Collection> },
  origin: PatchOrigin,
): Promise<CollectedPatch | null> {
  const collection = await sandbox.collect();
  const kept = await keep(repository, collection, origin);
  if (kept === null) return null;
  const ref = resultRef(origin.attempt);
  const from = await readRef(repository, ref);
  await moveRef(repository, ref, { from, to: kept.commit, message: 'orchestrate: fetched later' });
  return { ...(await patchOf(repository, origin, { ...kept, flags: collection.flags })), state: 'salvaged' };
}

/** Keeps what an agent has so far as `refs/orchestrate/<task>/<n>/wip`. */
export async function keepSnapshot(
  repository: Repository,
  collection: Collection,
  origin: PatchOrigin,
): Promise<KeptSnapshot> {
  const tooLarge = tooLargeOf(collection);
  const kept = await keep(repository, collection, origin);
  if (kept === null) return { tree: null, tooLarge };
  const name = wipRef(origin.attempt);
  const from = await readRef(repository, name);
  const moved = await moveRef(repository, name, { from, to: kept.commit, message: 'orchestrate: snapshot' });
  return { tree: moved ? kept.tree : null, tooLarge };
}

function tooLargeOf({ flags }: Collection): readonly string[] {
  return flags.filter((flag) => flag.code === 'too-large').map((flag) => flag.path);
}

/** The patch of an attempt whose sandbox is gone, from what was kept of it last; null where that is nothing. */
export async function salvageSnapshot(repository: Repository, origin: PatchOrigin): Promise<CollectedPatch | null> {
  const [result, wip] = [resultRef(origin.attempt), wipRef(origin.attempt)];
  const snapshot = await readRef(repository, wip);
  if (snapshot !== null) await createRef(repository, result, snapshot);
  // Where there was a result already it is newer than any snapshot.
  const commit = await readRef(repository, result);
  if (commit === null) return null;
  await dropSnapshot(repository, wip);
  const tree = await treeOf(repository, commit);
  return { ...(await patchOf(repository, origin, { tree, commit, flags: [] })), state: 'salvaged' };
}

/** Where another git holds the refs: it goes at the end of the run, and no result is lost for it. */
async function dropSnapshot(repository: Repository, name: string): Promise<void> {
  await deleteRefs(repository, [name]).catch((error: unknown) => {
    if (!(error instanceof OrchestrateError) || error.code !== 'REPOSITORY_LOCKED') throw error;
  });
}

async function keep(repository: Repository, collection: Collection, origin: PatchOrigin): Promise<KeptTree | null> {
  const { attempt, start } = origin;
  await using imported = await importChanges(repository, start, collection.changes);
  const expected = await collection.tree;
  if (imported.tree !== expected) {
    throw failure('PATCH_MISMATCH', `the patch of ${attempt} does not match what the sandbox holds`, {
      hint: `the sandbox has tree ${expected}, the patch makes ${imported.tree}: please report this`,
    });
  }
  if (imported.tree === start.base.tree) return null;
  await imported.publish();
  const message = `orchestrate: result of ${attempt}\n`;
  const commit = await commitTree(repository, { tree: imported.tree, parents: [start.base.commit], message });
  return { tree: imported.tree, commit };
}

async function patchOf(
  repository: Repository,
  origin: PatchOrigin,
  kept: KeptTree & Pick<CollectedPatch, 'flags'>,
): Promise<CollectedPatch> {
  const { attempt, task, start } = origin;
  const { size, flags } = await inspectPatch(repository, start.base.tree, kept.tree, kept.flags);
  return {
    id: attempt,
    task,
    state: 'pending',
    baseTree: start.base.tree,
    baseCommit: start.base.commit,
    tree: kept.tree,
    commit: kept.commit,
    size,
    flags,
    reason: null,
  };
}
