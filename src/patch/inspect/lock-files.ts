/** Lock files before and after: packages from other places, checksums that changed or went, new install scripts. */

import type { Flag } from '../../types.ts';
import { flagOf, type InspectedFile, isOnlyMoved, quoted } from './inspected-file.ts';
import { type LockEntry, lockReader } from './lock-entries.ts';

/** Where packages come from everywhere. A repository at these hosts is none: see `isRepository`. */
const REGISTRIES: ReadonlySet<string> = new Set([
  ...['registry.npmjs.org', 'registry.yarnpkg.com', 'npm.jsr.io', 'jsr.io', 'deno.land'],
  ...['index.crates.io', 'static.crates.io', 'crates.io', 'github.com/rust-lang/crates.io-index'],
  ...['pypi.org', 'files.pythonhosted.org', 'rubygems.org', 'index.rubygems.org', 'proxy.golang.org'],
  ...[
    'repo.packagist.org',
    'packagist.org',
    'api.github.com',
    'api.nuget.org',
    'repo1.maven.org',
    'repo.maven.apache.org',
  ],
  ...[
    'plugins.gradle.org',
    'dl.google.com',
    'hex.pm',
    'repo.hex.pm',
    'pub.dev',
    'cdn.cocoapods.org',
    'trunk.cocoapods.org',
  ],
  ...['bcr.bazel.build', 'docs.gradle.org', 'www.w3.org', 'schema.gradle.org'],
]);
/** composer.lock, Package.resolved and flake.lock name repositories by themselves, with the commit. */
const NAMES_REPOSITORIES = /(?:composer\.lock|package\.resolved|cartfile\.resolved|flake\.lock|mix\.lock)$/;

export function isLockFile(key: string): boolean {
  return lockReader(key) !== null;
}

/** Codes `lock-source`, `lock-integrity` and `lock-install-script`. */
export function lockFiles(file: InspectedFile): Flag[] {
  const read = lockReader(file.key);
  if (read === null || file.kind === 'delete' || isOnlyMoved(file)) return [];
  if (file.after === null) {
    return [flagOf(file, 'lock-source', 'it could not be read as a whole: its addresses were not compared')];
  }
  try {
    return compared(file, [...read(file.before ?? emptyFor(file.after))], [...read(file.after)]);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return [flagOf(file, 'lock-source', 'it is not written as a lock file: its addresses were not compared')];
  }
}

function emptyFor(text: string): string {
  return /^\s{0,99}\{/.test(text) ? '{}' : '';
}

function compared(file: InspectedFile, before: readonly LockEntry[], after: readonly LockEntry[]): Flag[] {
  const known = new Map(before.map((entry) => [entry.key, entry]));
  const places = new Set(before.flatMap(({ sources }) => sources.map(placeOf)));
  const hadScripts = new Set(before.filter(({ runsScript }) => runsScript).map(({ key }) => nameOf(key)));
  const wasChecked = before.some(({ integrity }) => integrity.length > 0);
  let source: string | null = null;
  let integrity: string | null = null;
  let script: string | null = null;
  for (const entry of after) {
    const old = known.get(entry.key);
    source ??= otherSource(entry, old, { places, key: file.key });
    integrity ??= otherIntegrity(entry, old, wasChecked);
    if (entry.runsScript && before.length > 0 && !hadScripts.has(nameOf(entry.key))) {
      script ??= `${quoted(entry.key)} runs a script when it is installed`;
    }
  }
  return [
    ...(source === null ? [] : [flagOf(file, 'lock-source', source)]),
    ...(integrity === null ? [] : [flagOf(file, 'lock-integrity', integrity)]),
    ...(script === null ? [] : [flagOf(file, 'lock-install-script', script)]),
  ];
}

function otherSource(
  entry: LockEntry,
  old: LockEntry | undefined,
  { places, key }: { readonly places: ReadonlySet<string>; readonly key: string },
): string | null {
  const known = new Set(old?.sources);
  for (const source of entry.sources) {
    if (known.has(source)) continue;
    const place = placeOf(source);
    const name = quoted(entry.key);
    if (/^(?:[a-z]{2,9}\+)?(?:http|git|ftp):\/\//i.test(source))
      return `${name} comes unprotected from ${quoted(source)}`;
    if (places.has(place) && (!isRepository(source) || old !== undefined)) continue;
    if (REGISTRIES.has(place) || REGISTRIES.has(placeWithPath(source))) continue;
    if (isRepository(source) && NAMES_REPOSITORIES.test(key)) continue;
    return `${name} comes from ${quoted(source)}`;
  }
  return null;
}

function otherIntegrity(entry: LockEntry, old: LockEntry | undefined, wasChecked: boolean): string | null {
  if (old === undefined) {
    const isFetched = entry.sources.some((source) => /^https?:/i.test(source) && !isRepository(source));
    return wasChecked && isFetched && entry.integrity.length === 0 ? `${quoted(entry.key)} has no checksum` : null;
  }
  const [before, now] = [new Set(old.integrity), new Set(entry.integrity)];
  if (old.integrity.every((sum) => now.has(sum))) return null;
  if (entry.integrity.length === 0) return `${quoted(entry.key)} has lost its checksum`;
  // Another kind of checksum (sha1 to sha512), or fewer files of the same release, is no other content.
  const isSame = entry.integrity.every((sum) => before.has(sum));
  const kinds = (sums: readonly string[]) => new Set(sums.map((sum) => /^[a-z0-9]{2,9}[-:=]/i.exec(sum)?.[0] ?? ''));
  const [was, is] = [kinds(old.integrity), kinds(entry.integrity)];
  if (isSame || (![...is].some((kind) => was.has(kind)) && !is.has(''))) return null;
  return `the checksum of ${quoted(entry.key)} is another one, and its version is the same`;
}

/** Host of an address, in lower case. */
function placeOf(source: string): string {
  const match = /^(?:[a-z]{2,9}\+)?[a-z]{2,9}:\/\/(?:[^/@]{0,200}@)?([^/:?#]{1,253})/i.exec(source);
  if (match !== null) return (match[1] ?? '').toLowerCase();
  return /^git@([^:/]{1,253})/.exec(source)?.[1]?.toLowerCase() ?? source.slice(0, 200);
}

function placeWithPath(source: string): string {
  const path = /^(?:[a-z]{2,9}\+)?[a-z]{2,9}:\/\/[^/]{1,253}(\/[^?#]{0,300})/i.exec(source)?.[1] ?? '';
  return `${placeOf(source)}${path.replace(/\.git$/, '')}`;
}

function isRepository(source: string): boolean {
  return /^(?:git|hg|svn)[+:@]|^ssh:|\.git(?:[#?]|$)|^https?:\/\/(?:codeload\.)?(?:api\.)?git(?:hub|lab)\.com\//i.test(
    source,
  );
}

/** Without its version. */
function nameOf(key: string): string {
  return key.slice(0, Math.max(0, key.lastIndexOf(' ')));
}
