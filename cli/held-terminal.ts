/**
 * The person's terminal while we read it key by key, with its modes put back on every way out: the end, a signal, a crash,
 * and while it is lent to another program.
 */

import type { Key } from '../src/plan/session/key.ts';
import type { Terminal } from './context.ts';
import { KeyInput } from './key-input.ts';

export interface TerminalUser {
  /** False where the terminal gives no single keys: its modes stay. */
  readonly isRaw: boolean;
  /** All keys of one piece of input. */
  onKeys(keys: readonly Key[]): void;
  /** The terminal is gone. */
  onGone(): void;
  onSignal(signal: NodeJS.Signals): void;
  /** It is ours (again); its modes are set. */
  onTaken(): void;
  /** It is about to be as it was. May be called again and again. */
  onRestore(): void;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Time to be stopped by the shell before the terminal is taken again. */
const SUSPEND_MS = 100;

export class HeldTerminal implements Disposable {
  readonly #input: Terminal['in'];
  readonly #user: TerminalUser;
  readonly #keyInput: KeyInput;
  #isLent = false;
  #isOver = false;

  constructor({ in: input, out }: Pick<Terminal, 'in' | 'out'>, user: TerminalUser) {
    this.#input = input;
    this.#user = user;
    this.#keyInput = new KeyInput((keys) => user.onKeys(keys));
    out.on('error', this.#onGone);
    for (const event of ['error', 'end', 'close'] as const) input.on(event, this.#onGone);
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
    // The cause of a crash is printed after this, onto the screen that the person keeps.
    process.on('uncaughtExceptionMonitor', this.#restore);
    process.on('exit', this.#restore);
    this.#take();
  }

  /** The terminal as it was, for a program that the person works with meanwhile. */
  async lend<T>(use: () => Promise<T>): Promise<T> {
    this.#isLent = true;
    this.#release();
    try {
      return await use();
    } finally {
      this.#isLent = false;
      if (!this.#isOver) this.#take();
    }
  }

  /** As Ctrl-Z does to other programs. */
  async suspend(): Promise<void> {
    await this.lend(async () => {
      process.kill(0, 'SIGTSTP');
      await new Promise((resolve) => setTimeout(resolve, SUSPEND_MS));
    });
  }

  /** What is lent now is not taken again. */
  end(): void {
    this.#isOver = true;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#release();
    // The streams' last errors, of a terminal that is gone, may come later: those listeners stay.
    for (const event of ['end', 'close'] as const) this.#input.off(event, this.#onGone);
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
    process.off('uncaughtExceptionMonitor', this.#restore);
    process.off('exit', this.#restore);
  }

  #take(): void {
    if (this.#user.isRaw) this.#input.setRawMode(true);
    this.#user.onTaken();
    this.#input.on('data', this.#onData);
    this.#input.resume();
  }

  #release(): void {
    this.#keyInput.stop();
    this.#input.off('data', this.#onData);
    this.#input.pause();
    this.#restore();
  }

  readonly #restore = (): void => {
    this.#user.onRestore();
    // A terminal that is gone has no modes.
    if (!this.#input.destroyed && this.#input.isRaw) this.#input.setRawMode(false);
  };

  readonly #onData = (data: Buffer | string): void => this.#keyInput.push(data);

  readonly #onGone = (): void => {
    if (!this.#isOver) this.#user.onGone();
  };

  /** What the person types to a pager or an editor is for that, Ctrl-C as well. */
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    if (!this.#isLent || signal !== 'SIGINT') this.#user.onSignal(signal);
  };
}
