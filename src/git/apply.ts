/**
 * The one way into the user's branch: a change is merged into the tree that is there, committed, checked out where the
 * branch is checked out, and the branch is moved by compare-and-swap. What is in the way is named and nothing happens.
 */

import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { failure, usageError } from '../errors.ts';
import type { ObjectId } from '../types.ts';
import { nameSome } from './bytes.ts';
import { moveCheckout, type TreeMove } from './checkout.ts';
import { rawChanges } from './diff.ts';
import { git } from './git.ts';
import { type LocalState, readLocalState, refuseLocalChanges } from './local-changes.ts';
import { mergeTrees } from './merge.ts';
import { privateGit } from './private-dir.ts';
import { moveRef } from './refs.ts';
import { type Repository, userGit } from './repository.ts';
import { workTreeOf } from './worktrees.ts';

export interface Change {
  /** Tree that the change was made on. */
  readonly base: ObjectId;
  /** Tree that it made of it. */
  readonly result: ObjectId;
  /** Makes the commit of a tree on a parent; null: index and work tree only (--no-commit). */
  readonly commit: ((parent: ObjectId, tree: ObjectId) => Promise<ObjectId>) | null;
  /** For the reflog: `orchestrate: apply <label>`. */
  readonly label?: string;
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
 * Applies a change to the branch that is checked out here (or to a detached HEAD).
 * Failures, with nothing done: PATCH_CONFLICT (names the paths), LOCAL_CHANGES (names the files), UNMERGED,
 * OPERATION_IN_PROGRESS, REPOSITORY_LOCKED, HEAD_MOVED, and what `commit` throws.
 */
export async function applyToCheckout(repo: Repository, change: Change): Promise<Applied> {
  await refuseUnfinished(repo);
  const [head, local] = await Promise.all([readHead(repo), readLocalState(repo)]);
  const tree = await mergedTree(repo, change, head.tree);
  if (tree === head.tree) return { from: head.commit, to: head.commit, branch: head.branch, undo: '' };
  const move = await prepareMove(repo, { from: head.tree, to: tree, local });
  if (change.commit === null) {
    await moveCheckout(repo, move);
    return { from: head.commit, to: null, branch: head.branch, undo: `git read-tree -m -u ${tree} ${head.tree}` };
  }
  const commit = await change.commit(head.commit, tree);
  await moveCheckout(repo, move);
  await moveHead(repo, { ...move, head: head.commit, commit, message: reflogOf(change) });
  return { from: head.commit, to: commit, branch: head.branch, undo: `git reset --keep ${head.commit}` };
}

/**
 * Applies a change to a branch: a new one (from HEAD), one that is not checked out anywhere (from its tip), or the one
 * checked out here (then as `applyToCheckout`). Usage errors BAD_BRANCH_NAME, COMMIT_NEEDED; failures as
 * `applyToCheckout`, and BRANCH_CHECKED_OUT when another work tree has it.
 */
export async function applyToBranch(repo: Repository, change: Change & { readonly branch: string }): Promise<Applied> {
  const { branch } = change;
  const ref = `refs/heads/${branch}`;
  const valid = await git(userGit(repo, 'read'), ['check-ref-format', ref], { accept: [1] });
  if (valid.exitCode !== 0 || branch.startsWith('-') || branch === 'HEAD') {
    throw usageError('BAD_BRANCH_NAME', `${JSON.stringify(branch)} is not a name that git takes for a branch.`);
  }
  const [head, other] = await Promise.all([readHead(repo), workTreeOf(repo, ref)]);
  if (head.branch === branch) return applyToCheckout(repo, change);
  if (other !== null) {
    throw failure('BRANCH_CHECKED_OUT', `The branch ${branch} is checked out in ${other}.`, {
      hint: 'Apply it there, or to another branch.',
    });
  }
  if (change.commit === null) {
    throw usageError(
      'COMMIT_NEEDED',
      `Without a commit nothing can be put on ${branch}, which is not checked out here.`,
    );
  }
  const tip = await readTip(repo, ref);
  const start = tip ?? head;
  const tree = await mergedTree(repo, change, start.tree);
  if (tip !== null && tree === tip.tree) return { from: tip.commit, to: tip.commit, branch, undo: '' };
  const to = tree === start.tree ? start.commit : await change.commit(start.commit, tree);
  if (!(await moveRef(repo, ref, { from: tip?.commit ?? null, to, message: reflogOf(change) }))) {
    throw failure('HEAD_MOVED', `The branch ${branch} moved meanwhile; nothing was changed.`, { hint: 'Apply again.' });
  }
  const undo = tip === null ? `git branch -D ${shellWord(branch)}` : `git update-ref ${shellWord(ref)} ${tip.commit}`;
  return { from: start.commit, to, branch, undo };
}

/** A commit at the end of a branch. */
export interface Tip {
  readonly commit: ObjectId;
  readonly tree: ObjectId;
}

/** Branch names may hold what a shell would act on. */
export function shellWord(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function reflogOf(change: Change): string {
  return change.label === undefined ? 'orchestrate: apply' : `orchestrate: apply ${change.label}`;
}

async function mergedTree(repo: Repository, change: Change, onto: ObjectId): Promise<ObjectId> {
  const merge = await mergeTrees(repo, { base: change.base, ours: onto, theirs: change.result });
  if (merge.clean) return merge.tree;
  throw conflictWithBranch(merge.paths);
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

async function moveHead(
  repo: Repository,
  move: TreeMove & { readonly head: ObjectId; readonly commit: ObjectId; readonly message: string },
): Promise<void> {
  const error = await moveRef(repo, 'HEAD', { from: move.head, to: move.commit, message: move.message }).then(
    (moved) =>
      moved
        ? null
        : failure('HEAD_MOVED', 'The branch moved meanwhile; nothing was changed.', { hint: 'Apply again.' }),
    (problem: unknown) => problem,
  );
  if (error === null) return;
  const changes = await rawChanges(await privateGit(repo), move.to, move.from);
  await moveCheckout(repo, { from: move.to, to: move.from, changes });
  throw error;
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
