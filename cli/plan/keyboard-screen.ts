/** The person's terminal while a screen has it: every key comes here, and it is as it was before when the screen is left. */

import type { Key } from '../../src/plan/session/key.ts';
import type { Terminal } from '../context.ts';
import { HeldTerminal } from '../held-terminal.ts';
import type { Size } from './layout.ts';
import { Painter, type Place } from './painter.ts';

export interface Listener {
  /** All keys of one piece of input, so that what was pasted into a slow terminal is one redraw. */
  onKeys(keys: readonly Key[]): void;
  onResize(): void;
  /** The terminal is gone, or somebody wants the process to end. */
  onEnd(): void;
}

export class KeyboardScreen implements Disposable {
  readonly #out: Terminal['out'];
  readonly #listener: Listener;
  readonly #painter: Painter;
  readonly #held: HeldTerminal;

  constructor(terminal: Pick<Terminal, 'in' | 'out'>, listener: Listener) {
    this.#out = terminal.out;
    this.#listener = listener;
    this.#painter = new Painter(terminal.out);
    terminal.out.on('resize', this.#onResize);
    this.#held = new HeldTerminal(terminal, {
      isRaw: true,
      onKeys: (keys) => {
        if (keys.length > 0) listener.onKeys(keys);
      },
      onGone: () => listener.onEnd(),
      onSignal: () => listener.onEnd(),
      onTaken: () => this.#painter.enter(),
      onRestore: () => this.#painter.leave(),
    });
  }

  get size(): Size {
    const { columns, rows } = this.#out;
    return { columns: columns || 80, rows: rows || 24 };
  }

  paint(lines: readonly string[], caret: Place | null): void {
    this.#painter.paint(lines, caret);
  }

  forget(): void {
    this.#painter.forget();
  }

  /** The terminal as it was, for a program that the person works with meanwhile. */
  lend<T>(use: () => Promise<T>): Promise<T> {
    return this.#held.lend(use);
  }

  /** As Ctrl-Z does to other programs. */
  suspend(): Promise<void> {
    return this.#held.suspend();
  }

  [Symbol.dispose](): void {
    this.#held[Symbol.dispose]();
    this.#out.off('resize', this.#onResize);
  }

  readonly #onResize = (): void => {
    this.#painter.forget();
    this.#listener.onResize();
  };
}
