/** Things to let go of in the reverse order (Node 20 has no AsyncDisposableStack yet). */

export class Disposals implements AsyncDisposable {
  #kept: (Disposable | AsyncDisposable)[] = [];

  use<One extends Disposable | AsyncDisposable>(one: One): One {
    this.#kept.push(one);
    return one;
  }

  /** Leaves this one empty, and gives what it would have let go of. */
  move(): Disposals {
    const moved = new Disposals();
    moved.#kept = this.#kept;
    this.#kept = [];
    return moved;
  }

  /** Goes on where one fails; rejects with the first failure then. */
  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = [];
    for (const one of this.#kept.splice(0).reverse()) {
      try {
        if (Symbol.asyncDispose in one) await one[Symbol.asyncDispose]();
        else one[Symbol.dispose]();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
