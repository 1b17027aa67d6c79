/** The branch that is merged into: the current one, whose work tree follows, or another that nobody has checked out. */

import { failure, usageError } from '../errors.ts';
import { readHead, readTip, type Tip } from '../git/apply.ts';
import { git } from '../git/git.ts';
import { type Repository, userGit } from '../git/repository.ts';
import { workTreeOf } from '../git/worktrees.ts';
import type { ObjectId } from '../types.ts';

export interface Target {
  /** Full name of the ref; `HEAD` where it is detached. */
  readonly ref: string;
  /** Short name; null for a detached HEAD. */
  readonly branch: string | null;
  readonly tip: Tip;
  /** It does not exist yet, and begins at HEAD. */
  readonly isNew: boolean;
  /** Whether it is checked out here, so that index and files move along. */
  readonly isHere: boolean;
}

/** For people and for JSON. */
export function nameOf(target: Pick<Target, 'branch'>): string {
  return target.branch ?? 'HEAD';
}

/**
 * `into`: the name of a branch as typed; null: what is checked out here. A branch that is another name for one (a symbolic
 * ref) is that one. Usage error BAD_BRANCH_NAME; failure BRANCH_CHECKED_OUT when another work tree has it.
 */
export async function targetOf(repository: Repository, into: string | null): Promise<Target> {
  const head = await readHead(repository);
  const here: Target = {
    ...{ ref: head.branch === null ? 'HEAD' : `refs/heads/${head.branch}`, branch: head.branch },
    ...{ tip: { commit: head.commit, tree: head.tree }, isNew: false, isHere: true },
  };
  if (into === null) return here;
  const ref = await fullName(repository, into);
  if (ref === here.ref) return here;
  const branch = ref.slice('refs/heads/'.length);
  const other = await workTreeOf(repository, ref);
  if (other !== null) {
    throw failure('BRANCH_CHECKED_OUT', `The branch ${branch} is checked out in ${other}.`, {
      hint: 'Merge there, or into another branch.',
    });
  }
  const tip = await readTip(repository, ref);
  if (tip === null) await refuseImpossible(repository, { into, ref, commit: head.commit });
  return { ref, branch, tip: tip ?? here.tip, isNew: tip === null, isHere: false };
}

async function fullName(repository: Repository, into: string): Promise<string> {
  const ref = `refs/heads/${into}`;
  const where = userGit(repository, 'read');
  const valid = await git(where, ['check-ref-format', ref], { accept: [1] });
  if (valid.exitCode !== 0 || into.startsWith('-') || into === 'HEAD') throw badName(into);
  const symbolic = await git(where, ['symbolic-ref', '-q', ref], { accept: [1, 128] });
  const named = symbolic.exitCode === 0 ? symbolic.stdout.toString('utf8').trim() : ref;
  if (!named.startsWith('refs/heads/')) throw badName(into);
  return named;
}

/** A name that git cannot make a branch of beside those that there are (`a/b` beside `a`) is known before anything is done. */
async function refuseImpossible(
  repository: Repository,
  branch: { readonly into: string; readonly ref: string; readonly commit: ObjectId },
): Promise<void> {
  const input = `start\0create ${branch.ref}\0${branch.commit}\0prepare\0abort\0`;
  const answer = await git(userGit(repository, 'write'), ['update-ref', '--stdin', '-z'], { input, accept: [1, 128] });
  if (answer.exitCode !== 0) throw badName(branch.into);
}

function badName(into: string): Error {
  return usageError('BAD_BRANCH_NAME', `${JSON.stringify(into)} is not a name that git takes for a branch here.`);
}
