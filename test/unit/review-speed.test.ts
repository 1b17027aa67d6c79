// What a review costs before the first question: not more with what the patch holds.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Reviewer } from '../support/review-terminal.ts';

/** The promise is 2 s; a machine that does other things as well gets as much again and more. */
const OPENS_WITHIN_MS = 6_000;

let reviewer: Reviewer;
beforeEach(async () => {
  reviewer = await Reviewer.create();
});
afterEach(() => reviewer[Symbol.asyncDispose]());

async function openingMs(id: string): Promise<number> {
  const startedAt = performance.now();
  const terminal = reviewer.review({ args: [id] });
  await terminal.shows('(1/1)');
  const took = performance.now() - startedAt;
  terminal.press('q');
  await terminal.ended();
  return took;
}

describe('a review opens', () => {
  it('as soon with 2,000 files or 100,000 lines as with a small patch', { timeout: 60_000 }, async () => {
    const small = await reviewer.finish({ title: 'Small', files: { 'a.txt': 'a\n' } });
    const files = await reviewer.finish({
      title: 'Files',
      files: Object.fromEntries(Array.from({ length: 2_000 }, (_, at) => [`d${at % 50}/f${at}.txt`, `${at}\n`])),
    });
    const text = Array.from({ length: 100_000 }, (_, at) => `line ${at}\n`).join('');
    const lines = await reviewer.finish({ title: 'Lines', files: { 'large.txt': text } });
    await openingMs(small.id);
    const [least, ...others] = [await openingMs(small.id), await openingMs(files.id), await openingMs(lines.id)];
    for (const took of others) {
      expect(took).toBeLessThan(Math.max(OPENS_WITHIN_MS, 4 * least));
    }
  });
});
