/** Reads git objects of a stack of layers through one long-lived `git cat-file --batch-command`, lazily and cached. */

import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { CallFault } from '../session/protocol.ts';
import { start } from './spawn.ts';
import { type ObjectFormat, parseTree, type Tree } from './tree.ts';

/** Where objects are: a git directory and further object directories. */
export interface ObjectStore {
  readonly gitDir: string;
  readonly alternates: readonly string[];
}

/** The environment that lets git read this store. */
export function objectEnvironment(store: ObjectStore): Record<string, string> {
  const env: Record<string, string> = { GIT_DIR: store.gitDir };
  if (store.alternates.length > 0) env.GIT_ALTERNATE_OBJECT_DIRECTORIES = store.alternates.join(':');
  return env;
}

interface Question {
  readonly wantsContent: boolean;
  resolve(answer: { readonly size: number; readonly content: Buffer }): void;
  reject(error: Error): void;
}

const NEWLINE = 0x0a;

/** To be disposed; answers come in the order of the questions. */
export class ObjectReader implements Disposable {
  readonly #format: ObjectFormat;
  readonly #git: ChildProcessWithoutNullStreams;
  readonly #questions: Question[] = [];
  readonly #trees = new Map<string, Promise<Tree>>();
  #chunks: Buffer[] = [];
  #held = 0;
  #wanted = 1;
  #failed: Error | null = null;

  constructor(store: ObjectStore, options: { readonly format: ObjectFormat; readonly signal: AbortSignal }) {
    this.#format = options.format;
    this.#git = start(['git', 'cat-file', '--batch-command'], {
      cwd: '/',
      env: objectEnvironment(store),
      signal: options.signal,
    });
    let complaint = '';
    this.#git.stderr.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString('utf8')).slice(-1000);
    });
    this.#git.stdout.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#git.once('error', (error) => this.#fail(error));
    this.#git.once('close', () => this.#fail(new CallFault('KEEPER_PROGRAM_FAILED', `git cat-file: ${complaint}`)));
  }

  /** The entries of a tree; read once. */
  tree(id: string): Promise<Tree> {
    let tree = this.#trees.get(id);
    if (tree === undefined) {
      tree = this.#ask('contents', id).then(({ content }) => parseTree(content, this.#format));
      this.#trees.set(id, tree);
    }
    return tree;
  }

  async content(id: string): Promise<Buffer> {
    return (await this.#ask('contents', id)).content;
  }

  /** Bytes of an object without reading it. */
  async size(id: string): Promise<number> {
    return (await this.#ask('info', id)).size;
  }

  [Symbol.dispose](): void {
    this.#git.stdin.end();
    this.#git.kill('SIGKILL');
  }

  #ask(command: 'contents' | 'info', id: string): Promise<{ readonly size: number; readonly content: Buffer }> {
    return new Promise((resolve, reject) => {
      if (this.#failed !== null) return reject(this.#failed);
      this.#questions.push({ wantsContent: command === 'contents', resolve, reject });
      this.#git.stdin.write(`${command} ${id}\n`);
    });
  }

  #receive(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    if (this.#held < this.#wanted) return;
    let bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#held);
    for (;;) {
      const rest = this.#answer(bytes);
      if (rest === null) break;
      bytes = rest;
    }
    this.#chunks = [bytes];
    this.#held = bytes.length;
  }

  /** Takes one whole answer off the front; null when it is not all there yet. */
  #answer(bytes: Buffer): Buffer | null {
    this.#wanted = bytes.length + 1;
    const end = bytes.indexOf(NEWLINE);
    const question = this.#questions[0];
    if (end < 0 || question === undefined) return null;
    const [id, , digits] = bytes.toString('latin1', 0, end).split(' ');
    // "<id> missing" has two words.
    const size = digits === undefined ? Number.NaN : Number(digits);
    const after = question.wantsContent && Number.isFinite(size) ? end + 1 + size + 1 : end + 1;
    if (bytes.length < after) {
      this.#wanted = after;
      return null;
    }
    this.#questions.shift();
    if (Number.isFinite(size))
      question.resolve({ size, content: bytes.subarray(end + 1, Math.max(after - 1, end + 1)) });
    else question.reject(new CallFault('KEEPER_BAD_OBJECT', `object ${id} is not in the layer`));
    return bytes.subarray(after);
  }

  #fail(error: Error): void {
    this.#failed ??= error;
    for (const question of this.#questions.splice(0)) question.reject(error);
  }
}
