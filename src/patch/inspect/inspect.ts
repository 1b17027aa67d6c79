/** Runs every rule over every file of a patch, without holding up whatever else this process does. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Flag } from '../../types.ts';
import { attributes } from './attributes.ts';
import { buildFiles } from './build-files.ts';
import { characters } from './characters.ts';
import { checks } from './checks.ts';
import { FLAG_CODES, isSensitive } from './codes.ts';
import { hookInstallers } from './hook-installers.ts';
import type { InspectedFile, Rule } from './inspected-file.ts';
import { isLockFile, lockFiles } from './lock-files.ts';
import { isManifest, manifests } from './manifests.ts';
import { pathsThatRun } from './paths-that-run.ts';
import { programs } from './programs.ts';
import { secrets } from './secrets.ts';
import { sizes } from './sizes.ts';
import { testSelection } from './test-selection.ts';
import { type AssertionCount, countAssertions, fewerAssertions, tests } from './tests.ts';

const RULES: readonly Rule[] = [
  pathsThatRun,
  buildFiles,
  manifests,
  lockFiles,
  hookInstallers,
  attributes,
  programs,
  characters,
  tests,
  testSelection,
  checks,
  secrets,
  sizes,
];

/** Others get their turn at least this often. */
const LONGEST_TURN_MS = 20;

/** Enough to see what is going on. */
const MAX_FLAGS = 200;

/** Whether rules compare the whole contents of files with this (comparable) path. */
export function wantsWhole(key: string): boolean {
  return isManifest(key) || isLockFile(key);
}

/** The flags of all files. They are looked at one after the other, so that one at a time is held. */
export async function inspectFiles(files: Iterable<InspectedFile>): Promise<Flag[]> {
  const flags: Flag[] = [];
  const counts: AssertionCount[] = [];
  let since = performance.now();
  for (const file of files) {
    for (const rule of RULES) flags.push(...rule(file));
    const count = countAssertions(file);
    if (count !== null) counts.push(count);
    if (performance.now() - since < LONGEST_TURN_MS) continue;
    await nextTurn();
    since = performance.now();
  }
  return [...flags, ...fewerAssertions(counts)];
}

/**
 * What is shown of all flags: each code and path once, in the order of `FLAG_CODES`. Of more than 200, the first of each code
 * and then those that matter most are kept, and `more-flags` says how many are not.
 */
export function shownFlags(all: readonly Flag[]): Flag[] {
  const flags = [...new Map(all.map((flag) => [`${flag.code}\0${flag.path}`, flag])).values()];
  const order = [...FLAG_CODES.keys()];
  const rankOf = new Map(order.map((code, at) => [code, at]));
  const byCode = (a: Flag, b: Flag): number => (rankOf.get(a.code) ?? -1) - (rankOf.get(b.code) ?? -1);
  if (flags.length <= MAX_FLAGS) return flags.sort(byCode);
  const seen = new Set<string>();
  const first = flags.filter(({ code }) => !seen.has(code) && seen.add(code));
  const chosen = new Set(first);
  const others = flags.filter((flag) => !chosen.has(flag));
  const ranked = [
    ...others.filter(({ code }) => isSensitive(code)),
    ...others.filter(({ code }) => !isSensitive(code)),
  ];
  const detail = `${flags.length - MAX_FLAGS} more to look at`;
  return [...[...first, ...ranked].slice(0, MAX_FLAGS).sort(byCode), { code: 'more-flags', path: '.', detail }];
}
