// How often the words of a title alone give the role that a person gave it, for titles of public repositories' issues.
// `held-out` titles were labelled before there were rules and kept from tuning; `unseen` ones were looked for after the
// rules had been finished, and labelled before the router saw them.
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
  readonly split: 'tuning' | 'held-out' | 'unseen';
}

const titles: readonly LabelledTitle[] = JSON.parse(
  readFileSync(new URL('../fixtures/router/titles.json', import.meta.url), 'utf8'),
);

describe('the labelled titles', () => {
  it('are 289 of 258 repositories, without doubles, some of every role in every part', () => {
    expect(titles).toHaveLength(289);
    expect(new Set(titles.map(({ repo }) => repo)).size).toBe(258);
    expect(new Set(titles.map(({ repo, issue }) => `${repo}#${issue}`)).size).toBe(289);
    for (const split of ['tuning', 'held-out', 'unseen']) {
      const roles = titles.filter((title) => title.split === split).map(({ role }) => role);
      expect(ROLES.filter((role) => roles.filter((each) => each === role).length < 3)).toEqual([]);
    }
  });

  it.each([
    ['tuning', 174],
    ['held-out', 48],
    ['unseen', 67],
  ] as const)('that are %s (%i) go to the right role at least four times in five', (split, count) => {
    const part = titles.filter((title) => title.split === split);
    const right = part.filter(({ title, role }) => routeTask({ title }).role === role).length;
    console.info(`router, ${split}: ${right} of ${part.length} (${((100 * right) / part.length).toFixed(1)} %)`);
    expect(part).toHaveLength(count);
    expect(right / count).toBeGreaterThanOrEqual(0.8);
  });
});
