/** Tokens of one request, and what they cost. */

import type { Price, Usage } from '../types.ts';

export interface Tokens {
  /** Neither read from nor written to the cache. */
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  /** Of `cacheWrite`: entries that live for an hour. */
  readonly cacheWriteHour: number;
}

export const NO_TOKENS: Tokens = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, cacheWriteHour: 0 };

/** All tokens of a usage, whatever they cost. */
export function tokensOf({ inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens }: Usage): number {
  return inputTokens + outputTokens + cacheReadTokens + cacheWriteTokens;
}

/** What counts against caps; `usd` is null where the price is unknown. */
export interface Cost {
  readonly usd: number | null;
  readonly tokens: number;
}

const MILLION = 1e6;
/** A cache entry of an hour costs twice the input: Anthropic's "Prompt caching" page. */
const HOUR_FACTOR = 2;

export function costOf(tokens: Tokens, price: Price | null): Cost {
  const { input, output, cacheRead, cacheWrite, cacheWriteHour } = tokens;
  const usd =
    price === null
      ? null
      : (input * price.input +
          output * price.output +
          cacheRead * price.cacheRead +
          (cacheWrite - cacheWriteHour) * price.cacheWrite +
          cacheWriteHour * price.input * HOUR_FACTOR) /
        MILLION;
  return { usd, tokens: input + output + cacheRead + cacheWrite };
}

/** The most that so much input and output can cost, whatever the cache does; `hour`: its entries may live for an hour. */
export function worstCost(
  tokens: { readonly input: number; readonly output: number; readonly hour: boolean },
  price: Price | null,
): Cost {
  const total = tokens.input + tokens.output;
  if (price === null) return { usd: null, tokens: total };
  const dearest = Math.max(price.input * (tokens.hour ? HOUR_FACTOR : 1), price.cacheWrite);
  return { usd: (tokens.input * dearest + tokens.output * price.output) / MILLION, tokens: total };
}

/** Of several models, by each kind of token; null where one is unknown. */
export function dearestOf(prices: readonly (Price | null)[]): Price | null {
  const known = prices.filter((price) => price !== null);
  if (known.length === 0 || known.length < prices.length) return null;
  return {
    input: Math.max(...known.map((price) => price.input)),
    output: Math.max(...known.map((price) => price.output)),
    cacheRead: Math.max(...known.map((price) => price.cacheRead)),
    cacheWrite: Math.max(...known.map((price) => price.cacheWrite)),
  };
}
