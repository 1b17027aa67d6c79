/** The newest commits of a history, as far as an agent may see it: found, and packed like a shallow clone's. */

import type { Readable } from 'node:stream';
import { failure } from '../errors.ts';
import type { ObjectId } from '../types.ts';
import { endOf, type GitEnvironment, gitStream, startGit } from './git.ts';
import { packArguments } from './objects.ts';
import { privateGit } from './private-dir.ts';
import type { Repository } from './repository.ts';

export interface ShallowHistory {
  /** Commits whose parents are left out, for `.git/shallow`. Empty when the whole history is in. */
  readonly shallow: readonly ObjectId[];
  /** Self-contained (not thin) but for the objects of the commit's own tree, which the receiver has. */
  readonly pack: Readable;
}

/**
 * What `git clone --depth <depth>` of `commit` would bring: every commit that is fewer than `depth` steps away, with real
 * ids and authors, and nothing that `commit` does not reach. Where the user's own clone is shallow it ends there.
 */
export async function shallowHistory(repo: Repository, commit: ObjectId, depth: number): Promise<ShallowHistory> {
  const where = await privateGit(repo);
  const shallow = await boundaryOf(where, commit, depth);
  const lines = [...shallow.map((id) => `--shallow ${id}`), commit, `^${await treeOf(where, commit)}`];
  const input = `${lines.join('\n')}\n`;
  return { shallow, pack: gitStream(async () => ({ where, args: packArguments('--revs'), input })) };
}

interface Commit {
  readonly tree: ObjectId;
  readonly parents: readonly ObjectId[];
}

/** Level by level, so that the cost follows the depth and not the length of the history. */
async function boundaryOf(where: GitEnvironment, commit: ObjectId, depth: number): Promise<ObjectId[]> {
  const shallow: ObjectId[] = [];
  const seen = new Set<ObjectId>([commit]);
  await using reader = new CommitReader(where);
  let level: readonly ObjectId[] = [commit];
  for (let distance = 1; level.length > 0; distance += 1) {
    const commits = await reader.read(level);
    const parents = new Set<ObjectId>();
    const there = distance < depth ? await reader.read([...new Set(commits.flatMap((one) => one?.parents ?? []))]) : [];
    const known = distance < depth ? knownParents(commits, there) : new Set<ObjectId>();
    for (const [at, id] of level.entries()) {
      const own = commits[at]?.parents ?? [];
      if (own.some((parent) => !known.has(parent))) shallow.push(id);
      else for (const parent of own) parents.add(parent);
    }
    level = [...parents].filter((id) => !seen.has(id));
    for (const id of level) seen.add(id);
  }
  return shallow;
}

function knownParents(commits: readonly (Commit | null)[], there: readonly (Commit | null)[]): Set<ObjectId> {
  const asked = [...new Set(commits.flatMap((one) => one?.parents ?? []))];
  return new Set(asked.filter((_, at) => there[at] !== null));
}

async function treeOf(where: GitEnvironment, commit: ObjectId): Promise<ObjectId> {
  await using reader = new CommitReader(where);
  const [found] = await reader.read([commit]);
  if (found === undefined || found === null) throw failure('GIT_FAILED', `There is no commit ${commit}.`);
  return found.tree;
}

/** Reads commits through one `git cat-file --batch`. */
class CommitReader implements AsyncDisposable {
  readonly #args = ['cat-file', '--batch'];
  readonly #process: ReturnType<typeof startGit>;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #held = Buffer.alloc(0);

  constructor(where: GitEnvironment) {
    this.#process = startGit(where, this.#args);
    this.#chunks = (this.#process.stdout as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  }

  /** One answer per id; null for what is not there or no commit. */
  async read(ids: readonly ObjectId[]): Promise<(Commit | null)[]> {
    if (ids.length > 0) this.#process.stdin.write(`${ids.join('\n')}\n`);
    const commits: (Commit | null)[] = [];
    for (const _ of ids) {
      const [, type, size] = (await this.#line()).split(' ');
      if (size === undefined) commits.push(null);
      else {
        const content = (await this.#bytes(Number(size) + 1)).toString('latin1');
        commits.push(type === 'commit' ? parse(content) : null);
      }
    }
    return commits;
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#held.indexOf(0x0a);
      if (end >= 0) return (await this.#bytes(end + 1)).toString('latin1', 0, end);
      await this.#more();
    }
  }

  async #bytes(count: number): Promise<Buffer> {
    while (this.#held.length < count) await this.#more();
    const taken = this.#held.subarray(0, count);
    this.#held = this.#held.subarray(count);
    return taken;
  }

  async #more(): Promise<void> {
    const next = await this.#chunks.next();
    if (next.done === true) {
      await endOf(this.#process, this.#args);
      throw failure('GIT_FAILED', 'git cat-file ended early.');
    }
    this.#held = Buffer.concat([this.#held, next.value]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.stdin.end();
    await this.#process;
  }
}

function parse(content: string): Commit {
  const head = content.slice(0, content.indexOf('\n\n')).split('\n');
  const named = (name: string) =>
    head.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1) as ObjectId);
  // Headers that git signs over several lines begin with a space there.
  return { tree: named('tree')[0] ?? ('' as ObjectId), parents: named('parent') };
}
