/** Tokens and money as columns of a row. */

import { NO_USAGE, type Usage } from '../types.ts';

export interface UsageRow {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  readonly usd: number | null;
}

export function usageFrom(row: UsageRow | null): Usage {
  if (row === null) return NO_USAGE;
  const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, usd } = row;
  return { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, usd };
}
