/** Where things are, or would be, in a repository, by the folders that its map shows. Pure. */

import type { RepositoryMap } from '../map.ts';

const CANDIDATES: Readonly<Record<string, readonly string[]>> = {
  src: ['src/', 'app/', 'lib/', 'pkg/', 'internal/'],
  frontendDir: ['frontend/', 'web/', 'client/', 'ui/', 'webapp/'],
  backendDir: ['backend/', 'server/', 'api/'],
  tests: ['tests/', 'test/', 'spec/', '__tests__/'],
  docs: ['docs/', 'doc/', 'documentation/'],
  infra: ['infra/', 'infrastructure/', 'terraform/', 'deploy/'],
};

export type Places = Readonly<Record<string, string>>;

/** Of each place the first folder that is there, else the first that could be. */
export function placesOf(map: RepositoryMap): Places {
  const folders = Object.entries(CANDIDATES).map(([place, candidates]) => {
    const there = candidates.find((folder) => map.tree.some((path) => path.startsWith(folder)));
    return [place, there ?? candidates[0] ?? ''];
  });
  const readme = map.tree.find((path) => /^readme[^/ ]*$/i.test(path)) ?? 'README.md';
  return { ...Object.fromEntries(folders), readme };
}

const COMMON = new Set([
  'with',
  'from',
  'into',
  'this',
  'that',
  'test',
  'tests',
  'docs',
  'service',
  'services',
  'system',
]);
const MOST_NAMED = 3;
const MOST_WORDS = 200;

/** Folders and files whose names hold words of a text, those with most words first; no tests and no documents. */
export function placesNamed(map: RepositoryMap, text: string): string[] {
  const words =
    text
      .slice(0, 4_000)
      .toLowerCase()
      .match(/[\p{L}\p{N}]{4,40}/gu) ?? [];
  const wanted = [...new Set(words.filter((word) => !COMMON.has(word)))].slice(0, MOST_WORDS);
  const found = map.tree.flatMap((line) => {
    const path = line.replace(/ \(\d+ (?:more )?files?\)$/, '');
    if (/^(?:tests?|docs?|spec)\/|\.md$/i.test(path) || /[*?[\]{}\\]/.test(path)) return [];
    const lower = path.toLowerCase();
    const points = wanted.filter((word) => lower.includes(word)).length;
    return points === 0 ? [] : [{ path, points }];
  });
  return found
    .toSorted((a, b) => b.points - a.points || a.path.length - b.path.length)
    .slice(0, MOST_NAMED)
    .map(({ path }) => path);
}
