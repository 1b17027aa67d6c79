/** The person's terminal while a screen has it: every key comes here, and it is as it was before when the screen is left. */

import type { Key } from '../../src/plan/session/key.ts';
import type { Terminal } from '../context.ts';
import { KeyInput } from '../key-input.ts';
import type { Size } from './layout.ts';
import { Painter, type Place } from './painter.ts';

export interface Listener {
  /** All keys of one piece of input, so that what was pasted into a slow terminal is one redraw. */
  onKeys(keys: readonly Key[]): void;
  onResize(): void;
  /** The terminal is gone, or somebody wants the process to end. */
  onEnd(): void;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Time to be stopped by the shell before the screen is drawn again. */
const SUSPEND_MS = 100;

export class KeyboardScreen implements Disposable {
  readonly #terminal: Pick<Terminal, 'in' | 'out'>;
  readonly #listener: Listener;
  readonly #painter: Painter;
  readonly #keyInput = new KeyInput((keys) => this.#hand(keys));
  #isLent = false;
  #isClosed = false;

  constructor(terminal: Pick<Terminal, 'in' | 'out'>, listener: Listener) {
    this.#terminal = terminal;
    this.#listener = listener;
    this.#painter = new Painter(terminal.out);
    terminal.out.on('error', this.#onGone);
    terminal.out.on('resize', this.#onResize);
    terminal.in.on('error', this.#onGone);
    terminal.in.on('end', this.#onGone);
    terminal.in.on('close', this.#onGone);
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
    // The cause of a crash is printed after this, onto the screen that the person keeps.
    process.on('uncaughtExceptionMonitor', this.#restore);
    process.on('exit', this.#restore);
    this.#take();
  }

  get size(): Size {
    const { columns, rows } = this.#terminal.out;
    return { columns: columns || 80, rows: rows || 24 };
  }

  paint(lines: readonly string[], caret: Place | null): void {
    this.#painter.paint(lines, caret);
  }

  forget(): void {
    this.#painter.forget();
  }

  /** The terminal as it was, for a program that the person works with meanwhile. */
  async lend<T>(use: () => Promise<T>): Promise<T> {
    this.#isLent = true;
    this.#release();
    try {
      return await use();
    } finally {
      this.#isLent = false;
      if (!this.#isClosed) this.#take();
    }
  }

  /** As Ctrl-Z does to other programs. */
  async suspend(): Promise<void> {
    await this.lend(async () => {
      process.kill(0, 'SIGTSTP');
      await new Promise((resolve) => setTimeout(resolve, SUSPEND_MS));
    });
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#release();
    const { in: input, out } = this.#terminal;
    out.off('error', this.#onGone);
    out.off('resize', this.#onResize);
    input.off('error', this.#onGone);
    input.off('end', this.#onGone);
    input.off('close', this.#onGone);
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
    process.off('uncaughtExceptionMonitor', this.#restore);
    process.off('exit', this.#restore);
  }

  #take(): void {
    const { in: input } = this.#terminal;
    input.setRawMode(true);
    input.on('data', this.#onData);
    input.resume();
    this.#painter.enter();
  }

  #release(): void {
    const { in: input } = this.#terminal;
    this.#keyInput.stop();
    input.off('data', this.#onData);
    input.pause();
    this.#restore();
  }

  readonly #restore = (): void => {
    this.#painter.leave();
    const { in: input } = this.#terminal;
    // A terminal that is gone has no modes.
    if (!input.destroyed && input.isRaw) input.setRawMode(false);
  };

  readonly #onData = (data: Buffer | string): void => this.#keyInput.push(data);

  #hand(keys: readonly Key[]): void {
    if (keys.length > 0) this.#listener.onKeys(keys);
  }

  readonly #onResize = (): void => {
    this.#painter.forget();
    this.#listener.onResize();
  };

  readonly #onGone = (): void => this.#listener.onEnd();

  /** What the person types to an editor is for the editor, Ctrl-C as well. */
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    if (!this.#isLent || signal !== 'SIGINT') this.#listener.onEnd();
  };
}
