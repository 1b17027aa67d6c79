/** A folder of synthetic commits, which tell git what is merged into what: 2.39 takes no trees and no `--merge-base`. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, utimes } from 'node:fs/promises';
import { platform } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { failure } from '../errors.ts';
import type { ObjectId } from '../types.ts';
import { objectId, printablePath, quotePath, splitNul } from './bytes.ts';
import { syntheticCommitText } from './commits.ts';
import { rawChanges } from './diff.ts';
import { type GitEnvironment, type GitResult, git, gitError } from './git.ts';
import { cannotWrite, privateGit } from './private-dir.ts';
import type { Repository } from './repository.ts';

/** `paths` are printable and sorted; a file in the way of a folder has its own name there. */
export type TreeMerge =
  | { readonly clean: true; readonly tree: ObjectId }
  | { readonly clean: false; readonly paths: readonly string[] };

/** Two trees that both come from the tree `base`. */
export interface TreesToMerge {
  readonly base: ObjectId;
  readonly ours: ObjectId;
  readonly theirs: ObjectId;
}

/** Where what a merge makes goes: among the user's objects, or into the folder, which goes away. */
export type MergeResults = 'kept' | 'dropped';

/** Commits with one parent, that of the base. */
export interface MergeCommits {
  readonly left: ObjectId;
  readonly right: ObjectId;
}

/** The exit code of a git that a signal ended (see `git`). */
const BY_SIGNAL = 255;

export const MERGE_TREE = ['merge-tree', '--write-tree', '-z', '--name-only', '--no-messages'];

/** What nobody needs git for; else null. */
export function mergeAtOnce({ base, ours, theirs }: TreesToMerge): TreeMerge | null {
  if (ours === theirs || theirs === base) return { clean: true, tree: ours };
  return ours === base ? { clean: true, tree: theirs } : null;
}

export class MergeFolder implements AsyncDisposable {
  /** The commits that are there already, by what they say. */
  readonly #written = new Map<string, Promise<ObjectId>>();
  readonly #folders = new Set<string>();
  readonly #repo: Repository;
  readonly #path: string;
  /** How git runs that sees the commits. */
  readonly where: GitEnvironment;

  private constructor(repo: Repository, path: string, where: GitEnvironment) {
    this.#repo = repo;
    this.#path = path;
    this.where = where;
  }

  static async create(repo: Repository, results: MergeResults): Promise<MergeFolder> {
    const where = await privateGit(repo);
    const path = await mkdtemp(join(where.cwd, 'merge-')).catch((error: unknown) => {
      throw cannotWrite(where.cwd, error);
    });
    const [written, read] = results === 'kept' ? [repo.objectsDir, path] : [path, repo.objectsDir];
    const objects = {
      GIT_OBJECT_DIRECTORY: written,
      GIT_ALTERNATE_OBJECT_DIRECTORIES: quotePath(Buffer.from(read)),
    };
    // What goes away again need not be small.
    const config = results === 'kept' ? where.config : [...where.config, 'core.looseCompression=0'];
    return new MergeFolder(repo, path, { ...where, env: { ...where.env, ...objects }, config });
  }

  /** The two commits whose merge is that of the trees. */
  async commitsFor({ base, ours, theirs }: TreesToMerge): Promise<MergeCommits> {
    const root = await this.#commit(base);
    const [left, right] = await Promise.all([this.#commit(ours, root), this.#commit(theirs, root)]);
    return { left, right };
  }

  /** Merges in a git process of its own. */
  async merge(trees: TreesToMerge): Promise<TreeMerge> {
    const commits = await this.commitsFor(trees);
    const answer = await this.#mergeTree(commits);
    if (answer === null) return { clean: false, paths: await this.#changedByBoth(trees) };
    return treeMergeOf(commits, answer.exitCode === 0, splitNul(answer.stdout));
  }

  /** The tree that git makes of a merge, clean or not; that of our side where it makes none. */
  async mergeWithMarkers(trees: TreesToMerge): Promise<ObjectId> {
    const answer = await this.#mergeTree(await this.commitsFor(trees));
    return answer === null ? trees.ours : writtenTree(splitNul(answer.stdout)[0]);
  }

  /**
   * Null where git gives up. Files that become folders, and folders files, make git 2.39 fail assertions: some of them not
   * where it follows no renamed folders.
   */
  async #mergeTree({ left, right }: MergeCommits): Promise<GitResult | null> {
    const args = [...MERGE_TREE, left, right];
    for (const config of [[], ['merge.directoryRenames=false']]) {
      const answer = await git(this.where, args, { accept: [1, BY_SIGNAL], config });
      if (answer.exitCode !== BY_SIGNAL) return answer;
      if (!/^fatal: SIG(?:ABRT|SEGV)$/m.test(answer.stderr)) throw gitError(args, answer);
    }
    return null;
  }

  /** Printable and sorted: what both sides changed, else what either did. */
  async #changedByBoth({ base, ours, theirs }: TreesToMerge): Promise<string[]> {
    const [left, right] = await Promise.all([ours, theirs].map((side) => rawChanges(this.where, base, side)));
    const mine = new Set((left ?? []).map(({ path }) => printablePath(path)));
    const others = (right ?? []).map(({ path }) => printablePath(path));
    const both = others.filter((path) => mine.has(path));
    return (both.length > 0 ? both : [...new Set([...mine, ...others])]).sort();
  }

  /** A conflict whose answer is longer than what a C library holds back of a program's output; it makes nothing. */
  async longAnswer(): Promise<MergeCommits> {
    const name = 'x'.repeat(platform() === 'linux' ? 4_200 : 70_000);
    const treeWith = (blob: ObjectId): Promise<ObjectId> =>
      this.#write('tree', Buffer.concat([Buffer.from(`100644 ${name}\0`), Buffer.from(blob, 'hex')]));
    const [base, ours, theirs] = await Promise.all([
      this.#write('blob', Buffer.from('before\n')).then(treeWith),
      this.#write('blob', Buffer.from('after\n')).then(treeWith),
      this.#write('tree', Buffer.alloc(0)),
    ]);
    return this.commitsFor({ base, ours, theirs });
  }

  /** To be called at least every hour: what nobody touches for longer was left by a killed process. */
  async touch(): Promise<void> {
    const now = new Date();
    await utimes(this.#path, now, now).catch(async () => {
      this.#written.clear();
      this.#folders.clear();
      await mkdir(this.#path, { recursive: true });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#path, { recursive: true, force: true });
  }

  /** Writes a loose object (zlib of header and content). At once: small files, and each way round by a thread is felt. */
  async #write(type: 'blob' | 'tree' | 'commit', content: Buffer): Promise<ObjectId> {
    const id = objectId(this.#repo.objectFormat, type, content);
    const object = Buffer.concat([Buffer.from(`${type} ${content.length}\0`), content]);
    const folder = join(this.#path, id.slice(0, 2));
    try {
      if (!this.#folders.has(folder)) mkdirSync(folder, { recursive: true });
      this.#folders.add(folder);
      writeFileSync(join(folder, id.slice(2)), deflateSync(object, { level: 1 }));
    } catch (error) {
      throw cannotWrite(folder, error);
    }
    return id;
  }

  #commit(tree: ObjectId, parent?: ObjectId): Promise<ObjectId> {
    const key = `${tree} ${parent ?? ''}`;
    let commit = this.#written.get(key);
    if (commit === undefined) {
      commit = this.#write('commit', syntheticCommitText(tree, parent === undefined ? [] : [parent]));
      this.#written.set(key, commit);
      commit.catch(() => this.#written.delete(key));
    }
    return commit;
  }
}

/** From what `git merge-tree` prints (MERGE_TREE): the tree, then paths in conflict. */
export function treeMergeOf(commits: MergeCommits, clean: boolean, [tree, ...paths]: readonly Buffer[]): TreeMerge {
  const written = writtenTree(tree);
  if (clean) return { clean: true, tree: written };
  const own = paths.filter((path) => path.length > 0).map((path) => printablePath(path));
  return { clean: false, paths: [...new Set(own.map((path) => withoutCommit(path, commits)))].sort() };
}

function writtenTree(tree: Buffer | undefined): ObjectId {
  if (tree === undefined) throw failure('GIT_FAILED', 'git merge-tree did not name the tree that it made.');
  return tree.toString('latin1') as ObjectId;
}

/** A file in the way of a folder is told as `<path>~<commit>`, and those commits are nobody's. */
function withoutCommit(path: string, { left, right }: MergeCommits): string {
  const end = [left, right].map((commit) => path.lastIndexOf(`~${commit}`)).find((at) => at > 0);
  return end === undefined || !/^_?[0-9]*$/.test(path.slice(end + 1 + left.length)) ? path : path.slice(0, end);
}
