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

/** Two trees that both come from the tree `base`. */
export interface ThreeTrees {
  readonly base: ObjectId;
  readonly ours: ObjectId;
  readonly theirs: ObjectId;
}

/** Merges two trees. What is new goes into the user's object store. */
export async function mergeTrees(repo: Repository, trees: ThreeTrees): Promise<TreeMerge> {
  const { tree, conflicts } = await merge(repo, trees);
  return conflicts === null ? { clean: true, tree } : { clean: false, paths: conflicts };
}

/**
 * The same for whoever resolves conflicts: where the two do not merge, the tree has both sides of a text between conflict
 * markers, and of what is no text (a binary file, one that the other side deleted) one of them.
 */
export async function mergeWithMarkers(repo: Repository, trees: ThreeTrees): Promise<ObjectId> {
  return (await merge(repo, trees)).tree;
}

interface Merge {
  readonly tree: ObjectId;
  /** Printable and sorted; null: it is clean. */
  readonly conflicts: readonly string[] | null;
}

async function merge(repo: Repository, { base, ours, theirs }: ThreeTrees): Promise<Merge> {
  if (ours === theirs || theirs === base) return { tree: ours, conflicts: null };
  if (ours === base) return { tree: theirs, conflicts: null };
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
    const [written, ...paths] = splitNul(answer.stdout);
    if (written === undefined) throw failure('GIT_FAILED', 'git merge-tree did not name the tree that it made.');
    const tree = written.toString('latin1') as ObjectId;
    if (answer.exitCode === 0) return { tree, conflicts: null };
    return { tree, conflicts: [...new Set(paths.filter((path) => path.length > 0).map(printablePath))].sort() };
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
