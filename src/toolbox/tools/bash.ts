/** The `bash` tool: commands in one persistent shell, as the Anthropic-defined tool of that name has them. */

import { statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { ToolAnswer } from '../toolbox.ts';
import { Output, OutputFolder } from './output.ts';
import { endDescendants, processIds } from './processes.ts';
import { type CommandEnd, Shell } from './shell.ts';

export interface BashOptions {
  /** Where shells start. */
  readonly cwd: string;
  /** Where outputs are kept that are too long for an answer. */
  readonly home: string;
  /** The sub-reaper: everything below it but ourselves is the tools'. */
  readonly root: number;
}

export class Bash {
  readonly #options: BashOptions;
  readonly #folder: OutputFolder;
  #shell: Shell | null = null;
  #output: Output;
  /** Where the shell was after its last command. */
  #cwd: string;

  constructor(options: BashOptions) {
    this.#options = options;
    this.#cwd = options.cwd;
    this.#folder = new OutputFolder(path.join(options.home, '.orchestrate', 'output'));
    this.#output = new Output(this.#folder);
  }

  /** @param input `{command}` or `{restart: true}` */
  async run(input: Readonly<Record<string, unknown>>, timeoutMs: number): Promise<ToolAnswer> {
    const { command, restart } = input;
    if (restart === true) return this.#restart();
    if (typeof command !== 'string' || command.trim() === '') {
      return { text: 'give a command, or restart: true', isError: true };
    }
    if (command.includes('\0')) return { text: 'a command cannot hold a NUL character', isError: true };
    if (this.#shell?.isOver === true) {
      this.#output.push(Buffer.from('[the shell had ended meanwhile: this is a new one]\n'));
      this.#shell = null;
    }
    this.#shell ??= this.#open();
    const before = processIds();
    const timer = new AbortController();
    const late = wait(timeoutMs, null, { signal: timer.signal });
    late.catch(() => {});
    const end = await Promise.race([this.#shell.run(command), late]);
    timer.abort();
    return end === null ? this.#timedOut(before, timeoutMs) : this.#ended(end);
  }

  #open(): Shell {
    if (!isFolder(this.#cwd)) this.#cwd = this.#options.cwd;
    return new Shell(this.#cwd, (bytes) => this.#output.push(bytes));
  }

  #ended(end: CommandEnd): ToolAnswer {
    if (end.kind === 'done') {
      this.#cwd = end.cwd;
      return this.#answer(end.exitCode === 0 ? null : `exit code ${end.exitCode}`, false);
    }
    this.#drop();
    return this.#answer(`${end.how} (exit, exec, set -e or a signal); ${this.#renewed()}`, true);
  }

  async #timedOut(before: ReadonlySet<number>, timeoutMs: number): Promise<ToolAnswer> {
    const all = await this.#endAllBut(before);
    const seconds = Math.round(timeoutMs / 1000);
    return this.#answer(
      `timed out after ${seconds} s: the command and ${all ? 'everything' : 'most of what'} it started were ended; ${this.#renewed()}. ` +
        'Start what shall run on with & and its output in a file',
      true,
    );
  }

  async #restart(): Promise<ToolAnswer> {
    this.#cwd = this.#options.cwd;
    await this.#endAllBut(new Set());
    this.#output = new Output(this.#folder);
    return {
      text: `the shell was restarted in ${this.#cwd}; everything that ran in the sandbox was ended`,
      isError: false,
    };
  }

  /** The shell goes too: left alone it would go on with the rest of its command. */
  async #endAllBut(spared: ReadonlySet<number>): Promise<boolean> {
    const shell = this.#drop();
    const others = [...spared].filter((pid) => pid !== shell);
    return endDescendants(this.#options.root, new Set([...others, process.pid]));
  }

  /** @returns the process id that it had */
  #drop(): number | null {
    const processId = this.#shell?.processId ?? null;
    this.#shell?.abandon();
    this.#shell = null;
    return processId;
  }

  #renewed(): string {
    return `the next command gets a new shell in ${isFolder(this.#cwd) ? this.#cwd : this.#options.cwd}, without the variables and functions of this one`;
  }

  /** What was written since the last answer, and how it ended. */
  #answer(note: string | null, isError: boolean): ToolAnswer {
    const text = this.#output.end();
    this.#output = new Output(this.#folder);
    if (note === null) return { text: text === '' ? '[no output]' : text, isError };
    return { text: `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}[${note}]`, isError };
  }
}

function isFolder(name: string): boolean {
  return statSync(name, { throwIfNoEntry: false })?.isDirectory() === true;
}
