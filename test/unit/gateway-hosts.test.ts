// Which hosts the forward proxy lets an attempt reach.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EgressRule } from '../../src/gateway/protocol.ts';
import { parseAbsolute } from '../../src/gateway/proxy-request.ts';
import { judge, looksLikeAddress, matches, normaliseHost, parseAuthority } from '../../src/gateway/rules.ts';

const rule = (host: string, more: Partial<EgressRule> = {}): EgressRule => ({
  host,
  ports: [443],
  cidr: null,
  authorization: null,
  ...more,
});

/** Every way that something, somewhere, reads as 127.0.0.1 or another address. */
const ADDRESS_FORMS = [
  ...['127.0.0.1', '127.0.0.1.', '127.1', '127.0.1', '0', '0.', '2130706433', '0x7f000001', '0X7F.1', '017700000001'],
  ...['0177.0.0.1', '127.0.0.0x1', '１２７.0.0.1', '127。0。0。1', '8.8.8.8', '999.999.999.999', '1.2.3.4.5', '0x'],
  ...['[::1]', '::1', '[::ffff:127.0.0.1]', '[fe80::1%eth0]', '[fe80::1%25eth0]', 'fe80::1%1', '[v1.x]', '[]'],
];

const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?$/).filter((text) => !text.startsWith('xn--'));
const name = fc.array(label, { minLength: 2, maxLength: 4 }).map((labels) => labels.join('.'));

describe('a host', () => {
  it.each([
    ['Registry.Example.ORG', 'registry.example.org'],
    ['registry.example.org.', 'registry.example.org'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
    ['ｒegistry.example', 'registry.example'],
    ['under_score.example.org', 'under_score.example.org'],
    ['localhost', 'localhost'],
  ])('%s is %s', (written, host) => {
    expect(normaliseHost(written)).toBe(host);
  });

  it.each([
    ...ADDRESS_FORMS,
    ...[
      '',
      '.',
      '..',
      'a..b',
      'foo..',
      '.foo',
      '-a.org',
      'a-.org',
      '*',
      '*.example.org',
      'a b',
      'a%2eb.org',
      'a@b.org',
    ],
    ...[
      'a/b',
      'a\\b',
      'a?b',
      'a#b',
      'a:443',
      'a\r\nb',
      'a\0b',
      'xn--a',
      `${'a'.repeat(64)}.org`,
      `${'a.'.repeat(127)}org`,
    ],
  ])('%j is none', (written) => {
    expect(normaliseHost(written)).toBeNull();
  });

  it.each(ADDRESS_FORMS)('%j looks like an address', (written) => {
    expect(looksLikeAddress(written)).toBe(true);
  });

  it('keeps its form when it is read again', () => {
    fc.assert(
      fc.property(name, fc.boolean(), (host, dot) => {
        expect(normaliseHost(host.toUpperCase() + (dot ? '.' : ''))).toBe(host);
        expect(looksLikeAddress(host)).toBe(false);
      }),
    );
  });
});

describe('a wildcard', () => {
  it('is any name below its own, label by label', () => {
    fc.assert(
      fc.property(name, name, label, (host, other, first) => {
        expect(matches(`*.${host}`, `${first}.${host}`)).toBe(true);
        expect(matches(`*.${host}`, `${first}.more.${host}`)).toBe(true);
        expect(matches(`*.${host}`, host)).toBe(false);
        expect(matches(`*.${host}`, first + host)).toBe(false);
        expect(matches(`*.${host}`, `${host}.${first}.invalid`)).toBe(false);
        expect(matches(host, other)).toBe(host === other);
      }),
    );
  });
});

describe('the verdict', () => {
  const rules = [rule('registry.example.org'), rule('*.mirror.example', { ports: [80, 443] })];

  it('is yes for a host and port that a rule names', () => {
    expect(judge(rules, 'REGISTRY.example.org.', 443)).toEqual({
      allowed: true,
      host: 'registry.example.org',
      ranges: 'public',
      authorization: null,
      inside: false,
    });
    expect(judge(rules, 'de.mirror.example', 80).allowed).toBe(true);
  });

  it('is no for everything where there is no rule', () => {
    expect(judge([], 'registry.example.org', 443)).toEqual({
      allowed: false,
      reason: 'host-not-allowed',
      allowWith: '--network allowlist --allow registry.example.org',
    });
  });

  it('names the flag with the port where it is not the usual one', () => {
    expect(judge(rules, 'registry.example.org', 22)).toEqual({
      allowed: false,
      reason: 'port-not-allowed',
      allowWith: '--network allowlist --allow registry.example.org:22',
    });
  });

  it.each(ADDRESS_FORMS)('is no for the address %j, and no flag would allow it', (written) => {
    const loose = [rule(written), rule('*.0.0.1'), rule('localhost')];
    expect(judge(loose, written, 443)).toEqual({ allowed: false, reason: 'address-not-allowed', allowWith: null });
  });

  it.each(['evil.org', 'registry.example.org.evil.org', 'evilregistry.example.org', 'mirror.example', 'example.org'])(
    'is no for %s',
    (host) => {
      expect(judge(rules, host, 443)).toMatchObject({ allowed: false, reason: 'host-not-allowed' });
    },
  );

  it('takes the private range of the rule that has one', () => {
    const inside = [rule('*.corp.example'), rule('git.corp.example', { cidr: '10.0.0.0/8' })];
    expect(judge(inside, 'git.corp.example', 443)).toMatchObject({ ranges: { cidr: '10.0.0.0/8' }, inside: true });
    expect(judge(inside, 'www.corp.example', 443)).toMatchObject({ ranges: 'public', inside: false });
  });

  it('gives a secret only to the very host that it is for', () => {
    const secret = [rule('*.corp.example', { authorization: 'Bearer sk-test-1' }), rule('npm.corp.example')];
    expect(judge(secret, 'npm.corp.example', 443)).toMatchObject({ allowed: true, authorization: null });
    const exact = [...secret, rule('npm.corp.example', { authorization: 'Bearer sk-test-2' })];
    expect(judge(exact, 'npm.corp.example', 443)).toMatchObject({ authorization: 'Bearer sk-test-2' });
  });
});

describe('an authority', () => {
  it('is a host and a port', () => {
    expect(parseAuthority('example.org:443', null)).toEqual({ host: 'example.org', port: 443 });
    expect(parseAuthority('example.org', 80)).toEqual({ host: 'example.org', port: 80 });
    expect(parseAuthority('[::1]:22', null)).toEqual({ host: '[::1]', port: 22 });
  });

  it.each(['example.org', ':443', 'example.org:', 'example.org:0', 'example.org:65536', 'example.org:+443', '::1:443'])(
    'is not %j',
    (text) => {
      expect(parseAuthority(text, null)).toBeNull();
    },
  );

  it('with userinfo is no host that a rule could name', () => {
    for (const text of ['registry.example.org:443@evil.org:443', 'registry.example.org@evil.org:443']) {
      const authority = parseAuthority(text, null);
      expect(authority === null || normaliseHost(authority.host) === null, text).toBe(true);
    }
  });
});

describe('what is accepted', () => {
  const piece = fc.constantFrom(
    ...['registry.example.org', 'evil.example', '127.0.0.1', '2130706433', '[::1]', 'localhost', 'http://', 'https://'],
    ...[
      '@',
      ':',
      '/',
      '\\',
      '#',
      '?',
      '%',
      '%2e',
      '%40',
      '.',
      '..',
      ':80',
      ':443',
      '0',
      'x',
      ' ',
      '\t',
      '\r\n',
      '\0',
      'é',
      '。',
    ],
  );
  const text = fc.array(piece, { maxLength: 7 }).map((pieces) => pieces.join(''));
  const rules = ['registry.example.org', 'localhost'].map((host) => rule(host, { ports: [80, 443, 8080] }));

  it('as a URL leads every other parser to the same host, port and path', () => {
    let accepted = 0;
    fc.assert(
      fc.property(fc.constantFrom('http://', 'https://', 'HTTP://', ''), text, (scheme, rest) => {
        const target = parseAbsolute(scheme + rest);
        const verdict = target === null ? null : judge(rules, target.host, target.port);
        if (target === null || verdict?.allowed !== true) return;
        accepted += 1;
        const url = new URL(scheme + rest);
        expect(url.hostname.replace(/\.$/, '')).toBe(verdict.host);
        expect(Number(url.port || target.defaultPort)).toBe(target.port);
        expect(url.username + url.password + url.hash).toBe('');
        expect(new URL(`http://x${target.path}`).pathname).toBe(url.pathname);
      }),
      { numRuns: 20_000 },
    );
    expect(accepted).toBeGreaterThan(20);
  });

  it('as an authority leads every other parser to the same host and port', () => {
    let accepted = 0;
    fc.assert(
      fc.property(text, (written) => {
        const authority = parseAuthority(written, null);
        const verdict = authority === null ? null : judge(rules, authority.host, authority.port);
        if (authority === null || verdict?.allowed !== true) return;
        accepted += 1;
        const url = new URL(`ftp://${written}`);
        expect(url.hostname.replace(/\.$/, '')).toBe(verdict.host);
        expect(Number(url.port)).toBe(authority.port);
        expect(url.username + url.password + url.hash + url.pathname).toBe('/');
      }),
      { numRuns: 20_000 },
    );
    expect(accepted).toBeGreaterThan(5);
  });
});
