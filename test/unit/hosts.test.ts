import { describe, expect, it } from 'vitest';
import { parseHostUrl, sshUrl } from '../../src/config/host-url.ts';
import { slotsOf, wantedHosts } from '../../src/sandbox/docker/hosts.ts';

const GIB = 1024 ** 3;

describe('the address of a host', () => {
  it.each([
    ['ssh://ops@build-1:2222', { user: 'ops', host: 'build-1', port: 2222, socket: '/var/run/docker.sock' }],
    ['ssh://build_alias', { user: null, host: 'build_alias', port: null, socket: '/var/run/docker.sock' }],
    ['ssh://ops@[fe80::1]/run/user/1000/docker.sock', { host: 'fe80::1', socket: '/run/user/1000/docker.sock' }],
  ])('%s is reached by ssh, and written as it was', (url, target) => {
    const place = parseHostUrl(url);
    expect(place).toMatchObject({ kind: 'ssh', target });
    if (place.kind === 'ssh') expect(sshUrl(place.target)).toBe(url);
  });

  it.each([
    ['tcp://10.0.0.5:2376', { kind: 'tcp', host: '10.0.0.5', port: 2376 }],
    ['tcp://[::1]', { kind: 'tcp', host: '::1', port: null }],
    ['unix:///run/docker.sock', { kind: 'unix', socket: '/run/docker.sock' }],
    ['context:night', { kind: 'context', context: 'night' }],
  ])('%s', (url, place) => {
    expect(parseHostUrl(url)).toEqual(place);
  });

  it.each([
    ...['', 'build-1', 'http://a', 'ssh://', 'ssh:///x', 'ssh://-oProxyCommand=evil', 'ssh://-v@a', 'ssh://a%20b'],
    ...[
      'ssh://a/x;reboot',
      'ssh://a/x:y',
      'ssh://a?x',
      'tcp://u@a:1',
      'tcp://a/x',
      'tcp://a:0',
      'unix://x',
      'context:-x',
    ],
  ])('is not %j', (url) => {
    expect(() => parseHostUrl(url)).toThrow(expect.objectContaining({ code: 'BAD_VALUE' }));
  });

  it('holds no password, and does not show one either', () => {
    expect(() => parseHostUrl('ssh://ops:secret@a')).toThrow(/^(?!.*secret).*holds a password: ssh takes keys/);
    expect(() => parseHostUrl('tcp://ops:secret@a')).toThrow(/^(?!.*secret).*holds a password: TLS/);
    for (const url of ['tcp://ops:secret@a:99999', 'http://ops:sec/ret@a', 'ssh://ops:sec@ret@a b']) {
      expect(() => parseHostUrl(url)).toThrow(/:\/\/ops@a/);
    }
  });
});

describe('the hosts of a run', () => {
  const hosts = {
    'build-1': { url: 'ssh://ops@build-1', slots: 4, labels: ['gpu', 'fast'] },
    'build-2': { url: 'tcp://build-2:2376', tls: '/certs', labels: ['gpu'] },
    'build-3': { url: 'context:three' },
  };
  const names = (settings: Partial<Parameters<typeof wantedHosts>[0]>): readonly string[] =>
    wantedHosts({ hosts, host: [], on: [], ...settings }).map(({ name }) => name);

  it('are the local engine alone where none is named', () => {
    expect(wantedHosts({ hosts, host: [], on: [] })).toEqual([
      { name: 'local', url: null, tls: null, slots: null, labels: [] },
    ]);
  });

  it('are those that are named, each once: by name, by address, by context', () => {
    const host = ['build-2', 'local', 'ssh://x', 'other', 'context:build-1', 'build-2'];
    expect(wantedHosts({ hosts, host, on: [] })).toMatchObject([
      { name: 'build-2', url: 'tcp://build-2:2376', tls: '/certs', slots: null, labels: ['gpu'] },
      { name: 'local', url: null },
      { name: 'ssh://x', url: 'ssh://x' },
      { name: 'other', url: 'context:other' },
      { name: 'context:build-1', url: 'context:build-1' },
    ]);
  });

  it('have all labels that are asked for', () => {
    expect(names({ on: ['gpu'] })).toEqual(['build-1', 'build-2']);
    expect(names({ on: ['gpu', 'fast'] })).toEqual(['build-1']);
    expect(names({ on: ['gpu'], host: ['local', 'build-2'] })).toEqual(['build-2']);
    expect(() => names({ on: ['tpu'] })).toThrow('no host has the label tpu');
    expect(() => names({ on: ['fast'], host: ['build-2'] })).toThrow('of build-2 none has the label fast');
  });

  it('are refused where a word is none', () => {
    expect(() => names({ host: ['tcp://a:b'] })).toThrow('is no host');
    expect(() => names({ host: ['build-4!'] })).toThrow(expect.objectContaining({ hint: 'did you mean build-1?' }));
    expect(() => names({ host: ['__proto__'] })).not.toThrow();
  });
});

describe('how many agents a host holds', () => {
  it.each([
    [8, 64, 4],
    [64, 12, 2],
    [2, 2, 1],
    [0, 0, 1],
  ])('%d CPUs and %d GiB: %d of 2 CPUs and 4 GiB', (cpus, gib, slots) => {
    expect(slotsOf({ cpus, memoryBytes: gib * GIB }, { cpus: 2, memoryBytes: 4 * GIB })).toBe(slots);
  });
});
