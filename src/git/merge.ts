/** Three-way merges of trees in the object store: no work tree, no drivers, no configuration of the user. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { failure } from '../errors.ts';
import type { ObjectId } from '../types.ts';
import { objectId, printablePath, quotePath, splitNul } from './bytes.ts';
import { rootCommitText } from './commits.ts';
import { git } from './git.ts';
import { cannotWrite, privateGit } from './private-dir.ts';
import type { Repository } from './repository.ts';

/** `paths` are printable and sorted. */
export type TreeMerge =
  | { readonly clean: true; readonly tree: ObjectId }
  | { readonly clean: false; readonly paths: readonly string[] };

/** Merges two trees that both come from the tree `base`. What is new goes into the user's object store. */
export async function mergeTrees(
  repo: Repository,
  merge: { readonly base: ObjectId; readonly ours: ObjectId; readonly theirs: ObjectId },
): Promise<TreeMerge> {
  const { base, ours, theirs } = merge;
  if (ours === theirs || theirs === base) return { clean: true, tree: ours };
  if (ours === base) return { clean: true, tree: theirs };
  const where = await privateGit(repo);
  const commits = await mkdtemp(join(where.cwd, 'merge-')).catch((error: unknown) => {
    throw cannotWrite(where.cwd, error);
  });
  try {
    // git 2.39 takes no --merge-base: three commits that exist only here say what was merged into what.
    const root = await writeCommit(repo, commits, rootCommitText(base));
    const left = await writeCommit(repo, commits, rootCommitText(ours, [root]));
    const right = await writeCommit(repo, commits, rootCommitText(theirs, [root]));
    const args = ['merge-tree', '--write-tree', '-z', '--name-only', '--no-messages', left, right];
    const env = { GIT_ALTERNATE_OBJECT_DIRECTORIES: quotePath(Buffer.from(commits)) };
    const answer = await git(where, args, { accept: [1], env });
    const [tree, ...paths] = splitNul(answer.stdout);
    if (tree === undefined) throw failure('GIT_FAILED', 'git merge-tree did not name the tree that it made.');
    if (answer.exitCode === 0) return { clean: true, tree: tree.toString('latin1') as ObjectId };
    return { clean: false, paths: [...new Set(paths.filter((path) => path.length > 0).map(printablePath))].sort() };
  } finally {
    await rm(commits, { recursive: true, force: true });
  }
}

/** Writes a loose object (zlib of header and content) into a folder of our own. */
async function writeCommit(repo: Repository, folder: string, content: Buffer): Promise<ObjectId> {
  const id = objectId(repo.objectFormat, 'commit', content);
  await mkdir(join(folder, id.slice(0, 2)), { recursive: true });
  const object = Buffer.concat([Buffer.from(`commit ${content.length}\0`), content]);
  await writeFile(join(folder, id.slice(0, 2), id.slice(2)), deflateSync(object));
  return id;
}
