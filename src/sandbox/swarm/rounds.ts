/** Does something again and again while there is cause to. */

import { setTimeout as wait } from 'node:timers/promises';

export class Rounds {
  readonly #act: () => Promise<void>;
  readonly #pauseMs: () => number | null;
  #going: Promise<void> | null = null;
  /** Ends the pause between two rounds. */
  #pause = new AbortController();

  /**
   * @param act does not reject
   * @param pauseMs asked before each pause; null: there is no cause any more
   */
  constructor(act: () => Promise<void>, pauseMs: () => number | null) {
    this.#act = act;
    this.#pauseMs = pauseMs;
  }

  /** There is cause: a round begins at once, or as soon as the one that is under way has ended. */
  now(): void {
    this.#pause.abort();
    this.#going ??= this.#go().finally(() => {
      this.#going = null;
      // Something may have come up since it was asked for last.
      if (this.#pauseMs() !== null) this.now();
    });
  }

  /** Resolves when there is no cause any more; no pause is waited for. */
  async ended(): Promise<void> {
    this.#pause.abort();
    await this.#going;
  }

  async #go(): Promise<void> {
    for (;;) {
      this.#pause = new AbortController();
      await this.#act();
      const pauseMs = this.#pauseMs();
      if (pauseMs === null) return;
      await wait(pauseMs, undefined, { signal: this.#pause.signal }).catch(() => {});
    }
  }
}
