/** A timer that can be stopped and goes on where it was: pauses are not an attempt's time. */

export class Stopwatch {
  #leftMs: number;
  readonly #onEnd: () => void;
  #timer: NodeJS.Timeout | null = null;
  #startedAt = 0;

  /** Runs from now on; calls `onEnd` once, when it has run for so many milliseconds. */
  constructor(milliseconds: number, onEnd: () => void) {
    this.#leftMs = Math.max(0, milliseconds);
    this.#onEnd = onEnd;
    this.goOn();
  }

  stop(): void {
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#leftMs = Math.max(0, this.#leftMs - (performance.now() - this.#startedAt));
  }

  goOn(): void {
    if (this.#timer !== null) return;
    this.#startedAt = performance.now();
    this.#timer = setTimeout(this.#onEnd, this.#leftMs);
  }
}
