/** Refs of the user's repository, by compare-and-swap and without hooks. */

import { failure } from '../errors.ts';
import type { AttemptId, ObjectId } from '../types.ts';
import { zeroId } from './bytes.ts';
import { git, gitError } from './git.ts';
import { type Repository, userGit } from './repository.ts';

/** `refs/orchestrate/<task>/<n>/result`: where the result of an attempt is kept. */
export function resultRef(attempt: AttemptId): string {
  return `${attemptRefs(attempt)}/result`;
}

/** `refs/orchestrate/<task>/<n>/wip`: the last snapshot of an attempt that has no result yet. */
export function wipRef(attempt: AttemptId): string {
  return `${attemptRefs(attempt)}/wip`;
}

/** `refs/orchestrate/<task>/<n>/reviewed`: what a person made of the result, or what it became on another foundation. */
export function reviewedRef(attempt: AttemptId): string {
  return `${attemptRefs(attempt)}/reviewed`;
}

/** `refs/orchestrate/<task>/<n>/original`: the whole result on another foundation, where a person left some of it out. */
export function originalRef(attempt: AttemptId): string {
  return `${attemptRefs(attempt)}/original`;
}

/** All refs that keep what became of an attempt. */
export function keptRefs(attempt: AttemptId): string[] {
  return [resultRef(attempt), reviewedRef(attempt), originalRef(attempt)];
}

function attemptRefs(attempt: AttemptId): string {
  const dot = attempt.lastIndexOf('.');
  return `refs/orchestrate/${attempt.slice(0, dot)}/${attempt.slice(dot + 1)}`;
}

/** What a ref points at; null where it does not exist. */
export async function readRef(repo: Repository, name: string): Promise<ObjectId | null> {
  return (await listRefs(repo, name)).find((ref) => ref.name === name)?.oid ?? null;
}

/** Creates a ref. False when it exists already, whatever it points at. */
export async function createRef(repo: Repository, name: string, to: ObjectId): Promise<boolean> {
  const answer = await updateRefs(repo, `create ${name}\0${to}\0`);
  if (answer.exitCode === 0) return true;
  if (/reference already exists/.test(answer.stderr)) return false;
  throw gitError(['update-ref'], answer);
}

/** Moves a ref from `from` (null: it must not exist) to `to`. False when it was somewhere else. `HEAD` moves its branch. */
export async function moveRef(
  repo: Repository,
  name: string,
  move: { readonly from: ObjectId | null; readonly to: ObjectId; readonly message: string },
): Promise<boolean> {
  const from = move.from ?? zeroId(repo.objectFormat);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a reflog entry is one line
  const message = move.message.replace(/[\u0000-\u001f\u007f]+/g, ' ').slice(0, 500);
  const answer = await updateRefs(repo, `update ${name}\0${move.to}\0${from}\0`, message);
  if (answer.exitCode === 0) return true;
  if (/but expected|reference already exists|unable to resolve reference|reference is missing/.test(answer.stderr))
    return false;
  throw gitError(['update-ref'], answer);
}

/** Deletes refs in one transaction; ones that do not exist are no error. */
export async function deleteRefs(repo: Repository, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const answer = await updateRefs(repo, names.map((name) => `option no-deref\0delete ${name}\0\0`).join(''));
  if (answer.exitCode !== 0) throw gitError(['update-ref'], answer);
}

/** Refs below a prefix (`refs/orchestrate`), sorted by name. */
export async function listRefs(repo: Repository, prefix: string): Promise<{ name: string; oid: ObjectId }[]> {
  const args = ['for-each-ref', '--format=%(objectname) %(refname)', '--', prefix];
  const answer = await git(userGit(repo, 'read'), args);
  const lines = answer.stdout.toString('utf8').split('\n').filter(Boolean);
  return lines.map((line) => {
    const space = line.indexOf(' ');
    return { name: line.slice(space + 1), oid: line.slice(0, space) as ObjectId };
  });
}

/**
 * Milliseconds that git waits for another one to let go of a ref, and of all of them together: whoever packs refs or collects
 * garbage in a large repository takes longer than git itself would wait (0.1 s and 1 s).
 */
const LOCK_TIMEOUTS = ['core.filesRefLockTimeout=5000', 'core.packedRefsTimeout=5000'];

async function updateRefs(repo: Repository, commands: string, message = 'orchestrate') {
  if (/[\n]/.test(commands)) throw failure('GIT_FAILED', 'A ref name holds a newline.');
  return git(userGit(repo, 'write'), ['update-ref', '-m', message, '--stdin', '-z'], {
    input: commands,
    accept: [1, 128],
    shielded: true,
    config: LOCK_TIMEOUTS,
  });
}
