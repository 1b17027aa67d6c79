/**
 * Agents of a run share the beginning of their prompts. The service can read it from its cache once the first response has
 * begun: so the first agent's first request goes ahead, and those of the others wait until then.
 */

import { performance } from 'node:perf_hooks';

/** An entry of the service's cache lives five minutes from its last use. */
const ENTRY_LIVES_MS = 4.5 * 60_000;

export interface Start {
  /** The response has begun: the others can go. */
  begun(): void;
  /** It has ended, begun or not: if not, the next one goes ahead. Harmless after `begun`. */
  over(): void;
}

export class StaggeredStart {
  readonly #now: () => number;
  #warmUntil = Number.NEGATIVE_INFINITY;
  #ahead: Promise<void> | null = null;

  /** @param now milliseconds of a clock that only goes forward */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Resolves when a first request may be sent. @throws the signal's reason */
  async enter(signal: AbortSignal): Promise<Start> {
    while (this.#ahead !== null) await abortable(this.#ahead, signal);
    signal.throwIfAborted();
    if (this.#now() < this.#warmUntil) return { begun: () => this.#warm(), over: () => {} };
    let release = () => {};
    this.#ahead = new Promise((resolve) => {
      release = () => {
        this.#ahead = null;
        resolve();
      };
    });
    let isOver = false;
    const over = () => {
      if (!isOver) release();
      isOver = true;
    };
    return {
      begun: () => {
        this.#warm();
        over();
      },
      over,
    };
  }

  #warm(): void {
    this.#warmUntil = this.#now() + ENTRY_LIVES_MS;
  }
}

function abortable(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    void promise.then(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    });
  });
}
