/**
 * One lane per model service: when the service wants us to wait, the requests of all attempts wait here. Then one goes
 * first, and the others follow when it got through.
 */

import type { ModelApi } from '../types.ts';
import type { Events } from './events.ts';
import { LIMITS } from './limits.ts';

/** One request on its way, through any number of tries. */
export interface Ticket {
  readonly since: number;
}

/** One try: to be told what became of it, once. */
export interface Turn {
  /** The service answered, whatever it said. */
  passed(): void;
  /** Nobody knows: it was given up, or the service could not be reached. */
  unknown(): void;
  /**
   * The service wants us to wait. True: try again, by entering again; false: waited long enough, pass its answer on.
   * @param stated milliseconds that it asked for, null where it does not say
   */
  limited(status: number, stated: number | null): boolean;
}

interface Waiting {
  readonly ticket: Ticket;
  readonly go: (isProbe: boolean) => void;
}

const RATE_LIMITED = 429;

export class Lane {
  readonly #api: ModelApi;
  readonly #events: Events;
  readonly #queue: Waiting[] = [];
  /** Milliseconds since the epoch; null: open. */
  #closedUntil: number | null = null;
  /** Refused tries since the last one that got through. */
  #tries = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(api: ModelApi, events: Events) {
    this.#api = api;
    this.#events = events;
  }

  /** Resolves when the request may be sent, the oldest first; rejects with the signal's reason. */
  async enter(ticket: Ticket, signal: AbortSignal): Promise<Turn> {
    signal.throwIfAborted();
    if (this.#closedUntil === null) return this.#turn(ticket, false);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#queue.splice(this.#queue.indexOf(waiting), 1);
        reject(signal.reason);
      };
      const waiting: Waiting = {
        ticket,
        go: (isProbe) => {
          signal.removeEventListener('abort', onAbort);
          resolve(this.#turn(ticket, isProbe));
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      const behind = this.#queue.findIndex((other) => other.ticket.since > ticket.since);
      this.#queue.splice(behind === -1 ? this.#queue.length : behind, 0, waiting);
    });
  }

  #turn(ticket: Ticket, isProbe: boolean): Turn {
    return {
      passed: () => {
        if (isProbe) this.#open();
        if (this.#closedUntil === null) this.#tries = 0;
      },
      unknown: () => {
        if (isProbe) this.#sendProbe();
      },
      limited: (status, stated) => this.#limited({ status, stated, isProbe, ticket }),
    };
  }

  #limited(answer: {
    readonly status: number;
    readonly stated: number | null;
    readonly isProbe: boolean;
    readonly ticket: Ticket;
  }): boolean {
    const now = Date.now();
    if (answer.isProbe || this.#closedUntil === null) this.#tries += 1;
    const isOverload = answer.status !== RATE_LIMITED;
    const waited = this.#tries >= LIMITS.overloadTries || now - answer.ticket.since >= LIMITS.overloadTime;
    if (isOverload && waited) {
      if (answer.isProbe) this.#open();
      this.#tries = 0;
      return false;
    }
    // Of requests that were on their way already the first answer counts, unless a later one asks for more.
    const until = now + this.#wait(answer.stated);
    if (answer.isProbe || this.#closedUntil === null || (answer.stated !== null && until > this.#closedUntil)) {
      this.#close(until, answer.status);
    }
    return true;
  }

  /** What the service says counts, unless it says the same nothing again and again. */
  #wait(stated: number | null): number {
    const most = Math.min(LIMITS.backOffMost, LIMITS.backOffFirst * 2 ** (this.#tries - 1));
    const backOff = most * (0.5 + Math.random() / 2);
    if (stated === null) return backOff;
    return this.#tries > 1 ? Math.max(stated, backOff / 20) : stated;
  }

  #close(until: number, status: number): void {
    this.#closedUntil = until;
    this.#events.emit({ type: 'limited', api: this.#api, status, until: new Date(until).toISOString() });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#sendProbe(), until - Date.now());
  }

  /** The oldest goes first; where nobody waits the next to come finds the lane open. */
  #sendProbe(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#open();
    else next.go(true);
  }

  #open(): void {
    this.#closedUntil = null;
    clearTimeout(this.#timer);
    this.#events.emit({ type: 'resumed', api: this.#api });
    for (const waiting of this.#queue.splice(0)) waiting.go(false);
  }
}
