/** A person who reviews on a terminal of a test's own: real repository and state, results as a run leaves them, no Docker. */

import { chmod, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { PatchRecord } from '../../src/state/records.ts';
import type { State } from '../../src/state/state.ts';
import type { AttemptId } from '../../src/types.ts';
import { compiledProgram } from './compiled.ts';
import { type FinishedTask, finishTask, stateOf } from './queue.ts';
import { Scratch } from './scratch.ts';
import { TestTerminal } from './terminal.ts';

export interface ReviewOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly columns?: number;
  readonly rows?: number;
  /** The terminal is a shell's that waits for the program: when the shell dies, the terminal is gone. */
  readonly underShell?: boolean;
}

export class Reviewer implements AsyncDisposable {
  readonly #open = new Set<TestTerminal>();

  private constructor(readonly scratch: Scratch) {}

  static async create(files?: Readonly<Record<string, string>>): Promise<Reviewer> {
    return new Reviewer(await Scratch.create(files));
  }

  finish(task: FinishedTask): ReturnType<typeof finishTask> {
    return finishTask(this.scratch, task);
  }

  review({ args = [], env = {}, underShell = false, ...size }: ReviewOptions = {}): TestTerminal {
    const program = [compiledProgram('cli/main'), 'review', ...args];
    const started = underShell
      ? { file: '/bin/sh', args: ['-c', '"$@"; exit', 'sh', process.execPath, ...program] }
      : { file: process.execPath, args: program };
    const terminal = new TestTerminal({
      ...{ ...started, cwd: this.scratch.repository, ...size },
      env: { ...this.scratch.env, TERM: 'xterm-256color', ...env },
    });
    this.#open.add(terminal);
    return terminal;
  }

  /** The same command without a terminal. */
  async command(...args: readonly string[]): Promise<{ exitCode: number; stdout: string; stderr: string }> {
    const { execa } = await import('execa');
    const { exitCode, stdout, stderr } = await execa(process.execPath, [compiledProgram('cli/main'), ...args], {
      ...{ cwd: this.scratch.repository, env: this.scratch.env, extendEnv: false, stdin: 'ignore', reject: false },
    });
    return { exitCode: exitCode ?? -1, stdout, stderr };
  }

  patch(id: string): PatchRecord {
    const patch = this.use((state) => state.patch(id as AttemptId));
    if (patch === null) throw new Error(`there is no patch ${id}`);
    return patch;
  }

  /** Of all patches. */
  states(): Record<string, string> {
    return this.use((state) => Object.fromEntries(state.patches().map(({ id, state: is }) => [id, is])));
  }

  use<T>(act: (state: State) => T): T {
    const state = stateOf(this.scratch);
    try {
      return act(state);
    } finally {
      state.close();
    }
  }

  /** A program for the person, such as a pager or an editor. */
  async script(name: string, lines: string): Promise<string> {
    const file = path.join(this.scratch.folder, name);
    await writeFile(file, `#!/bin/sh\n${lines}\n`);
    await chmod(file, 0o755);
    return file;
  }

  /** A file that such a program left, in bytes as Latin-1; empty where there is none. */
  async left(name: string): Promise<string> {
    return readFile(path.join(this.scratch.folder, name), 'latin1').catch(() => '');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const terminal of this.#open) await terminal[Symbol.asyncDispose]();
    await this.scratch[Symbol.asyncDispose]();
  }
}
