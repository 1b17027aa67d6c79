/**
 * Whether a Docker engine answers. It is asked every few seconds while somebody watches; what waits for its answer is let
 * go when it does not answer any more, and goes on when it does again.
 */

import { setMaxListeners } from 'node:events';
import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import type { OrchestrateError } from '../../errors.ts';
import { isEngineGone } from '../trouble.ts';
import { engineGone, isClosing, isUnanswered } from './engine-errors.ts';

export interface HealthTimes {
  /** From one ping to the next, milliseconds, while all is well … */
  readonly everyMs: number;
  /** … and when the last one failed. */
  readonly againMs: number;
  /** For the answer to one ping. */
  readonly pingMs: number;
  /** So many failures in a row, and it is gone. Counted, not timed: a process that was stopped itself has seen nothing. */
  readonly failures: number;
}

/** How the engine is asked. */
export interface EngineLine {
  /** Over a connection of its own; rejects when there is no answer in time. */
  ping(limitMs: number): Promise<void>;
  /** A stream of news that nobody reads: it stays open as long as the engine's process lives, and ends with it. */
  hold(signal: AbortSignal): Promise<Readable>;
  /** What a failed ping tells of the reason; null, or not given: nothing. */
  whyGone?(cause: unknown): OrchestrateError | null;
}

/** Gone at most 4 + 6 + 1 + 6 s after its last answer. */
export const HEALTH_TIMES: HealthTimes = { everyMs: 4_000, againMs: 1_000, pingMs: 6_000, failures: 2 };

/**
 * Over a network, which may be slow and have a lot to carry (an image) beside a ping. Gone at most 4 + 10 + 1 + 10 s after
 * its last answer.
 */
export const REMOTE_HEALTH_TIMES: HealthTimes = { ...HEALTH_TIMES, pingMs: 10_000 };

/** For the answer to a ping, milliseconds, once nobody waits any more … */
const LAST_PING_MS = 3_000;
/** … and when a person waits: gone at most 5 + 1 + 5 s later. */
const SOON_PING_MS = 5_000;
/** What was not answered is asked again at most so often while the engine answers others. */
const MOST_TRIES = 4;

export class EngineHealth implements Disposable {
  readonly #line: EngineLine;
  readonly #times: HealthTimes;
  #failures = 0;
  #gone = notGone();
  #why: OrchestrateError | null = null;
  /** Of those who wait for its return. */
  #back: Waiting | null = null;
  #outages = 0;
  #breaks = 0;
  #holding: AbortController | null = null;
  #mayWait = false;
  readonly #listeners = new Set<(isGone: boolean) => void>();
  #isGivenUp = false;
  /** Of `lookSoon` that are under way. */
  #hurries = 0;
  #isWatched = false;
  #timer: NodeJS.Timeout | undefined;
  #asking: Promise<void> | null = null;

  constructor(line: EngineLine, times: HealthTimes = HEALTH_TIMES) {
    this.#line = line;
    this.#times = times;
  }

  /** Aborted, with ENGINE_GONE as the reason, when the engine is gone; another one after each return. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Why it does not answer, where its last failed ping told that; null: it did not, or the engine answers. */
  get why(): OrchestrateError | null {
    return this.#why;
  }

  /** How often it was gone so far. */
  get outages(): number {
    return this.#outages;
  }

  /**
   * How often it, or the way to it, went away so far, for however short a time: an engine that is started anew is back
   * between two pings, and where a service manager keeps its socket none of them is refused.
   */
  get breaks(): number {
    return this.#breaks + this.#outages;
  }

  /** Asks from now on, until disposed of; keeps no process alive but for those who wait. */
  watch(): void {
    this.#isWatched = true;
    this.#hold();
    this.#plan(this.#times.everyMs);
  }

  /** From now on whatever needs the engine waits for its return. */
  mayWait(): void {
    this.#mayWait = true;
  }

  /** Tells when it is gone (at once where it is), again for another reason, and when it is back. Returns how to end that. */
  listen(listener: (isGone: boolean) => void): () => void {
    this.#listeners.add(listener);
    if (this.gone.aborted) listener(true);
    return () => void this.#listeners.delete(listener);
  }

  /** Nobody waits for an engine that is gone any more; whether it is shows within seconds. */
  giveUp(): void {
    this.#isGivenUp = true;
    if (this.gone.aborted) {
      this.#letGo();
      return;
    }
    // A question that is under way is given more time than anybody has now.
    this.#asking = null;
    void this.look();
  }

  /** Any call was answered. */
  answered(): void {
    this.#failures = 0;
    if (!this.gone.aborted) return;
    this.#gone = notGone();
    this.#why = null;
    this.#back?.resolve();
    this.#back = null;
    for (const listener of this.#listeners) listener(false);
  }

  /** Asks until it is known whether the engine answers. Never rejects. */
  async look(): Promise<void> {
    do {
      await this.#asked();
      if (this.#failures > 0 && !this.gone.aborted) await pause(this.#times.againMs);
    } while (this.#failures > 0 && !this.gone.aborted);
  }

  /** The same for a person who waits: with less time for each answer, and none for that to a question under way. */
  async lookSoon(): Promise<void> {
    if (this.#hurries === 0) this.#asking = null;
    this.#hurries += 1;
    await this.look();
    this.#hurries -= 1;
  }

  /** Resolves when the engine is not gone (any more); rejects with ENGINE_GONE where nobody waits for it. */
  async here(): Promise<void> {
    while (this.gone.aborted) {
      if (this.#isGivenUp || !this.#mayWait) throw this.gone.reason;
      this.#back ??= waiting();
      this.#timer?.ref();
      await this.#back.promise;
    }
  }

  /**
   * Does something that may be done twice: again, after the engine's return, where its answer was lost, or where it was
   * about to go.
   * Rejects as `act`, and with ENGINE_GONE where nobody waits for the engine.
   */
  async steadily<Result>(act: () => Promise<Result>): Promise<Result> {
    for (let tries = 1; ; tries += 1) {
      await this.here();
      const { outages } = this;
      try {
        return await act();
      } catch (error) {
        const isGoing = isClosing(error);
        if (!isGoing && !isUnanswered(error)) throw error;
        await this.look();
        // It answers pings to the last.
        if (isGoing && !this.gone.aborted) await pause(this.#times.againMs);
        if (this.#outages > outages || isEngineGone(error)) tries = 0;
        else if (tries >= MOST_TRIES) throw error;
      }
    }
  }

  [Symbol.dispose](): void {
    this.#isWatched = false;
    this.#mayWait = false;
    this.#listeners.clear();
    clearTimeout(this.#timer);
    this.#holding?.abort();
    this.#letGo();
  }

  /** Whoever asks while a question is under way waits for that one's answer. */
  #asked(): Promise<void> {
    if (this.#asking !== null) return this.#asking;
    const asking = this.#ask().finally(() => {
      if (this.#asking === asking) this.#asking = null;
    });
    this.#asking = asking;
    return asking;
  }

  async #ask(): Promise<void> {
    clearTimeout(this.#timer);
    try {
      await this.#line.ping(this.#pingMs);
      this.answered();
    } catch (error) {
      this.#failures += 1;
      if (this.#failures >= this.#times.failures) this.#isGone(error);
    }
    if (this.#isWatched) this.#plan(this.#failures > 0 ? this.#times.againMs : this.#times.everyMs);
  }

  get #pingMs(): number {
    if (this.#isGivenUp) return LAST_PING_MS;
    return this.#hurries > 0 ? Math.min(SOON_PING_MS, this.#times.pingMs) : this.#times.pingMs;
  }

  /** Sees to it that the stream is open; where it cannot be, or ends, the next ping tries again. */
  #hold(): void {
    if (this.#holding !== null) return;
    const holding = new AbortController();
    this.#holding = holding;
    const over = (): void => {
      this.#holding = null;
    };
    this.#line.hold(holding.signal).then((news) => {
      news.resume();
      news.once('close', () => {
        over();
        this.#breaks += 1;
        if (this.#isWatched) void this.look();
      });
    }, over);
  }

  #isGone(cause: unknown): void {
    const why = this.#line.whyGone?.(cause) ?? null;
    const isOther = why?.code !== this.#why?.code;
    this.#why = why;
    const isFirst = !this.gone.aborted;
    if (isFirst) {
      this.#outages += 1;
      this.#gone.abort(engineGone(why));
    }
    if (isOther || isFirst) for (const listener of this.#listeners) listener(true);
    if (this.#isGivenUp) this.#letGo();
  }

  #letGo(): void {
    this.#back?.reject(this.gone.aborted ? this.gone.reason : engineGone());
    this.#back = null;
  }

  #plan(afterMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#hold();
      void this.look();
    }, afterMs);
    if (this.#back === null) this.#timer.unref();
  }
}

interface Waiting {
  readonly promise: Promise<void>;
  resolve(): void;
  reject(error: Error): void;
}

function waiting(): Waiting {
  let settle: Pick<Waiting, 'resolve' | 'reject'> = { resolve: () => {}, reject: () => {} };
  const promise = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...settle };
}

/** Every call that is under way listens to it: many of them are no leak. */
function notGone(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}
