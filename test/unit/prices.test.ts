// What models cost: known ids and their snapshots, unknown ones never for nothing.

import { describe, expect, it } from 'vitest';
import { costOf, priceOf } from '../../src/engine/prices.ts';
import { NO_USAGE } from '../../src/types.ts';

describe('a price', () => {
  it('is found by a model id and by the id of one of its snapshots', () => {
    expect(priceOf('claude-haiku-4-5-20251001')).toEqual(priceOf('claude-haiku-4-5'));
    expect(priceOf('gpt-6-sol-2026-09-22')).toEqual(priceOf('gpt-6-sol'));
    expect(priceOf('claude-sonnet-5-5')).toEqual({ input: 2, output: 10, cacheRead: 0.1, cacheWrite: 2.5 });
  });

  it.each(['claude-sonnet-9', 'claude-sonnet-5-6', 'gpt-6', 'toString', '', '-20251001'])(
    'of %j is not known',
    (model) => {
      expect(priceOf(model)).toBeNull();
    },
  );

  it('makes a cost out of every kind of token, and none out of an unknown price', () => {
    const usage = { ...NO_USAGE, inputTokens: 1e6, outputTokens: 1e5, cacheReadTokens: 2e6, cacheWriteTokens: 4e5 };
    expect(costOf(usage, priceOf('claude-sonnet-5-5'))).toBeCloseTo(2 + 1 + 0.2 + 1, 10);
    expect(costOf(usage, null)).toBeNull();
  });
});
