/** Many three-way merges of trees by one kept git process, which saves nine tenths of what a process for each costs. */

import { splitNul } from './bytes.ts';
import { type GitProcess, startGit } from './git.ts';
import type { TreeMerge, TreesToMerge } from './merge.ts';
import {
  MERGE_TREE,
  type MergeCommits,
  MergeFolder,
  type MergeResults,
  mergeAtOnce,
  treeMergeOf,
} from './merge-folder.ts';
import type { Repository } from './repository.ts';

export interface Merger extends AsyncDisposable {
  /** As `mergeTrees`, with the same answers and errors. Calls may overlap: they wait for each other. */
  merge(trees: TreesToMerge): Promise<TreeMerge>;
}

/**
 * `kept`: what merges make goes into the user's object store, as with `mergeTrees`. `dropped`: later merges of this merger
 * may build on it, and it goes away with the merger. Disposing waits for what was asked.
 */
export async function openMerger(repository: Repository, results: MergeResults = 'kept'): Promise<Merger> {
  return new KeptMerger(await MergeFolder.create(repository, results));
}

/** git keeps what it has read: a new process now and then bounds its memory, and how long it holds on to old packs. */
const MOST_MERGES = 5_000;
const LONGEST_MS = 600_000;

/** `alone`: the process ended over this merge (or before it had begun); `again`: over an earlier one. */
type Answer = TreeMerge | 'alone' | 'again';

interface Asked {
  readonly commits: MergeCommits;
  resolve(answer: Answer): void;
}

class KeptMerger implements Merger {
  readonly #folder: MergeFolder;
  readonly #open = new Set<Promise<TreeMerge>>();
  #process: Promise<MergeProcess> | null = null;
  #isWorthIt = true;

  constructor(folder: MergeFolder) {
    this.#folder = folder;
  }

  merge(trees: TreesToMerge): Promise<TreeMerge> {
    const known = mergeAtOnce(trees);
    if (known !== null) return Promise.resolve(known);
    const merged: Promise<TreeMerge> = this.#merge(trees).finally(() => this.#open.delete(merged));
    this.#open.add(merged);
    return merged;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#open);
    await (await this.#process)?.end();
    await this.#folder[Symbol.asyncDispose]();
  }

  async #merge(trees: TreesToMerge): Promise<TreeMerge> {
    for (;;) {
      if (!this.#isWorthIt) return await this.#folder.merge(trees);
      const process = await this.#running();
      const answer = await process.merge(await this.#folder.commitsFor(trees));
      if (answer === 'again') continue;
      if (answer !== 'alone') return answer;
      // A git without `--stdin` (2.38) answers nothing; any other says alone, in words, why it could not go on.
      this.#isWorthIt = process.hasAnswered;
      return await this.#folder.merge(trees);
    }
  }

  async #running(): Promise<MergeProcess> {
    const before = this.#process;
    const process = await before;
    if (process?.isUsable === true) return process;
    if (this.#process === before) this.#process = this.#replace(process);
    return await (this.#process as Promise<MergeProcess>);
  }

  async #replace(worn: MergeProcess | null): Promise<MergeProcess> {
    await worn?.end();
    await this.#folder.touch();
    return new MergeProcess(this.#folder.where, await this.#folder.longAnswer());
  }
}

/** `git merge-tree --stdin`: answers in the order of asking. */
class MergeProcess {
  readonly #git: GitProcess;
  readonly #ended: Promise<void>;
  readonly #startedAt = performance.now();
  readonly #longAnswer: string;
  /** What is not answered yet, in order; null: nobody waits for that answer. */
  readonly #asked: (Asked | null)[] = [];
  #merges = 0;
  #willFlush = false;
  #isOver = false;
  #unread: Buffer = Buffer.alloc(0);
  hasAnswered = false;

  constructor(where: MergeFolder['where'], longAnswer: MergeCommits) {
    this.#longAnswer = lineOf(longAnswer);
    this.#git = startGit(where, [...MERGE_TREE, '--stdin']);
    // A git that died is told by the end of its output, not by the broken pipe.
    this.#git.stdin.on('error', () => undefined);
    this.#git.stdout.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#ended = this.#git.then(() => this.#end());
  }

  get isUsable(): boolean {
    return !this.#isOver && this.#merges < MOST_MERGES && performance.now() - this.#startedAt < LONGEST_MS;
  }

  merge(commits: MergeCommits): Promise<Answer> {
    if (this.#isOver) return Promise.resolve('again');
    this.#merges += 1;
    return new Promise((resolve) => {
      this.#asked.push({ commits, resolve });
      this.#git.stdin.write(lineOf(commits));
      this.#flush();
    });
  }

  /** Ends it once all is answered. */
  async end(): Promise<void> {
    this.#git.stdin.end();
    await this.#ended;
  }

  /** git writes its answers out when it has enough of them. Once for all that is asked in one go. */
  #flush(): void {
    if (this.#willFlush) return;
    this.#willFlush = true;
    setImmediate(() => {
      this.#willFlush = false;
      if (this.#isOver || !this.#git.stdin.writable) return;
      this.#asked.push(null);
      this.#git.stdin.write(this.#longAnswer);
    });
  }

  /** `<1 or 0>\0<tree>\0`, paths in conflict, and an empty field. */
  #read(chunk: Buffer): void {
    let unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    for (let end = unread.indexOf(END); end >= 0; end = unread.indexOf(END)) {
      const [clean, ...rest] = splitNul(unread.subarray(0, end + 1));
      unread = unread.subarray(end + END.length);
      this.hasAnswered = true;
      const asked = this.#asked.shift();
      asked?.resolve(treeMergeOf(asked.commits, clean?.toString('latin1') === '1', rest));
    }
    this.#unread = unread;
  }

  #end(): void {
    this.#isOver = true;
    let answer: Answer = 'alone';
    for (const asked of this.#asked.splice(0)) {
      if (asked === null) continue;
      asked.resolve(answer);
      answer = 'again';
    }
  }
}

const END = Buffer.from('\0\0');

function lineOf({ left, right }: MergeCommits): string {
  return `${left} ${right}\n`;
}
