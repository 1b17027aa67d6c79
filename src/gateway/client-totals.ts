/**
 * What attempts used, as their gateways said: one that is started anew is told, so that its counts and caps go on. Requests
 * that were under way when one went may have cost their most, and count so.
 */

import { NO_USAGE, type Spent } from '../types.ts';
import { tokensOf } from './price.ts';
import type { AttemptAccess, AttemptTotals, Before, Configuration, GatewayEvent } from './protocol.ts';

const NOTHING_SPENT: Spent = { usd: 0, tokens: 0 };
const NOTHING: Before = { usage: NO_USAGE, requests: 0, unsettled: NOTHING_SPENT };

export class EarlierTotals {
  /** By attempt. */
  readonly #used = new Map<string, Before>();
  /** Less than nothing where a slice is counted, which knows nothing of what attempts brought with them. */
  #elsewhere = NOTHING_SPENT;
  #leastElsewhere = 0;

  /** The gateway's word on an attempt; nothing of it is under way. */
  totals(totals: AttemptTotals): AttemptTotals {
    const { usage, requests, unsettled } = totals;
    this.#used.set(totals.attempt, { usage, requests, unsettled });
    return totals;
  }

  /** The same of all attempts, with those that the gateway never knew. */
  all(totals: readonly AttemptTotals[]): readonly AttemptTotals[] {
    const known = new Set(totals.map(({ attempt }) => attempt));
    const gone = [...this.#used].filter(([attempt]) => !known.has(attempt));
    return [...gone.map(([attempt, used]) => ({ attempt, ...used, denied: [] })), ...totals];
  }

  event(event: GatewayEvent): void {
    if (event.type !== 'usage' && event.type !== 'unsettled') return;
    const used = this.#used.get(event.attempt);
    // Of an attempt that ended before this client came: spent elsewhere.
    if (used === undefined) return;
    if (event.type === 'unsettled') {
      const { usd, tokens } = event;
      this.#used.set(event.attempt, { ...used, unsettled: { usd, tokens } });
      return;
    }
    // Events may lag behind totals that were asked for.
    if (tokensOf(event.total) <= tokensOf(used.usage)) return;
    this.#used.set(event.attempt, { ...used, usage: event.total, requests: used.requests + 1 });
  }

  /** Takes note of what the run spent where this client was not told of it, before it or on other hosts. */
  configured({ spent, isSlice = false }: Configuration): void {
    if (isSlice) this.#leastElsewhere = Number.NEGATIVE_INFINITY;
    const known = sumOf([...this.#used.values()].map(spentBy));
    this.#elsewhere = {
      usd: Math.max(this.#elsewhere.usd, spent.usd - known.usd),
      tokens: Math.max(this.#elsewhere.tokens, spent.tokens - known.tokens),
    };
  }

  /** Takes over what an attempt used before this client: a part of what was spent elsewhere. */
  opened({ attempt, before = NOTHING }: AttemptAccess): void {
    if (this.#used.has(attempt)) return;
    this.#used.set(attempt, before);
    const { usd, tokens } = spentBy(before);
    this.#elsewhere = {
      usd: Math.max(this.#leastElsewhere, this.#elsewhere.usd - usd),
      tokens: Math.max(this.#leastElsewhere, this.#elsewhere.tokens - tokens),
    };
  }

  /** For a gateway that knows nothing, and is told of those that are open one by one. */
  configuration(configuration: Configuration, isOpen: (attempt: string) => boolean): Configuration {
    const all = [...this.#used];
    const over = all.filter(([attempt]) => !isOpen(attempt)).map(([, { unsettled }]) => unsettled);
    return { ...configuration, spent: sumOf([this.#elsewhere, ...all.map(([, used]) => spentBy(used)), ...over]) };
  }

  access(access: AttemptAccess): AttemptAccess {
    return { ...access, before: this.#used.get(access.attempt) };
  }
}

function spentBy({ usage }: Before): Spent {
  return { usd: usage.usd ?? 0, tokens: tokensOf(usage) };
}

function sumOf(spent: readonly Spent[]): Spent {
  return {
    usd: spent.reduce((sum, { usd }) => sum + usd, 0),
    tokens: spent.reduce((sum, { tokens }) => sum + tokens, 0),
  };
}
