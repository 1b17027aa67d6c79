/**
 * The person's keyboard for a review, line by line on the terminal as it is: single keys where the terminal gives them,
 * else the first letter of a line. Nothing is drawn but what is asked, and the terminal's modes are put back on every way out.
 */

import type { Key } from '../../src/plan/session/key.ts';
import { type Line, lineOf, typed } from '../../src/plan/session/line-editor.ts';
import type { Terminal } from '../context.ts';
import { HeldTerminal } from '../held-terminal.ts';
import { inputRows } from '../plan/input-rows.ts';

/** `left`: Ctrl-D, or the terminal is gone. `interrupted`: Ctrl-C, or a signal. */
export type Leaving = 'left' | 'interrupted';

export class Left extends Error {
  constructor(readonly how: Leaving) {
    super(`the review was ${how}`);
  }
}

/** What is pasted comes between marks, so that it is never taken for keys. */
const [MARK_PASTES, DO_NOT] = ['\x1b[?2004h', '\x1b[?2004l'];
const ERASE_REST = '\x1b[K';

export class Keyboard implements Disposable {
  readonly #out: Terminal['out'];
  /** Whether single keys come; else lines do, which the terminal itself edits. */
  readonly #isRaw: boolean;
  readonly #held: HeldTerminal;
  #keys: Key[] = [];
  #leaving: Leaving | null = null;
  #wake: (() => void) | null = null;
  #working: AbortController | null = null;

  constructor({ in: input, out, env }: Pick<Terminal, 'in' | 'out' | 'env'>) {
    this.#out = out;
    this.#isRaw = env.TERM !== 'dumb' && typeof input.setRawMode === 'function';
    this.#held = new HeldTerminal(
      { in: input, out },
      {
        isRaw: this.#isRaw,
        onKeys: (keys) => this.#push(keys),
        onGone: () => this.#end('left'),
        onSignal: (signal) => {
          if (signal === 'SIGINT' && this.#working !== null) this.#working.abort();
          else this.#end('interrupted');
        },
        onTaken: () => {
          if (this.#isRaw) out.write(MARK_PASTES);
        },
        onRestore: () => {
          if (!input.destroyed && input.isRaw) out.write(DO_NOT);
        },
      },
    );
  }

  get width(): number {
    return this.#out.columns || 80;
  }

  get height(): number {
    return this.#out.rows || 24;
  }

  print(text: string): void {
    if (this.#leaving === null) this.#out.write(text);
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
    try {
      return await this.#held.lend(use);
    } finally {
      if (this.#leaving === null) await this.forget();
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
    this.#held[Symbol.dispose]();
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
    this.#held.end();
    return new Left(how);
  }

  /** One row, of which as much is seen as fits around the cursor. */
  #draw(prompt: string, line: Line): void {
    const room = Math.max(8, this.width - prompt.length - 1);
    const { rows, caret } = inputRows(line, room, 1);
    this.print(`\r${prompt}${rows[0] ?? ''}${ERASE_REST}\r\x1b[${prompt.length + caret.column}C`);
  }

  async #suspend(): Promise<void> {
    await this.#held.suspend();
    if (this.#leaving === null) await this.forget();
  }

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

  #end(how: Leaving): void {
    this.#leaving ??= how;
    this.#held.end();
    this.#working?.abort();
    this.#wakeUp();
  }
}

const NAMED: Readonly<Record<string, string>> = { enter: '\r', newline: '\r', escape: '\x1b', right: '>', left: '<' };
