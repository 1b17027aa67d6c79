/** Tokens and money as columns of a row. */

import { NO_USAGE, type Usage } from '../types.ts';

export interface UsageRow {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  readonly usd: number | null;
}

/** Null as soon as one of the rows has tokens of unknown price: what is not known stays so in a sum. */
export const SUM_OF_USD = `CASE
  WHEN sum(usd IS NULL AND inputTokens + outputTokens + cacheReadTokens + cacheWriteTokens > 0) > 0 THEN NULL
  ELSE sum(usd) END AS usd`;

export function usageFrom(row: UsageRow | null): Usage {
  if (row === null) return NO_USAGE;
  const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, usd } = row;
  return { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, usd };
}
