/** What happened, numbered from 1; a bounded number of events outlives the coordinator that would have read them. */

import { LIMITS } from './limits.ts';
import type { GatewayEvent } from './protocol.ts';

type Unnumbered<E> = E extends unknown ? Omit<E, 'seq' | 'at'> : never;
export type EventBody = Unnumbered<GatewayEvent>;

export class Events {
  /** A hostile agent can make any number of these: they must not push out the others. */
  readonly #minor: GatewayEvent[] = [];
  readonly #others: GatewayEvent[] = [];
  readonly #wakers = new Set<() => void>();
  #last = 0;

  emit(body: EventBody): void {
    this.#last += 1;
    const isMinor = body.type === 'audit' || body.type === 'traffic';
    const kept = isMinor ? this.#minor : this.#others;
    kept.push({ seq: this.#last, at: new Date().toISOString(), ...body });
    if (kept.length > LIMITS.eventsKept) kept.shift();
    for (const wake of [...this.#wakers]) wake();
  }

  /** Every event above `after` that is still kept, in order, then each new one; until the signal. */
  async *follow(after: number, signal: AbortSignal): AsyncGenerator<GatewayEvent> {
    let seen = after;
    while (!signal.aborted) {
      const news = [...newer(this.#minor, seen), ...newer(this.#others, seen)].sort((a, b) => a.seq - b.seq);
      for (const event of news) {
        seen = event.seq;
        yield event;
      }
      if (news.length === 0) await this.#more(signal);
    }
  }

  async #more(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done);
        this.#wakers.delete(done);
        resolve();
      };
      signal.addEventListener('abort', done);
      this.#wakers.add(done);
    });
  }
}

function newer(events: readonly GatewayEvent[], seen: number): readonly GatewayEvent[] {
  let from = events.length;
  while (from > 0 && (events[from - 1]?.seq ?? 0) > seen) from -= 1;
  return events.slice(from);
}
