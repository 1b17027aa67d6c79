/** Agents are prepared side by side and started one after the other, in the order of the queue. */

/** A place in the line. */
export interface StartTurn {
  readonly come: Promise<void>;
  /** Lets the next one go; idempotent. Must be called whatever happens. */
  pass(): void;
}

/** For what has started already. */
export const NO_WAIT: StartTurn = { come: Promise.resolve(), pass: () => {} };

export class StartLine {
  #last: Promise<void> = Promise.resolve();

  /** The next place. */
  turn(): StartTurn {
    const come = this.#last;
    let pass = (): void => {};
    this.#last = new Promise((resolve) => {
      pass = resolve;
    });
    return { come, pass: () => pass() };
  }
}
