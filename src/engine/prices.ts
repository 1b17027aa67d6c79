/**
 * What models cost, by the ids that their services know them by. A model that is not here has no known price: a cap in
 * dollars cannot hold for it, and its cost is unknown, never nothing.
 *
 * List prices in dollars for a million tokens, standard tier, as of 2026-11-20:
 * - Anthropic: platform.claude.com/docs/en/about-claude/pricing
 * - OpenAI: developers.openai.com/api/docs/pricing
 *
 * Where a service asks more for long prompts, the row says which price it is. What OpenAI does not charge for (cache
 * writes before GPT-5.6) costs what input costs: such tokens are counted as input there.
 */

import type { Price, Usage } from '../types.ts';

type Row = readonly [input: number, output: number, cacheRead: number, cacheWrite: number];

const ROWS: Readonly<Record<string, Row>> = {
  'claude-fable-5-2': [8, 40, 0.2, 10],
  'claude-fable-5-1': [10, 50, 0.25, 12.5],
  'claude-fable-5': [10, 50, 1, 12.5],
  'claude-mythos-5-1': [10, 50, 0.25, 12.5],
  'claude-mythos-5': [10, 50, 1, 12.5],
  'claude-opus-5-5': [4, 20, 0.2, 5],
  'claude-opus-5': [5, 25, 0.5, 6.25],
  'claude-opus-4-8': [5, 25, 0.5, 6.25],
  'claude-opus-4-7': [5, 25, 0.5, 6.25],
  'claude-opus-4-6': [5, 25, 0.5, 6.25],
  'claude-opus-4-5': [5, 25, 0.5, 6.25],
  'claude-sonnet-5-5': [2, 10, 0.1, 2.5],
  'claude-sonnet-5': [2, 10, 0.2, 2.5],
  'claude-sonnet-4-6': [3, 15, 0.3, 3.75],
  'claude-sonnet-4-5': [3, 15, 0.3, 3.75],
  // Of prompts over 100,000 tokens, so that a cap holds for them too; shorter ones cost a fifth.
  'claude-haiku-5-5': [0.5, 2.5, 0.05, 0.625],
  'claude-haiku-4-5': [1, 5, 0.1, 1.25],
  // Of prompts up to 272,000 tokens; longer ones cost twice as much (output one and a half times).
  'gpt-6-astra': [10, 50, 1, 12.5],
  'gpt-6.1-sol': [2, 10, 0.1, 2.5],
  'gpt-6-sol': [2, 10, 0.2, 2.5],
  'gpt-6-luna': [0.1, 0.5, 0.01, 0.125],
  'gpt-5.6-terra': [2, 12, 0.2, 2.5],
  'gpt-5.6-luna': [0.2, 1.2, 0.02, 0.25],
  'gpt-5.5': [5, 30, 0.5, 5],
  'gpt-5.4': [2.5, 15, 0.25, 2.5],
  'gpt-5.4-mini': [0.75, 4.5, 0.075, 0.75],
};

/** A snapshot costs what its model costs: `claude-haiku-4-5-20251001`, `gpt-6-sol-2026-09-22`. */
const SNAPSHOT = /-(?:\d{8}|\d{4}-\d{2}-\d{2})$/;
const MILLION = 1_000_000;

/** Null where the price of that model is not known. */
export function priceOf(model: string): Price | null {
  const id = model.replace(SNAPSHOT, '');
  const row = Object.hasOwn(ROWS, id) ? ROWS[id] : undefined;
  if (row === undefined) return null;
  const [input, output, cacheRead, cacheWrite] = row;
  return { input, output, cacheRead, cacheWrite };
}

/** Dollars; null where the price is not known. */
export function costOf(usage: Omit<Usage, 'usd'>, price: Price | null): number | null {
  if (price === null) return null;
  return (
    (usage.inputTokens * price.input +
      usage.outputTokens * price.output +
      usage.cacheReadTokens * price.cacheRead +
      usage.cacheWriteTokens * price.cacheWrite) /
    MILLION
  );
}
