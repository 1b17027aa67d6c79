/** The words of `--allow` and `--setup-allow`: hosts and named sets of them → rules of the gateway. */

import { usageError } from '../errors.ts';
import { parseAddress, parseCidr } from '../gateway/addresses.ts';
import type { EgressRule } from '../gateway/protocol.ts';
import { DEFAULT_PORT, looksLikeAddress, normaliseHost, parseAuthority } from '../gateway/rules.ts';
import { suggest } from './suggest.ts';

/** Package managers of distributions verify signatures and fetch over plain HTTP. */
const MIRROR_PORTS = [80, DEFAULT_PORT];

/** Sets of hosts by name: the public services, as their own clients use them. */
const PRESETS: Readonly<Record<string, readonly EgressRule[]>> = {
  '@npm': hosts([...below('npmjs.org', 'registry'), ...below('yarnpkg.com', 'registry')]),
  '@pypi': hosts(['pypi.org', 'files.pythonhosted.org']),
  '@crates': hosts(['crates.io', 'index.crates.io', 'static.crates.io']),
  '@go': hosts(['proxy.golang.org', 'sum.golang.org']),
  '@debian': hosts(below('debian.org', 'deb', 'security', 'cdn-fastly.deb'), MIRROR_PORTS),
};

/** `@usual`: what a set-up may reach where nobody says more: the usual registries and distribution mirrors. */
const USUAL: readonly EgressRule[] = [
  ...Object.values(PRESETS).flat(),
  ...hosts(['archive.ubuntu.com', '*.archive.ubuntu.com', 'security.ubuntu.com', 'ports.ubuntu.com'], MIRROR_PORTS),
  ...hosts(['dl-cdn.alpinelinux.org', 'dl.fedoraproject.org', 'mirrors.fedoraproject.org'], MIRROR_PORTS),
  ...hosts(['nodejs.org', 'static.rust-lang.org', 'sh.rustup.rs', 'go.dev', 'dl.google.com']),
  ...hosts(['rubygems.org', 'index.rubygems.org', 'repo.packagist.org', 'api.nuget.org', 'pub.dev']),
  ...hosts(['repo.maven.apache.org', 'repo1.maven.org', 'plugins.gradle.org', 'services.gradle.org']),
  ...hosts(['hex.pm', 'repo.hex.pm', 'hackage.haskell.org', 'cpan.metacpan.org', 'cloud.r-project.org']),
  ...hosts(['conda.anaconda.org', 'repo.anaconda.com']),
];

/** A wider range is no range. IPv6: the whole of the unique local addresses is one. */
const LEAST_BITS = { 4: 8, 6: 7 } as const;

/**
 * Rules of words, each one of:
 * - `registry.example.org`: this host, port 443; `registry.example.org:8443`: another port;
 * - `*.example.org`: any name below it;
 * - `registry.example.org=10.0.0.0/8`, `registry.example.org:8081=10.1.2.3/32`: a host of a private network; it is
 *   reached at addresses of that range (CIDR) and at no others;
 * - `@npm`, `@pypi`, `@crates`, `@go`, `@debian`; `@usual`: all of these and more registries and mirrors.
 * No words, no rules: nothing is allowed.
 * @throws usage `BAD_VALUE` that says the word
 */
export function parseAllow(words: readonly string[]): readonly EgressRule[] {
  const rules = words.flatMap((word) => parseWord(word.trim()));
  for (const rule of rules) {
    const other = rules.find(({ host, cidr }) => host === rule.host && cidr !== null && cidr !== rule.cidr);
    if (other !== undefined && rule.cidr !== null) {
      throw bad(rule.host, `is given two ranges, ${rule.cidr} and ${other.cidr}`);
    }
  }
  return rules;
}

function parseWord(word: string): readonly EgressRule[] {
  if (word.startsWith('@')) return preset(word);
  const [place = '', range, ...rest] = word.split('=');
  if (rest.length > 0) throw bad(word, 'has more than one =');
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(word)) throw bad(word, 'is a URL', 'write the host alone: registry.example.org');
  const wildcard = place.startsWith('*.');
  const name = wildcard ? place.slice(2) : place;
  const authority = parseAuthority(name, DEFAULT_PORT);
  if (parseAddress(name) !== null || (authority !== null && looksLikeAddress(authority.host))) {
    throw bad(word, 'is an address', 'name a host: an address stands for anybody');
  }
  const host = normaliseHost(authority?.host ?? '');
  if (authority === null || host === null) throw bad(word, 'is not a host');
  if (wildcard && !host.includes('.')) throw bad(word, 'allows a whole top-level domain');
  return [
    {
      host: wildcard ? `*.${host}` : host,
      ports: [authority.port],
      cidr: range === undefined ? null : checkedRange(word, range),
      authorization: null,
    },
  ];
}

function preset(word: string): readonly EgressRule[] {
  if (word === '@usual') return USUAL;
  const rules = Object.hasOwn(PRESETS, word) ? PRESETS[word] : undefined;
  if (rules !== undefined) return rules;
  const known = [...Object.keys(PRESETS), '@usual'];
  const meant = suggest(word, known);
  throw bad(word, `is not one of ${known.join(', ')}`, meant === null ? undefined : `did you mean ${meant}?`);
}

function checkedRange(word: string, text: string): string {
  const range = parseCidr(text);
  if (range === null) throw bad(word, 'has no range behind =', 'write it like registry.example.org=10.0.0.0/8');
  if (range.bits < LEAST_BITS[range.family]) {
    throw bad(word, `names a range that is too wide: at least /${LEAST_BITS[range.family]}`);
  }
  return text.toLowerCase();
}

function bad(word: string, problem: string, hint?: string) {
  return usageError('BAD_VALUE', `"${word}" ${problem}`, { hint });
}

function below(domain: string, ...names: readonly string[]): readonly string[] {
  return names.map((name) => `${name}.${domain}`);
}

function hosts(names: readonly string[], ports: readonly number[] = [DEFAULT_PORT]): readonly EgressRule[] {
  return names.map((host) => ({ host, ports, cidr: null, authorization: null }));
}
