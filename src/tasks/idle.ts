/** Sees when an agent does nothing any more: no output, no traffic through the gateway, no CPU time. */

/** Part of one CPU that counts as work; below it are timers, polling and PID 1 itself. */
const WORKING = 0.01;
/** Milliseconds between two looks: a part of the time-out, at most so long. */
const LOOKS_PER_TIMEOUT = 10;
const MOST_BETWEEN_LOOKS_MS = 30_000;
const MINUTE_MS = 60_000;
/** From so long without a sign of work on it is worth a word to people. */
const WORTH_SAYING_MINUTES = 2;

export class IdleWatch implements Disposable {
  readonly #timeoutMs: number;
  readonly #cpuMs: () => Promise<number>;
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | undefined;
  #lookedAt = performance.now();
  /** CPU time at the last look; null: not asked then. */
  #cpuThen: number | null = null;
  #quietMs = 0;
  #wasActive = false;
  #holds = 0;
  readonly #onQuiet: (minutes: number | null) => void;
  /** Not told yet: whatever was told of the same agent before, in another run, may be wrong. */
  #toldMinutes: number | null | undefined;

  /**
   * @param cpuMs asks how much CPU time the agent has used so far; only asked while it is silent
   * @param onQuiet told how many whole minutes it has shown no sign of work when that changes; null: fewer than two
   */
  constructor(timeoutMs: number, cpuMs: () => Promise<number>, onQuiet: (minutes: number | null) => void = () => {}) {
    this.#timeoutMs = timeoutMs;
    this.#cpuMs = cpuMs;
    this.#onQuiet = onQuiet;
    this.#everyMs = Math.min(timeoutMs / LOOKS_PER_TIMEOUT, MOST_BETWEEN_LOOKS_MS);
  }

  /** The agent has just done something: printed, asked the model, called a tool. */
  active(): void {
    this.#wasActive = true;
  }

  /** The agent is held still by us; that time does not count. The returned function, called once, lets the clock go on. */
  hold(): () => void {
    this.#holds += 1;
    return () => {
      this.#holds -= 1;
      // What went by until now was not the agent's.
      this.#restart(null);
    };
  }

  /** Calls `onIdle` once, when nothing has happened for the whole time-out. */
  start(onIdle: () => void): void {
    this.#restart(null);
    this.#plan(onIdle);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #plan(onIdle: () => void): void {
    this.#timer = setTimeout(() => void this.#look(onIdle), this.#everyMs);
  }

  async #look(onIdle: () => void): Promise<void> {
    const timer = this.#timer;
    await this.#judge();
    if (this.#timer !== timer) return;
    this.#tell();
    if (this.#quietMs >= this.#timeoutMs) onIdle();
    else this.#plan(onIdle);
  }

  async #judge(): Promise<void> {
    if (this.#holds > 0) return;
    if (this.#wasActive) {
      this.#wasActive = false;
      this.#quietMs = 0;
      return this.#restart(null);
    }
    // An engine that does not answer is no reason to end anybody.
    const cpu = await this.#cpuMs().catch(() => null);
    if (this.#holds > 0) return;
    // A process that did not run itself (a laptop asleep) has seen nothing of the time.
    const passed = Math.min(performance.now() - this.#lookedAt, 2 * this.#everyMs);
    const worked = cpu === null ? null : cpu - (this.#cpuThen ?? cpu);
    if (worked !== null && worked >= passed * WORKING) this.#quietMs = 0;
    else if (worked !== null) this.#quietMs += passed;
    this.#restart(cpu);
  }

  #tell(): void {
    const whole = Math.floor(this.#quietMs / MINUTE_MS);
    const minutes = whole < WORTH_SAYING_MINUTES ? null : whole;
    if (minutes !== this.#toldMinutes) this.#onQuiet(minutes);
    this.#toldMinutes = minutes;
  }

  #restart(cpu: number | null): void {
    this.#lookedAt = performance.now();
    this.#cpuThen = cpu;
  }
}
