/** Holds the events of a stream back until a test lets them go. */

export class Gate {
  #passes = 0;
  #isOpen = false;
  readonly #held: (() => void)[] = [];
  readonly #watchers: { count: number; reached(): void }[] = [];
  #arrived = 0;

  /** Waits until it may go on. */
  async pass(): Promise<void> {
    this.#arrived += 1;
    for (const watcher of this.#watchers) if (watcher.count <= this.#arrived) watcher.reached();
    if (this.#isOpen) return;
    if (this.#passes > 0) this.#passes -= 1;
    else await new Promise<void>((resolve) => this.#held.push(resolve));
  }

  /** Lets so many more pass. */
  release(count: number): void {
    for (let i = 0; i < count; i += 1) {
      const next = this.#held.shift();
      if (next === undefined) this.#passes += 1;
      else next();
    }
  }

  /** Lets everything pass from here on. */
  open(): void {
    this.#isOpen = true;
    for (const next of this.#held.splice(0)) next();
  }

  /** Resolves when so many have come to the gate since it was made, let through or not. */
  arrived(count: number): Promise<void> {
    if (this.#arrived >= count) return Promise.resolve();
    return new Promise((reached) => this.#watchers.push({ count, reached }));
  }
}
