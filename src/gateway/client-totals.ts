/** What attempts used before their gateway was started anew, which forgot it: added to what the new one says. */

import type { Usage } from '../types.ts';
import type { AttemptAccess, AttemptTotals, Configuration, GatewayEvent } from './protocol.ts';

interface Used {
  readonly usage: Usage;
  readonly requests: number;
}

export class EarlierTotals {
  /** Of gateways that are gone, by attempt. */
  readonly #earlier = new Map<string, Used>();
  /** The last that the present gateway said. */
  readonly #present = new Map<string, Used>();

  #elsewhere = { usd: 0, tokens: 0 };

  /** The gateway is another one. */
  restarted(): void {
    for (const [attempt, used] of this.#present) this.#earlier.set(attempt, sumOf(this.#earlier.get(attempt), used));
    this.#present.clear();
  }

  /** The gateway's word with what was before it. */
  totals(totals: AttemptTotals): AttemptTotals {
    this.#present.set(totals.attempt, { usage: totals.usage, requests: totals.requests });
    return { ...totals, ...sumOf(this.#earlier.get(totals.attempt), totals) };
  }

  /** The same of all attempts, with those that the gateway never knew. */
  all(totals: readonly AttemptTotals[]): readonly AttemptTotals[] {
    const known = totals.map((one) => this.totals(one));
    const names = new Set(known.map(({ attempt }) => attempt));
    const gone = [...this.#earlier].filter(([attempt]) => !names.has(attempt));
    return [...gone.map(([attempt, used]) => ({ attempt, ...used, denied: [] })), ...known];
  }

  event(event: GatewayEvent): GatewayEvent {
    if (event.type !== 'usage') return event;
    const { attempt, total: usage } = event;
    const before = this.#present.get(attempt);
    // Events may lag behind totals that were asked for.
    const isNews = before === undefined || tokensOf(usage) > tokensOf(before.usage);
    if (isNews) this.#present.set(attempt, { usage, requests: (before?.requests ?? 0) + 1 });
    return { ...event, total: sumOf(this.#earlier.get(attempt), { usage, requests: 1 }).usage };
  }

  /** Takes note of what the run spent where this client was not told of it, before it or on other hosts. */
  configured({ spent }: Configuration): void {
    const known = spentOf([...this.#earlier.values(), ...this.#present.values()]);
    this.#elsewhere = {
      usd: Math.max(this.#elsewhere.usd, spent.usd - known.usd),
      tokens: Math.max(this.#elsewhere.tokens, spent.tokens - known.tokens),
    };
  }

  /** For a gateway that knows nothing. */
  configuration(configuration: Configuration): Configuration {
    const { usd, tokens } = spentOf([...this.#earlier.values()]);
    const spent = { usd: usd + this.#elsewhere.usd, tokens: tokens + this.#elsewhere.tokens };
    return { ...configuration, spent };
  }

  access(access: AttemptAccess): AttemptAccess {
    const used = this.#earlier.get(access.attempt)?.usage;
    if (used === undefined) return access;
    const { usd, tokens } = access.caps;
    const left = (cap: number | null, spent: number) => (cap === null ? null : Math.max(0, cap - spent));
    return { ...access, caps: { usd: left(usd, used.usd ?? 0), tokens: left(tokens, tokensOf(used)) } };
  }
}

function spentOf(used: readonly Used[]): Configuration['spent'] {
  return {
    usd: used.reduce((sum, { usage }) => sum + (usage.usd ?? 0), 0),
    tokens: used.reduce((sum, { usage }) => sum + tokensOf(usage), 0),
  };
}

function tokensOf({ inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens }: Usage): number {
  return inputTokens + outputTokens + cacheReadTokens + cacheWriteTokens;
}

function sumOf(earlier: Used | undefined, { usage, requests }: Used): Used {
  if (earlier === undefined || earlier.requests === 0) return { usage, requests };
  if (requests === 0) return earlier;
  const { usage: before } = earlier;
  return {
    requests: earlier.requests + requests,
    usage: {
      inputTokens: before.inputTokens + usage.inputTokens,
      outputTokens: before.outputTokens + usage.outputTokens,
      cacheReadTokens: before.cacheReadTokens + usage.cacheReadTokens,
      cacheWriteTokens: before.cacheWriteTokens + usage.cacheWriteTokens,
      usd: before.usd === null || usage.usd === null ? null : before.usd + usage.usd,
    },
  };
}
