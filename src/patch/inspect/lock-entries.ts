/** Lock files read as lists of packages: name, version, where it comes from, checksum. Pure, one pass, no recursion. */

export interface LockEntry {
  /** Name and version, and whatever else tells entries apart. */
  readonly key: string;
  /** Addresses from which the package is fetched. */
  readonly sources: readonly string[];
  /** Checksums, sorted; empty where there is none. */
  readonly integrity: readonly string[];
  readonly runsScript: boolean;
}

type Reader = (text: string) => Iterable<LockEntry>;

const READERS: readonly (readonly [RegExp, Reader])[] = [
  [/(?:^|\/)(?:package-lock|npm-shrinkwrap|\.package-lock)\.json$/, npmEntries],
  [/(?:^|\/)composer\.lock$/, composerEntries],
  [/(?:^|\/)pipfile\.lock$/, pipfileEntries],
  [/(?:^|\/)yarn\.lock$/, yarnEntries],
  [/(?:^|\/)pnpm-lock\.ya?ml$/, pnpmEntries],
  [/(?:^|\/)(?:(?:cargo|poetry|uv|pdm)\.lock|pylock(?:\.[^/]*)?\.toml)$/, tomlEntries],
  [/(?:^|\/)go\.sum$/, goEntries],
  [/(?:^|\/)(?:gemfile|gems|[^/]*\.gemfile)\.(?:lock|locked)$/, gemEntries],
  [
    /(?:^|\/)(?:bun\.lock|deno\.lock|flake\.lock|package\.resolved|podfile\.lock|mix\.lock|pubspec\.lock|packages\.lock\.json|gradle\.lockfile|verification-metadata\.xml|cartfile\.resolved|conan\.lock|shard\.lock|module\.bazel\.lock)$/,
    lineEntries,
  ],
];

/** How to read the lock file of this (comparable) path; null where it is none. */
export function lockReader(key: string): Reader | null {
  return READERS.find(([path]) => path.test(key))?.[1] ?? null;
}

type Json = Readonly<Record<string, unknown>>;

function record(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function strings(...values: readonly unknown[]): string[] {
  return values.filter((value): value is string => typeof value === 'string' && value !== '').sort();
}

function* npmEntries(text: string): Generator<LockEntry> {
  const lock = record(JSON.parse(text));
  for (const [name, value] of [
    ...Object.entries(record(lock.packages)),
    ...Object.entries(record(lock.dependencies)),
  ]) {
    const { version, resolved, integrity, hasInstallScript, link } = record(value);
    if (name === '' || link === true) continue;
    yield {
      key: `${name} ${version}`,
      sources: strings(resolved, isAddress(version) ? version : null),
      integrity: strings(integrity),
      runsScript: hasInstallScript === true,
    };
  }
}

function* composerEntries(text: string): Generator<LockEntry> {
  const lock = record(JSON.parse(text));
  for (const value of [lock.packages, lock['packages-dev']].flatMap((list) => (Array.isArray(list) ? list : []))) {
    const { name, version, dist, source } = record(value);
    const [archive, repository] = [record(dist), record(source)];
    yield {
      key: `${name} ${version}`,
      sources: strings(archive.url, repository.url),
      integrity: strings(archive.shasum, archive.reference, repository.reference),
      runsScript: false,
    };
  }
}

function* pipfileEntries(text: string): Generator<LockEntry> {
  const lock = record(JSON.parse(text));
  const list = record(lock._meta).sources;
  const sources = (Array.isArray(list) ? list : []).map((source) => record(source).url);
  yield { key: '_meta', sources: strings(...sources), integrity: [], runsScript: false };
  for (const part of ['default', 'develop']) {
    for (const [name, value] of Object.entries(record(lock[part]))) {
      const { version, hashes, git, file } = record(value);
      const integrity = strings(...(Array.isArray(hashes) ? hashes : []));
      yield { key: `${part} ${name} ${version}`, sources: strings(git, file), integrity, runsScript: false };
    }
  }
}

/** Entries of line formats are gathered in one of these. */
interface Gathered {
  name: string;
  version: string;
  readonly sources: string[];
  readonly integrity: string[];
  runsScript: boolean;
}

function gathered(name: string): Gathered {
  return { name, version: '', sources: [], integrity: [], runsScript: false };
}

function finished(entry: Gathered): LockEntry {
  const { name, version, sources, integrity, runsScript } = entry;
  return { key: `${name} ${version}`, sources: sources.sort(), integrity: integrity.sort(), runsScript };
}

function* yarnEntries(text: string): Generator<LockEntry> {
  let entry: Gathered | null = null;
  for (const line of text.split('\n')) {
    if (/^[^\s#]/.test(line)) {
      if (entry !== null) yield finished(entry);
      entry = gathered(line.replace(/:\s{0,9}$/, ''));
      continue;
    }
    const [, name, value = ''] =
      /^ {2}"?(version|resolved|resolution|integrity|checksum)"?:? {1,9}"?([^"]{1,2000})"?/.exec(line) ?? [];
    if (entry === null || name === undefined) continue;
    if (name === 'version') entry.version = value;
    else if (name === 'integrity' || name === 'checksum') entry.integrity.push(value);
    else if (name === 'resolved' || isAddress(value)) entry.sources.push(value);
    else if (/@(?:https?|git|ssh|file)[+:@]/.test(value)) entry.sources.push(value.slice(value.indexOf('@', 1) + 1));
  }
  if (entry !== null) yield finished(entry);
}

function* pnpmEntries(text: string): Generator<LockEntry> {
  let entry: Gathered | null = null;
  let part = '';
  for (const line of text.split('\n')) {
    const title = /^([a-zA-Z]{1,40}):/.exec(line)?.[1];
    if (title !== undefined) part = title;
    const key = /^ {2}['"]?\/?([^\s'"].{0,400}?)['"]?:\s{0,9}$/.exec(line)?.[1];
    if (key !== undefined || title !== undefined) {
      if (entry !== null) yield finished(entry);
      entry = key === undefined || part === 'importers' ? null : pnpmEntry(part, key);
      continue;
    }
    if (entry === null) continue;
    const integrity = /\bintegrity: ([^\s,}]{1,400})/.exec(line)?.[1];
    if (integrity !== undefined) entry.integrity.push(integrity);
    const source = /\b(?:tarball|repo): ([^\s,}]{1,2000})/.exec(line)?.[1];
    if (source !== undefined) entry.sources.push(source);
    if (/^ {4}requiresBuild: true/.test(line)) entry.runsScript = true;
  }
  if (entry !== null) yield finished(entry);
}

/** `core-js@3.29.1`, `@scope/name@1.0.0(peer@2.0.0)`, in older files `/core-js/3.29.1`. */
function pnpmEntry(part: string, key: string): Gathered {
  const [, name = key, version = ''] = /^(@?[^@(]{1,214}?)[@/]([0-9].{0,400})$/.exec(key) ?? [];
  return { ...gathered(`${part} ${name}`), version };
}

function* tomlEntries(text: string): Generator<LockEntry> {
  let entry: Gathered | null = null;
  let inFiles = false;
  for (const line of text.split('\n')) {
    if (/^\[/.test(line)) {
      const isSub = !/^\[\[?(?:package|packages|metadata)\]/.test(line);
      // `[package.source]` and the like belong to the package above.
      if (isSub && entry !== null) continue;
      if (entry !== null) yield finished(entry);
      entry = /^\[\[packages?\]\]/.test(line) ? gathered('') : null;
      inFiles = /^\[metadata\]/.test(line);
      continue;
    }
    if (entry === null) {
      // Old Cargo.lock files have their checksums at the end.
      const old = inFiles ? /^"checksum ([^"]{1,400})" = "([0-9a-f]{64})"/.exec(line) : null;
      if (old !== null) yield { key: `checksum ${old[1]}`, sources: [], integrity: [old[2] ?? ''], runsScript: false };
      continue;
    }
    const [, name, value = ''] =
      /^(name|version|source|checksum|url|git|reference|resolved_reference) = (.{0,2000})/.exec(line) ?? [];
    const bare = value.replace(/^"|"\s{0,9}$/g, '');
    if (name === 'name') entry.name = bare;
    else if (name === 'version') entry.version = bare;
    else if (name === 'checksum') entry.integrity.push(bare);
    else if (name !== undefined && name !== 'reference' && name !== 'resolved_reference')
      entry.sources.push(...addressesIn(line));
    if (name !== undefined) continue;
    // `{ url = "…", hash = "…" }`, `{file = "…", hash = "…"}`
    const hash = /\bhash(?:es)?\s?=\s?(?:\{\s?sha256\s?=\s?)?"([^"]{1,200})"/.exec(line)?.[1];
    if (hash === undefined) continue;
    entry.integrity.push(
      `${/\b(?:file|name|url)\s?=\s?"([^"]{1,2000})"/.exec(line)?.[1]?.replace(/^.*\//, '') ?? ''} ${hash}`,
    );
    entry.sources.push(...addressesIn(line));
  }
  if (entry !== null) yield finished(entry);
}

function* goEntries(text: string): Generator<LockEntry> {
  for (const line of text.split('\n')) {
    const [module, version, hash] = line.split(' ', 3);
    if (hash !== undefined) yield { key: `${module} ${version}`, sources: [], integrity: [hash], runsScript: false };
  }
}

function* gemEntries(text: string): Generator<LockEntry> {
  for (const line of text.split('\n')) {
    const remote = /^ {2}remote: (\S{1,2000})/.exec(line)?.[1];
    if (remote !== undefined && remote !== '.') {
      yield { key: `remote ${remote}`, sources: [remote], integrity: [], runsScript: false };
    }
    const [, gem, sum] = /^ {2}(\S{1,200} \([^)]{1,100}\)) (sha256=[0-9a-f]{64})/.exec(line) ?? [];
    if (gem !== undefined && sum !== undefined)
      yield { key: `sum ${gem}`, sources: [], integrity: [sum], runsScript: false };
  }
}

/** For formats without a reader: every address by itself. */
function* lineEntries(text: string): Generator<LockEntry> {
  for (const line of text.split('\n')) {
    const sources = line.length > 20_000 ? [] : addressesIn(line);
    if (sources.length > 0) yield { key: line.trim().slice(0, 500), sources, integrity: [], runsScript: false };
  }
}

function isAddress(value: unknown): boolean {
  return typeof value === 'string' && /^(?:[a-z+]{2,12}:|git@)/i.test(value);
}

function addressesIn(line: string): string[] {
  return (
    line.match(
      /(?:\b(?:git|registry|sparse|hg|svn)\+|\b)(?:https?|git|ssh|file|ftp):\/\/[^\s"'<>,)}\]]{1,2000}|\bgit@[^\s"']{1,500}/gi,
    ) ?? []
  );
}
