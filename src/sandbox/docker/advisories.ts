/** Known holes of engines and runc, to judge a version by. A table can only say what it knows: never that one is safe. */

/** Below these, something known is open. */
export const ENGINE_WANTED = '29.5.1';
export const RUNC_WANTED = '1.2.8';

interface Advisory {
  readonly id: string;
  readonly what: string;
  /** First fixed version of each release line; later lines are fixed from their start. */
  readonly fixed: readonly string[];
}

const RUNC: readonly Advisory[] = [
  { id: 'CVE-2024-21626', what: 'escape through a leaked descriptor', fixed: ['1.1.12'] },
  { id: 'CVE-2024-45310', what: 'empty files made on the host', fixed: ['1.1.14', '1.2.0'] },
  { id: 'CVE-2025-31133', what: 'escape through masked paths', fixed: ['1.2.8', '1.3.3'] },
  { id: 'CVE-2025-52565', what: 'escape through /dev/console', fixed: ['1.2.8', '1.3.3'] },
  { id: 'CVE-2025-52881', what: 'writes to /proc redirected', fixed: ['1.2.8', '1.3.3'] },
];

const ENGINE: readonly Advisory[] = [
  { id: 'CVE-2024-23651', what: 'BuildKit mount race', fixed: ['24.0.9', '25.0.2'] },
  { id: 'CVE-2024-29018', what: 'DNS out of internal networks', fixed: ['23.0.11', '25.0.5', '26.0.0'] },
  { id: 'CVE-2024-41110', what: 'authorization plug-ins bypassed', fixed: ['23.0.15', '25.0.6', '26.1.5', '27.1.1'] },
];

export interface Judgement {
  /** `current`: at or above the wanted version. `unknown`: a distribution's own build, which may carry the fixes. */
  readonly verdict: 'current' | 'old' | 'unknown';
  /** Ids of what the table says is open in the upstream version of that number. */
  readonly open: readonly string[];
}

export function judgeEngine(version: string): Judgement {
  return judge(version, ENGINE, ENGINE_WANTED);
}

export function judgeRunc(version: string): Judgement {
  return judge(version, RUNC, RUNC_WANTED);
}

function judge(version: string, advisories: readonly Advisory[], wanted: string): Judgement {
  const numbers = numbersOf(version);
  if (numbers === null) return { verdict: 'unknown', open: [] };
  const open = advisories.filter(({ fixed }) => !isFixed(numbers, fixed)).map(({ id, what }) => `${id} (${what})`);
  if (compare(numbers, numbersOf(wanted) ?? []) >= 0 && open.length === 0) return { verdict: 'current', open };
  // `20.10.24+dfsg1`, `1.1.5+ds1-1+deb12u1`, `24.0.7-0ubuntu4`: fixes are carried back under the old number.
  const isDistribution = /[+~]|ubuntu|deb|el\d|fc\d|alpine/.test(version);
  return { verdict: isDistribution ? 'unknown' : 'old', open };
}

/** Fixed in the version's own release line (`major.minor`), or in every fix below it. */
function isFixed(version: readonly number[], fixed: readonly string[]): boolean {
  const fixes = fixed.map((each) => numbersOf(each) ?? []);
  const own = fixes.find((fix) => fix[0] === version[0] && fix[1] === version[1]);
  return own === undefined ? fixes.every((fix) => compare(version, fix) > 0) : compare(version, own) >= 0;
}

function numbersOf(version: string): readonly number[] | null {
  const match = /^v?(\d+)\.(\d+)(?:\.(\d+))?/.exec(version);
  return match === null ? null : match.slice(1, 4).map((part) => Number(part ?? 0));
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const index of [0, 1, 2]) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
