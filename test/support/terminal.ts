/** A terminal as a person has one: a real pty with a program on it, and the screen that its output makes. */

import type { Terminal as Emulator } from '@xterm/headless';
import headless from '@xterm/headless';
import { type IPty, spawn } from 'node-pty';
import { reveal } from '../../src/sanitise.ts';

const PASTE = ['\x1b[200~', '\x1b[201~'] as const;
/** For a busy machine; whoever waits this long waits for what does not come. */
const PATIENCE_MS = 45_000;

export interface Program {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly columns?: number;
  readonly rows?: number;
}

export class TestTerminal implements AsyncDisposable {
  readonly #pty: IPty;
  readonly #screen: Emulator;
  readonly #changed = new Set<() => void>();
  readonly #ended: Promise<{ readonly exitCode: number; readonly signal: number }>;
  #raw = '';
  #isOver = false;

  constructor({ file, args, cwd, env, columns = 80, rows = 24 }: Program) {
    this.#screen = new headless.Terminal({ cols: columns, rows, allowProposedApi: true });
    this.#pty = spawn(file, [...args], {
      name: env.TERM ?? 'xterm-256color',
      cols: columns,
      rows,
      cwd,
      env: { ...env },
    });
    this.#pty.onData((data) => {
      this.#raw += data;
      this.#screen.write(data, () => this.#tell());
    });
    // What the emulator answers to questions about itself.
    this.#screen.onData((data) => this.#pty.write(data));
    this.#ended = new Promise((resolve) => {
      this.#pty.onExit(({ exitCode, signal = 0 }) => {
        this.#isOver = true;
        this.#screen.write('', () => {
          this.#tell();
          resolve({ exitCode, signal });
        });
      });
    });
  }

  get pid(): number {
    return this.#pty.pid;
  }

  /** Everything that was sent to the terminal so far, with what acts on it spelled out: `\x1b[2J`. */
  get sent(): string {
    return reveal(this.#raw);
  }

  /** The rows that can be seen, without blanks at their ends. */
  get rows(): readonly string[] {
    const { active } = this.#screen.buffer;
    return Array.from({ length: this.#screen.rows }, (_, row) =>
      (active.getLine(active.viewportY + row)?.translateToString(true) ?? '').trimEnd(),
    );
  }

  get text(): string {
    return this.rows.join('\n');
  }

  get isAlternate(): boolean {
    return this.#screen.buffer.active.type === 'alternate';
  }

  /** Column and row of the cursor, from 0. */
  get cursor(): { readonly column: number; readonly row: number } {
    const { active } = this.#screen.buffer;
    return { column: active.cursorX, row: active.cursorY };
  }

  /** Bytes as a keyboard sends them. */
  press(...keys: readonly string[]): void {
    this.#pty.write(keys.join(''));
  }

  paste(text: string): void {
    this.#pty.write(`${PASTE[0]}${text}${PASTE[1]}`);
  }

  resize(columns: number, rows: number): void {
    this.#screen.resize(columns, rows);
    this.#pty.resize(columns, rows);
  }

  kill(signal: NodeJS.Signals): void {
    this.#pty.kill(signal);
  }

  /** The screen once the text is on it. */
  async shows(wanted: string | RegExp): Promise<string> {
    return await this.until(
      (text) => (typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text)),
      String(wanted),
    );
  }

  /** The screen once the text is no longer on it. */
  async hides(unwanted: string): Promise<string> {
    return await this.until((text) => !text.includes(unwanted), `no ${unwanted}`);
  }

  async until(isThere: (text: string) => boolean, what: string): Promise<string> {
    const deadline = Date.now() + PATIENCE_MS;
    while (!isThere(this.text)) {
      if (this.#isOver || Date.now() > deadline) {
        throw new Error(`${what} was not shown${this.#isOver ? ' before the end' : ''}:\n${this.text}`);
      }
      await this.#nextChange(deadline - Date.now());
    }
    return this.text;
  }

  async ended(): Promise<{ readonly exitCode: number; readonly signal: number }> {
    return await this.#ended;
  }

  /** Ends the program if it still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOver) this.#pty.kill('SIGKILL');
    await this.#ended;
    this.#screen.dispose();
  }

  #tell(): void {
    for (const listener of [...this.#changed]) listener();
  }

  async #nextChange(most: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#changed.delete(done);
        resolve();
      };
      const timer = setTimeout(done, Math.max(1, most));
      this.#changed.add(done);
    });
  }
}
