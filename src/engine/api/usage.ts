/** Adds up what the service says that its answers cost. */

import type { BetaUsage } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import type { Price, Usage } from '../../types.ts';
import { costOf } from '../prices.ts';

/** `total` with one more answer; `usd` from the sum, null where the price is not known. */
export function withAnswer(total: Usage, answer: BetaUsage, price: Price | null): Usage {
  // What a compaction used is told apart from the answer's own.
  const compactions = (answer.iterations ?? []).filter(({ type }) => type === 'compaction');
  const parts = [answer, ...compactions];
  const sum = {
    inputTokens: total.inputTokens + added(parts, 'input_tokens'),
    outputTokens: total.outputTokens + added(parts, 'output_tokens'),
    cacheReadTokens: total.cacheReadTokens + added(parts, 'cache_read_input_tokens'),
    cacheWriteTokens: total.cacheWriteTokens + added(parts, 'cache_creation_input_tokens'),
  };
  return { ...sum, usd: costOf(sum, price) };
}

/** Tokens of the conversation after an answer. */
export function contextTokens(answer: BetaUsage): number {
  return (
    answer.input_tokens +
    answer.output_tokens +
    (answer.cache_read_input_tokens ?? 0) +
    (answer.cache_creation_input_tokens ?? 0)
  );
}

type Counted = 'input_tokens' | 'output_tokens' | 'cache_read_input_tokens' | 'cache_creation_input_tokens';

function added(parts: readonly { readonly [K in Counted]: number | null }[], field: Counted): number {
  return parts.reduce((sum, part) => sum + (part[field] ?? 0), 0);
}
