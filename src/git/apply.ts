/** What stands between a change and the user's checkout: what is in the way is named and nothing happens. */

import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { failure } from '../errors.ts';
import type { ObjectId } from '../types.ts';
import { nameSome } from './bytes.ts';
import { moveCheckout, type TreeMove } from './checkout.ts';
import { rawChanges } from './diff.ts';
import { git } from './git.ts';
import { type LocalState, readLocalState, refuseLocalChanges } from './local-changes.ts';
import { mergeTrees } from './merge.ts';
import { privateGit } from './private-dir.ts';
import { type Repository, userGit } from './repository.ts';

export interface Change {
  /** Tree that the change was made on. */
  readonly base: ObjectId;
  /** Tree that it made of it. */
  readonly result: ObjectId;
}

export interface Applied {
  /** Where the branch was. For a new branch: the commit that it was made from. */
  readonly from: ObjectId;
  /** Where it is now: `from` when it had all of the change already; null without a commit. */
  readonly to: ObjectId | null;
  /** Short name; null for a detached HEAD. */
  readonly branch: string | null;
  /** Command that takes it back, to be run in this repository; empty when nothing was done. */
  readonly undo: string;
}

/**
 * Applies a change to index and work tree, without a commit.
 * Failures, with nothing done: PATCH_CONFLICT (names the paths), LOCAL_CHANGES (names the files), UNMERGED,
 * OPERATION_IN_PROGRESS, REPOSITORY_LOCKED.
 */
export async function applyToCheckout(repo: Repository, { base, result }: Change): Promise<Applied> {
  await refuseUnfinished(repo);
  const [{ commit: from, branch, tree: ours }, local] = await Promise.all([readHead(repo), readLocalState(repo)]);
  const merge = await mergeTrees(repo, { base, ours, theirs: result });
  if (!merge.clean) throw conflictWithBranch(merge.paths);
  if (merge.tree === ours) return { from, to: from, branch, undo: '' };
  await moveCheckout(repo, await prepareMove(repo, { from: ours, to: merge.tree, local }));
  return { from, to: null, branch, undo: `git read-tree -m -u ${merge.tree} ${ours}` };
}

/** A commit at the end of a branch. */
export interface Tip {
  readonly commit: ObjectId;
  readonly tree: ObjectId;
}

/** `paths`: printable. */
export function conflictWithBranch(paths: readonly string[]): Error {
  return failure('PATCH_CONFLICT', `The patch conflicts with what the branch has now in ${nameSome(paths, 10)}.`, {
    hint: 'Nothing was changed. Ask for a new attempt on the present state.',
  });
}

/** The move of the checkout from one tree to the other. Failure LOCAL_CHANGES, and nothing is done. */
export async function prepareMove(
  repo: Repository,
  move: { readonly from: ObjectId; readonly to: ObjectId; readonly local: LocalState },
): Promise<TreeMove> {
  const changes = await rawChanges(await privateGit(repo), move.from, move.to);
  await refuseLocalChanges(repo, changes, move.local);
  return { from: move.from, to: move.to, changes };
}

/** Where HEAD is; `branch` is its short name, null where it is detached. */
export async function readHead(repo: Repository): Promise<Tip & { readonly branch: string | null }> {
  const args = ['rev-parse', 'HEAD^{commit}', 'HEAD^{tree}', '--symbolic-full-name', 'HEAD'];
  const [commit = '', tree = '', ref = ''] = (await git(userGit(repo, 'read'), args)).stdout
    .toString('utf8')
    .split('\n');
  const branch = ref.startsWith('refs/heads/') ? ref.slice('refs/heads/'.length) : null;
  return { commit: commit as ObjectId, tree: tree as ObjectId, branch };
}

/** Null where the ref does not exist. */
export async function readTip(repo: Repository, ref: string): Promise<Tip | null> {
  const args = ['rev-parse', '--quiet', '--verify', '--end-of-options', `${ref}^{commit}`];
  const found = await git(userGit(repo, 'read'), args, { accept: [1, 128] });
  if (found.exitCode !== 0) return null;
  const commit = found.stdout.toString('latin1').trim() as ObjectId;
  const tree = await git(await privateGit(repo), ['rev-parse', `${commit}^{tree}`]);
  return { commit, tree: tree.stdout.toString('latin1').trim() as ObjectId };
}

const UNFINISHED: readonly (readonly [string, string])[] = [
  ['MERGE_HEAD', 'merge'],
  ['CHERRY_PICK_HEAD', 'cherry-pick'],
  ['REVERT_HEAD', 'revert'],
  ['rebase-merge', 'rebase'],
  ['rebase-apply/applying', 'am'],
  ['rebase-apply', 'rebase'],
];

/** Failures OPERATION_IN_PROGRESS and REPOSITORY_LOCKED. */
export async function refuseUnfinished(repo: Repository): Promise<void> {
  const there = async (name: string) =>
    access(join(repo.gitDir, name)).then(
      () => true,
      () => false,
    );
  for (const [file, name] of UNFINISHED) {
    if (!(await there(file))) continue;
    throw failure('OPERATION_IN_PROGRESS', `A ${name} is in progress in this work tree.`, {
      hint: `Finish it, or abort it with: git ${name} --abort`,
    });
  }
  if (await there('index.lock')) {
    throw failure('REPOSITORY_LOCKED', 'Another git process is at work in this repository (index.lock exists).', {
      hint: `Wait for it to end; if none runs, remove ${join(repo.gitDir, 'index.lock')}.`,
    });
  }
}
