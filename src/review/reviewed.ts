/** What a patch becomes after its agent is done: its commit, size and flags, kept by a ref before the state says so. */

import { failure } from '../errors.ts';
import { commitTree } from '../git/commits.ts';
import { changedPaths } from '../git/diff.ts';
import { deleteRefs, moveRef, readRef, resultRef, reviewedRef } from '../git/refs.ts';
import type { Repository } from '../git/repository.ts';
import { inspectPatch } from '../patch/self-check.ts';
import type { PatchRecord } from '../state/records.ts';
import type { PatchContent } from '../state/restacking.ts';
import type { State } from '../state/state.ts';
import type { CommittedTree } from '../tasks/start-tree.ts';
import type { AttemptId, Flag, ObjectId } from '../types.ts';

/** What decisions are made on. */
export interface Bench {
  readonly repository: Repository;
  readonly state: State;
}

/** Other terminals that move the same ref at the same moment; more is no coincidence. */
const MOST_RACES = 20;

/** A patch as `base` → `tree`: committed, measured and looked through. Nothing refers to the commit yet. */
export async function contentOf(
  repository: Repository,
  patch: PatchRecord,
  base: CommittedTree,
  tree: ObjectId,
): Promise<PatchContent> {
  const message = `orchestrate: reviewed result of ${patch.id}\n`;
  const [commit, also] = await Promise.all([
    commitTree(repository, { tree, parents: [base.commit], message }),
    flagsOfCollection(repository, patch, { base: base.tree, tree }),
  ]);
  return { tree, commit, ...(await inspectPatch(repository, base.tree, tree, also)) };
}

/**
 * Flags that were raised where the patch was collected and that no tree tells: they stay, unless they are about a file that
 * the patch changed and no longer does.
 */
async function flagsOfCollection(
  repository: Repository,
  patch: PatchRecord,
  to: { readonly base: ObjectId; readonly tree: ObjectId },
): Promise<Flag[]> {
  if (patch.flags.length === 0) return [];
  const [told, before, after] = await Promise.all([
    inspectPatch(repository, patch.baseTree, patch.tree),
    changedPaths(repository, patch.baseTree, patch.tree),
    changedPaths(repository, to.base, to.tree),
  ]);
  const fromTrees = new Set(told.flags.map(keyOf));
  const kept = new Set(after.map(({ path }) => path));
  const dropped = new Set(before.map(({ path }) => path).filter((path) => !kept.has(path)));
  return patch.flags.filter((flag) => !fromTrees.has(keyOf(flag)) && !dropped.has(flag.path));
}

function keyOf({ code, path }: Flag): string {
  return `${code}\0${path}`;
}

/**
 * Keeps a commit as the reviewed result of an attempt, then has the state say so. `write` says no where somebody else was
 * first. Killed in between, the next run puts the ref right (`dropOldResults`).
 */
export async function keepReviewed(
  { repository, state }: Bench,
  attempt: AttemptId,
  commit: ObjectId,
  write: () => boolean,
): Promise<boolean> {
  const name = reviewedRef(attempt);
  for (let races = 0; races < MOST_RACES; races += 1) {
    const from = await readRef(repository, name);
    if (!(await moveRef(repository, name, { from, to: commit, message: MESSAGE }))) continue;
    const written = write();
    await follow({ repository, state }, attempt);
    return written;
  }
  throw raced(name);
}

const MESSAGE = 'orchestrate: reviewed';

/** The ref is what the state says. Whoever moved it looks once more, so that the last one of several leaves it right. */
async function follow({ repository, state }: Bench, attempt: AttemptId): Promise<void> {
  const name = reviewedRef(attempt);
  for (let races = 0; races < MOST_RACES; races += 1) {
    const [from, result] = await Promise.all([readRef(repository, name), readRef(repository, resultRef(attempt))]);
    const to = state.patch(attempt)?.commit ?? null;
    if (from === to || (from === null && to === result)) return;
    if (to === null || to === result) await deleteRefs(repository, [name]);
    else await moveRef(repository, name, { from, to, message: MESSAGE });
  }
  throw raced(name);
}

function raced(name: string): Error {
  return failure('REPOSITORY_LOCKED', `The ref ${name} is moved by others all the time.`);
}
