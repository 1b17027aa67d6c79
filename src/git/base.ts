/** The base: the exact tree and commit that attempts start from, with or without the user's uncommitted changes. */

import { randomBytes } from 'node:crypto';
import { constants, copyFile, mkdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { failure, usageError } from '../errors.ts';
import type { ObjectId } from '../types.ts';
import { nameSome, printablePath, splitNul } from './bytes.ts';
import { commitTree } from './commits.ts';
import { rawChanges } from './diff.ts';
import { git } from './git.ts';
import { cannotWrite, privateGit } from './private-dir.ts';
import { type Repository, userGit } from './repository.ts';

export interface Base {
  readonly tree: ObjectId;
  readonly commit: ObjectId;
  /** Sentences for people: what agents will not see as the user sees it. */
  readonly warnings: readonly string[];
  /** Printable paths of local changes that are not in the base (`folder/` for an untracked folder). */
  readonly leftOut: readonly string[];
}

/**
 * The base at `ref` (default HEAD), or with `includeDirty` HEAD plus every tracked and untracked, not ignored change of
 * the work tree, as a synthetic commit on top of HEAD. The user's index and refs are not touched.
 * Usage errors: UNKNOWN_REF; DIRTY_WITHOUT_HEAD when `ref` is not HEAD's commit and local changes are to be included.
 */
export async function resolveBase(
  repo: Repository,
  options: { readonly ref?: string; readonly includeDirty: boolean },
): Promise<Base> {
  const ref = options.ref ?? 'HEAD';
  const [base, dirty] = await Promise.all([lookUp(repo, ref), options.includeDirty ? [] : dirtyPaths(repo)]);
  if (!options.includeDirty) return { ...base, leftOut: dirty };
  if (options.ref !== undefined && base.commit !== (await lookUp(repo, 'HEAD')).commit) {
    throw usageError('DIRTY_WITHOUT_HEAD', `Local changes belong to HEAD, but the base is ${ref}.`, {
      hint: 'Leave out the base or the local changes.',
    });
  }
  const tree = await dirtyTree(repo);
  if (tree === base.tree) return { ...base, leftOut: [] };
  const nested = (await rawChanges(await privateGit(repo), base.tree, tree))
    .filter((change) => change.newMode === '160000')
    .map((change) => printablePath(change.path));
  const warning = `Repositories inside the work tree are left out: ${nameSome(nested)}.`;
  return {
    tree,
    commit: await commitTree(repo, { tree, parents: [base.commit], message: 'Uncommitted changes' }),
    warnings: nested.length > 0 ? [...base.warnings, warning] : base.warnings,
    leftOut: [],
  };
}

/** Printable paths of tracked changes and untracked, not ignored files (`folder/` for an untracked folder). */
export async function dirtyPaths(repo: Repository): Promise<string[]> {
  const answer = await git(userGit(repo, 'read'), [
    ...['status', '--porcelain=v1', '-z', '--no-renames', '--untracked-files=normal', '--ignore-submodules=dirty'],
  ]);
  return splitNul(answer.stdout).map((entry) => printablePath(entry.subarray(3)));
}

/** The commit that `ref` names. Usage error UNKNOWN_REF. */
export async function commitAt(repo: Repository, ref: string): Promise<ObjectId> {
  return (await lookUp(repo, ref)).commit;
}

interface Found {
  readonly tree: ObjectId;
  readonly commit: ObjectId;
  readonly warnings: readonly string[];
}

async function lookUp(repo: Repository, ref: string): Promise<Found> {
  const unknown = usageError('UNKNOWN_REF', `There is no commit called ${ref}.`, {
    hint: 'List what there is with `git branch --all` and `git log`.',
  });
  if (/[\n\0]/.test(ref)) throw unknown;
  // On stdin, nothing in a name can be taken for an option.
  const input = `info ${ref}^{commit}\ninfo ${ref}^{tree}\ninfo ${ref}^{tree}:.gitmodules\ncontents ${ref}^{tree}:.gitattributes\n`;
  const answer = await git(userGit(repo, 'read'), ['cat-file', '--batch-command'], { input });
  const text = answer.stdout.toString('utf8');
  const [commit = '', tree = '', modules = '', ...attributes] = text.split('\n');
  const [commitId, commitType] = commit.split(' ');
  const [treeId, treeType] = tree.split(' ');
  if (commitType !== 'commit' || treeType !== 'tree') throw unknown;
  return {
    commit: commitId as ObjectId,
    tree: treeId as ObjectId,
    warnings: warningsOf(modules, attributes),
  };
}

function warningsOf(modules: string, attributes: readonly string[]): string[] {
  const warnings: string[] = [];
  if (/^[0-9a-f]+ blob /.test(modules)) warnings.push('Submodules are left out: agents see empty folders there.');
  const lines = attributes.filter((line) => !line.trim().startsWith('#')).join('\n');
  const filters = [...new Set([...lines.matchAll(/\sfilter=([^\s]+)/g)].map((match) => match[1] ?? ''))];
  if (filters.length > 0) {
    const names = nameSome(filters.map((name) => printablePath(Buffer.from(name))));
    warnings.push(`Files under the filter ${names} stay as git stores them (Git LFS: pointers).`);
  }
  return warnings;
}

/** The tree that `git add -A` would stage, by way of a temporary copy of the index. */
async function dirtyTree(repo: Repository): Promise<ObjectId> {
  const index = join(repo.stateDir, `index.${randomBytes(6).toString('hex')}`);
  const options = { env: { GIT_INDEX_FILE: index }, config: ['core.splitIndex=false', 'advice.addEmbeddedRepo=false'] };
  try {
    await copyIndex(repo, index);
    await git(userGit(repo, 'write'), ['add', '-A', '--', ':/'], options).catch((error: unknown) => {
      throw failure('DIRTY_UNREADABLE', `The local changes could not be read: ${(error as Error).message}`, {
        hint: 'Commit what agents should see, or leave the local changes out.',
        cause: error,
      });
    });
    const tree = await git(userGit(repo, 'write'), ['write-tree'], options);
    return tree.stdout.toString('latin1').trim() as ObjectId;
  } finally {
    await rm(index, { force: true });
    await rm(`${index}.lock`, { force: true });
  }
}

async function copyIndex(repo: Repository, to: string): Promise<void> {
  const from = join(repo.gitDir, 'index');
  const original = await stat(from).catch(() => null);
  try {
    await mkdir(repo.stateDir, { recursive: true, mode: 0o700 });
    if (original === null) return;
    await copyFile(from, to, constants.COPYFILE_FICLONE);
  } catch (error) {
    throw cannotWrite(repo.stateDir, error);
  }
  // git trusts stat data of files older than the index: a copy that looks younger would hide a change made just before.
  const second = Math.floor(original.mtimeMs / 1000);
  await utimes(to, second, second);
}
