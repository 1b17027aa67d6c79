/** Why a run starts nothing just now: a disk that is nearly full, an engine that does not answer. Each cause comes and goes. */

export class Holds {
  readonly #causes = new Map<string, string>();
  readonly #onChange: (reason: string | null, cause: string | null) => void;

  /** @param onChange told the phrase that is shown whenever it becomes another one; null: nothing stands in the way any more */
  constructor(onChange: (reason: string | null, cause: string | null) => void) {
    this.#onChange = onChange;
  }

  /** The phrase of the cause that is there longest; null: there is none. */
  get reason(): string | null {
    return this.#causes.values().next().value ?? null;
  }

  /** The phrase of one cause; null: it does not stand in the way. */
  of(cause: string): string | null {
    return this.#causes.get(cause) ?? null;
  }

  /** Says why a cause stands in the way, or (null) that it does no more. */
  set(cause: string, reason: string | null): void {
    const before = this.reason;
    if (reason === null) this.#causes.delete(cause);
    else this.#causes.set(cause, reason);
    if (this.reason !== before) this.#onChange(this.reason, this.#causes.keys().next().value ?? null);
  }
}
