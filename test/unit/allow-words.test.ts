// What people write behind --allow.
import { describe, expect, it } from 'vitest';
import { parseAllow } from '../../src/config/allow.ts';
import { judge } from '../../src/gateway/rules.ts';

describe('--allow', () => {
  it.each([
    ['registry.example.org', { host: 'registry.example.org', ports: [443], cidr: null }],
    ['Registry.Example.org.', { host: 'registry.example.org', ports: [443], cidr: null }],
    ['registry.example.org:8443', { host: 'registry.example.org', ports: [8443], cidr: null }],
    ['*.example.org', { host: '*.example.org', ports: [443], cidr: null }],
    ['bücher.example', { host: 'xn--bcher-kva.example', ports: [443], cidr: null }],
    ['npm.corp.example=10.0.0.0/8', { host: 'npm.corp.example', ports: [443], cidr: '10.0.0.0/8' }],
    ['npm.corp.example:8081=FD00::/8', { host: 'npm.corp.example', ports: [8081], cidr: 'fd00::/8' }],
    ['*.corp.example=192.168.1.7/32', { host: '*.corp.example', ports: [443], cidr: '192.168.1.7/32' }],
    ['localhost:3000=127.0.0.1/32', { host: 'localhost', ports: [3000], cidr: '127.0.0.1/32' }],
  ])('%s is a rule', (word, rule) => {
    expect(parseAllow([word])).toEqual([{ ...rule, authorization: null }]);
  });

  it('without words allows nothing', () => {
    expect(parseAllow([])).toEqual([]);
  });

  it.each([
    ['@npm', `registry.${'npmjs'}.org`, 443],
    ['@pypi', 'files.pythonhosted.org', 443],
    ['@crates', 'static.crates.io', 443],
    ['@go', 'proxy.golang.org', 443],
    ['@debian', `deb.${'debian'}.org`, 80],
    ['@debian', `deb.${'debian'}.org`, 443],
  ])('%s reaches %s at port %i', (word, host, port) => {
    expect(judge(parseAllow([word]), host, port).allowed).toBe(true);
    expect(judge(parseAllow(['@usual']), host, port).allowed).toBe(true);
  });

  it.each([
    ['', 'is not a host'],
    ['*', 'is not a host'],
    ['*.org', 'top-level domain'],
    ['a.*.org', 'is not a host'],
    ['https://registry.example.org/', 'is a URL'],
    ['registry.example.org/path', 'is not a host'],
    ['user@registry.example.org', 'is not a host'],
    ['registry.example.org:0', 'is not a host'],
    ['registry.example.org:http', 'is not a host'],
    ['10.1.2.3', 'is an address'],
    ['0x7f000001:443', 'is an address'],
    ['fd00::1', 'is an address'],
    ['[::1]:443', 'is an address'],
    ['registry.example.org=', 'no range'],
    ['registry.example.org=10.0.0.1', 'no range'],
    ['registry.example.org=0.0.0.0/0', 'too wide'],
    ['registry.example.org=::/0', 'too wide'],
    ['registry.example.org=10.0.0.0/8=11.0.0.0/8', 'more than one'],
    ['@pypy', '@npm, @pypi, @crates, @go, @debian'],
    ['@constructor', '@npm'],
  ])('refuses %j and says so', (word, problem) => {
    const parse = () => parseAllow([word]);
    expect(parse).toThrow(problem);
    expect(parse).toThrow(`"${word}"`);
    expect(parse).toThrow(expect.objectContaining({ kind: 'usage', code: 'BAD_VALUE' }));
  });

  it('refuses one host with two ranges', () => {
    expect(() => parseAllow(['a.example=10.0.0.0/8', 'a.example:80=192.168.0.0/16'])).toThrow('two ranges');
  });

  it('suggests the set that was meant', () => {
    expect(() => parseAllow(['@debain'])).toThrow(expect.objectContaining({ hint: 'did you mean @debian?' }));
  });
});
