// How often the words of a title alone give the role that a person gave it; half of the titles were kept from tuning.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ROLES } from '../../src/roles/catalogue.ts';
import { routeTask } from '../../src/roles/router.ts';

interface LabelledTitle {
  /** `owner/name` of a public repository. */
  readonly repo: string;
  readonly issue: number;
  readonly title: string;
  readonly role: string;
  readonly split: 'tuning' | 'held-out';
}

const titles: readonly LabelledTitle[] = JSON.parse(
  readFileSync(new URL('../fixtures/router/titles.json', import.meta.url), 'utf8'),
);

describe('the labelled titles', () => {
  it('are 96 of 85 repositories, four of each role in each half', () => {
    expect(titles).toHaveLength(96);
    expect(new Set(titles.map(({ repo }) => repo)).size).toBe(85);
    expect(new Set(titles.map(({ repo, issue }) => `${repo}#${issue}`)).size).toBe(96);
    for (const role of ROLES) {
      const its = titles.filter((title) => title.role === role).map(({ split }) => split);
      expect(its.filter((split) => split === 'tuning')).toHaveLength(4);
      expect(its.filter((split) => split === 'held-out')).toHaveLength(4);
    }
  });

  it.each(['tuning', 'held-out'] as const)('of the %s half at least 80 % go to the right role', (split) => {
    const half = titles.filter((title) => title.split === split);
    const right = half.filter(({ title, role }) => routeTask({ title }).role === role);
    console.info(
      `router, ${split}: ${right.length} of ${half.length} (${Math.round((100 * right.length) / half.length)} %)`,
    );
    expect(right.length / half.length).toBeGreaterThanOrEqual(0.8);
  });
});
