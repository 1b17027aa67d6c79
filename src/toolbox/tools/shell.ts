/**
 * One persistent shell. Commands go in over its standard input as `eval '…'`, and their ends come back as markers in
 * its output, in order with what the commands wrote: an end of file would wait for whatever runs on in the background.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { Markers } from './markers.ts';

/**
 * Through `cat` the commands' output is a real pipe, which /dev/stderr can be opened on; a socket, as the runtime makes
 * them, cannot. Descriptor 8 is the shell's way to us, whatever a command does to 1 and 2.
 */
const LAUNCH = `
run() {
  if command -v bash >/dev/null 2>&1; then bash --noprofile --norc; else sh; fi
  command printf '\\036%s ended %s\\036' "$0" "$?"
}
if command -v cat >/dev/null 2>&1; then run 8>&1 2>&1 | cat; else run 8>&1 2>&1; fi`;

export type CommandEnd =
  | { readonly kind: 'done'; readonly exitCode: number; readonly cwd: string }
  /** The shell itself is gone. */
  | { readonly kind: 'ended'; readonly how: string };

export class Shell {
  readonly #child: ChildProcess;
  readonly #nonce = randomBytes(16).toString('hex');
  #onEnd: (end: CommandEnd) => void = () => {};
  #over: CommandEnd | null = null;
  #command = 0;
  #processId: number | null = null;

  /** @param onOutput what its commands write, during them and between them; nothing once it is abandoned */
  constructor(cwd: string, onOutput: (bytes: Buffer) => void) {
    const markers = new Markers(this.#nonce, onOutput, (text) => this.#marker(text));
    this.#child = spawn('/bin/sh', ['-c', LAUNCH, this.#nonce], { cwd, stdio: ['pipe', 'pipe', 'ignore'] });
    this.#child.stdout?.on('data', (chunk: Buffer) => markers.push(chunk));
    // It is gone: its end tells.
    this.#child.stdin?.on('error', () => {});
    this.#child.once('error', (error) => this.#ended(`the shell cannot be started: ${error.message}`));
    this.#child.once('exit', () => this.#ended('the shell was ended'));
    this.#child.stdin?.write(`command printf '\\036%s process %s\\036' ${this.#nonce} "$$" >&8\n`);
  }

  /** Of the shell itself; null until it runs. */
  get processId(): number | null {
    return this.#processId;
  }

  get isOver(): boolean {
    return this.#over !== null;
  }

  /** One at a time. The command has no standard input. */
  run(command: string): Promise<CommandEnd> {
    if (this.#over !== null) return Promise.resolve(this.#over);
    this.#command += 1;
    const quoted = command.replaceAll("'", "'\\''");
    const end = new Promise<CommandEnd>((resolve) => {
      this.#onEnd = resolve;
    });
    // `command` before `eval`: a syntax error would end a POSIX shell otherwise.
    this.#child.stdin?.write(
      `{ command eval '${quoted}'; } </dev/null >&8 2>&8 8>&-\n` +
        `{ command printf '\\036%s done %s %s %s\\036' ${this.#nonce} ${this.#command} "$?" "\${PWD-}" >&8; } 2>/dev/null\n`,
    );
    return end;
  }

  /** Its output is of no interest any more; what still runs below it is not held up by that. */
  abandon(): void {
    this.#over ??= { kind: 'ended', how: 'the shell was given up' };
    this.#child.stdout?.removeAllListeners('data').resume();
    this.#child.stdin?.destroy();
  }

  #marker(text: string): void {
    const [kind, first, second, ...rest] = text.split(' ');
    if (kind === 'process') this.#processId = Number(first);
    else if (kind === 'ended') this.#ended(`the shell ended with exit code ${first}`);
    else if (kind === 'done' && Number(first) === this.#command) {
      this.#onEnd({ kind: 'done', exitCode: Number(second), cwd: rest.join(' ') });
    }
  }

  #ended(how: string): void {
    this.#over ??= { kind: 'ended', how };
    this.#onEnd(this.#over);
  }
}
