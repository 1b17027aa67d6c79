/**
 * The person's keyboard for a review, line by line on the terminal as it is: single keys where the terminal gives them,
 * else the first letter of a line. Nothing is drawn but what is asked, and the terminal's modes are put back on every way out.
 */

import type { Key } from '../../src/plan/session/key.ts';
import { type Line, lineOf, typed } from '../../src/plan/session/line-editor.ts';
import type { Terminal } from '../context.ts';
import { KeyInput } from '../key-input.ts';
import { inputRows } from '../plan/input-rows.ts';

/** `left`: Ctrl-D, or the terminal is gone. `interrupted`: Ctrl-C, or a signal. */
export type Leaving = 'left' | 'interrupted';

export class Left extends Error {
  constructor(readonly how: Leaving) {
    super(`the review was ${how}`);
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** What is pasted comes between marks, so that it is never taken for keys. */
const [MARK_PASTES, DO_NOT] = ['\x1b[?2004h', '\x1b[?2004l'];
const ERASE_REST = '\x1b[K';
/** Time to be stopped by the shell before anything is asked again. */
const SUSPEND_MS = 100;

export class Keyboard implements Disposable {
  readonly #terminal: Pick<Terminal, 'in' | 'out'>;
  /** Whether single keys come; else lines do, which the terminal itself edits. */
  readonly #isRaw: boolean;
  readonly #keyInput = new KeyInput((keys) => this.#push(keys));
  #keys: Key[] = [];
  #leaving: Leaving | null = null;
  #isLent = false;
  #wake: (() => void) | null = null;
  #working: AbortController | null = null;

  constructor({ in: input, out, env }: Pick<Terminal, 'in' | 'out' | 'env'>) {
    this.#terminal = { in: input, out };
    this.#isRaw = env.TERM !== 'dumb' && typeof input.setRawMode === 'function';
    out.on('error', this.#onGone);
    for (const event of ['error', 'end', 'close'] as const) input.on(event, this.#onGone);
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
    process.on('uncaughtExceptionMonitor', this.#restore);
    process.on('exit', this.#restore);
    this.#take();
  }

  get width(): number {
    return this.#terminal.out.columns || 80;
  }

  get height(): number {
    return this.#terminal.out.rows || 24;
  }

  print(text: string): void {
    if (this.#leaving === null) this.#terminal.out.write(text);
  }

  /** Drops what was typed before now: it was meant for something else. */
  async forget(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#keys = [];
  }

  /** Asks, and gives the character of the next key (`\r` for Enter, `\x1b` for Escape, empty for any other). @throws Left */
  async key(prompt: string): Promise<string> {
    this.print(prompt);
    if (!this.#isRaw) return (await this.#cookedLine()).trim().slice(0, 1) || '\r';
    const key = await this.#next();
    if (key.kind === 'paste') {
      this.print('\n');
      return '';
    }
    const text = key.kind === 'text' ? key.text : NAMED[key.name];
    if (key.kind === 'press' && key.name === 'ctrl-d') throw this.#leave('left');
    this.print(key.kind === 'text' ? `${key.text}\n` : '\n');
    return text ?? '';
  }

  /** Asks for a line; null: Escape, the person thought better of it. @throws Left */
  async line(prompt: string): Promise<string | null> {
    if (!this.#isRaw) {
      this.print(prompt);
      return await this.#cookedLine();
    }
    let line = lineOf('');
    for (;;) {
      this.#draw(prompt, line);
      const key = await this.#next();
      if (key.kind === 'press') {
        if (key.name === 'enter' || key.name === 'newline' || key.name === 'escape') {
          this.print('\n');
          return key.name === 'escape' ? null : line.text;
        }
        if (key.name === 'ctrl-d' && line.text === '') throw this.#leave('left');
      }
      line = typed(line, key, { multiline: false }) ?? line;
    }
  }

  /** Yes, or else no. @throws Left */
  async yes(question: string): Promise<boolean> {
    return /^y$/i.test(await this.key(`${question} [y/N] `));
  }

  /** The terminal as it was, for a program that the person works with meanwhile. @throws Left where they left in it */
  async lend<T>(use: () => Promise<T>): Promise<T> {
    this.#isLent = true;
    this.#release();
    try {
      return await use();
    } finally {
      this.#isLent = false;
      if (this.#leaving === null) {
        this.#take();
        await this.forget();
      }
    }
  }

  /** For what takes long: Ctrl-C ends that, and not the review. */
  async working<T>(act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const working = new AbortController();
    this.#working = working;
    try {
      return await act(working.signal);
    } finally {
      this.#working = null;
    }
  }

  [Symbol.dispose](): void {
    this.#release();
    const { in: input } = this.#terminal;
    // The stream's last error, of a terminal that is gone, may come later.
    for (const event of ['end', 'close'] as const) input.off(event, this.#onGone);
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
    process.off('uncaughtExceptionMonitor', this.#restore);
    process.off('exit', this.#restore);
  }

  async #next(): Promise<Key> {
    for (;;) {
      if (this.#leaving !== null) throw new Left(this.#leaving);
      const key = this.#keys.shift();
      if (key === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      if (key.kind === 'press' && key.name === 'ctrl-c') throw this.#leave('interrupted');
      if (key.kind === 'press' && key.name === 'ctrl-z') await this.#suspend();
      else return key;
    }
  }

  /** Up to Enter. What the terminal echoed is on the screen already. */
  async #cookedLine(): Promise<string> {
    let text = '';
    for (;;) {
      const key = await this.#next();
      if (key.kind === 'press' && (key.name === 'enter' || key.name === 'newline')) return text;
      if (key.kind !== 'press') text += key.text;
    }
  }

  #leave(how: Leaving): Left {
    this.print('\n');
    this.#leaving = how;
    return new Left(how);
  }

  /** One row, of which as much is seen as fits around the cursor. */
  #draw(prompt: string, line: Line): void {
    const room = Math.max(8, this.width - prompt.length - 1);
    const { rows, caret } = inputRows(line, room, 1);
    this.print(`\r${prompt}${rows[0] ?? ''}${ERASE_REST}\r\x1b[${prompt.length + caret.column}C`);
  }

  async #suspend(): Promise<void> {
    await this.lend(async () => {
      process.kill(0, 'SIGTSTP');
      await new Promise((resolve) => setTimeout(resolve, SUSPEND_MS));
    });
  }

  #take(): void {
    const { in: input } = this.#terminal;
    if (this.#isRaw) {
      input.setRawMode(true);
      this.#terminal.out.write(MARK_PASTES);
    }
    input.on('data', this.#onData);
    input.resume();
  }

  #release(): void {
    const { in: input } = this.#terminal;
    this.#keyInput.stop();
    input.off('data', this.#onData);
    input.pause();
    this.#restore();
  }

  readonly #restore = (): void => {
    const { in: input, out } = this.#terminal;
    // A terminal that is gone has no modes.
    if (input.destroyed || !input.isRaw) return;
    out.write(DO_NOT);
    input.setRawMode(false);
  };

  readonly #onData = (data: Buffer | string): void => this.#keyInput.push(data);

  #push(keys: readonly Key[]): void {
    const isInterrupt = keys.some((key) => key.kind === 'press' && key.name === 'ctrl-c');
    if (isInterrupt && this.#working !== null) this.#working.abort();
    else this.#keys.push(...keys);
    this.#wakeUp();
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = null;
  }

  readonly #onGone = (): void => this.#end('left');

  /** What the person types to a pager or an editor is for that, Ctrl-C as well. */
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    if (signal === 'SIGINT' && this.#isLent) return;
    if (signal === 'SIGINT' && this.#working !== null) this.#working.abort();
    else this.#end('interrupted');
  };

  #end(how: Leaving): void {
    this.#leaving ??= how;
    this.#working?.abort();
    this.#wakeUp();
  }
}

const NAMED: Readonly<Record<string, string>> = { enter: '\r', newline: '\r', escape: '\x1b', right: '>', left: '<' };
