/**
 * Which new paths git would ignore: a long-lived `git check-ignore` over a skeleton work tree that holds nothing but
 * the `.gitignore` files and the folders that were asked about.
 */

import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { CallFault } from '../session/protocol.ts';
import { type BytePath, join, pathBytes } from './names.ts';
import { start } from './spawn.ts';

/** What git's answer holds for every path with `-z -v -n`: source, line, pattern, path. */
const FIELDS = 4;

export interface AskedPath {
  readonly path: BytePath;
  readonly folder: boolean;
}

/** To be disposed. A folder's rules must be set before anything in it is asked about. Costs nothing until then. */
export class IgnoreRules implements Disposable {
  readonly #temporary: string;
  readonly #signal: AbortSignal;
  #made: string | null = null;
  #git: ChildProcessWithoutNullStreams | null = null;
  #unfinished = '';
  #fields: string[] = [];
  readonly #waiting: { resolve(pattern: string): void; reject(error: Error): void }[] = [];
  #failed: Error | null = null;

  /** @param temporary a folder for the skeleton, best in memory */
  constructor(temporary: string, signal: AbortSignal) {
    this.#temporary = temporary;
    this.#signal = signal;
  }

  /** The content of `.gitignore` in a folder. */
  setRules(folder: BytePath, content: Buffer): void {
    mkdirSync(this.#inTree(folder), { recursive: true });
    writeFileSync(this.#inTree(join(folder, '.gitignore')), content);
  }

  /** One answer per path, in order. */
  async ignored(asked: readonly AskedPath[]): Promise<boolean[]> {
    // Patterns that end in a slash match folders only: git looks at the work tree to know.
    for (const one of asked) if (one.folder) mkdirSync(this.#inTree(one.path), { recursive: true });
    const git = this.#start();
    const answers = asked.map(
      () =>
        new Promise<string>((resolve, reject) => {
          if (this.#failed !== null) reject(this.#failed);
          else this.#waiting.push({ resolve, reject });
        }),
    );
    // The leading "./" keeps names that begin with a colon from being read as pathspec magic.
    git.stdin.write(Buffer.concat(asked.map((one) => Buffer.from(`./${one.path}\0`, 'latin1'))));
    const patterns = await Promise.all(answers);
    return patterns.map((pattern) => pattern !== '' && !pattern.startsWith('!'));
  }

  [Symbol.dispose](): void {
    this.#git?.kill('SIGKILL');
    if (this.#made !== null) rmSync(this.#made, { recursive: true, force: true });
  }

  /** The folder that holds the skeleton and an empty git directory for it. */
  #scratch(): string {
    if (this.#made !== null) return this.#made;
    this.#made = mkdtempSync(path.join(this.#temporary, 'ignore-'));
    for (const folder of ['git/objects', 'git/refs', 'tree'])
      mkdirSync(path.join(this.#made, folder), { recursive: true });
    writeFileSync(path.join(this.#made, 'git/HEAD'), 'ref: refs/heads/main\n');
    return this.#made;
  }

  #inTree(relative: BytePath): Buffer {
    return Buffer.concat([Buffer.from(`${this.#scratch()}/tree/`), pathBytes(relative)]);
  }

  #start(): ChildProcessWithoutNullStreams {
    if (this.#git !== null) return this.#git;
    const git = start(['git', 'check-ignore', '--no-index', '--stdin', '-z', '-v', '-n'], {
      cwd: path.join(this.#scratch(), 'tree'),
      env: { GIT_DIR: path.join(this.#scratch(), 'git'), GIT_WORK_TREE: path.join(this.#scratch(), 'tree') },
      signal: this.#signal,
    });
    let complaint = '';
    git.stderr.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString('utf8')).slice(-1000);
    });
    git.stdout.on('data', (chunk: Buffer) => this.#receive(chunk.toString('latin1')));
    git.once('error', (error) => this.#fail(error));
    git.once('close', () => this.#fail(new CallFault('KEEPER_PROGRAM_FAILED', `git check-ignore: ${complaint}`)));
    this.#git = git;
    return git;
  }

  #receive(text: string): void {
    const parts = (this.#unfinished + text).split('\0');
    this.#unfinished = parts.pop() ?? '';
    for (const part of parts) {
      this.#fields.push(part);
      if (this.#fields.length < FIELDS) continue;
      this.#waiting.shift()?.resolve(this.#fields[2] ?? '');
      this.#fields = [];
    }
  }

  #fail(error: Error): void {
    this.#failed ??= error;
    for (const one of this.#waiting.splice(0)) one.reject(error);
  }
}
