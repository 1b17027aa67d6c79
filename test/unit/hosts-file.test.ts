import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { editSettingsFile, withHost, withoutHost } from '../../src/config/hosts-file.ts';

const BUILD = { url: 'ssh://ops@build-1', slots: 4, labels: ['gpu'], upstream: 'direct' } as const;
const WRITTEN = `# My settings
max-agents: 8 # a big machine

checks:
  # slow
  - npm test
hosts:
  # the old one
  old: { url: "tcp://old:2376", tls: /certs } # in the cellar
network: model
`;

describe('a settings file with one more host', () => {
  it.each([
    ['', { hosts: { 'build-1': BUILD } }],
    ['# nothing yet\n', { hosts: { 'build-1': BUILD } }],
    ['max-agents: 3\n', { 'max-agents': 3, hosts: { 'build-1': BUILD } }],
    ['hosts:\nmax-agents: 3', { hosts: { 'build-1': BUILD }, 'max-agents': 3 }],
    ['---\n', { hosts: { 'build-1': BUILD } }],
    ['hosts: {}', { hosts: { 'build-1': BUILD } }],
  ])('%j', (text, settings) => {
    const written = withHost(text, 'build-1', BUILD);
    expect(parse(written)).toEqual(settings);
    if (text.includes('#')) expect(written.startsWith(text)).toBe(true);
  });

  it('keeps every comment and the order', () => {
    const written = withHost(WRITTEN, 'build-1', BUILD);
    const added = '  build-1:\n    url: ssh://ops@build-1\n    slots: 4\n    labels:\n      - gpu\n    upstream: direct\n';
    expect(written).toBe(WRITTEN.replace('network:', `${added}network:`));
    expect(withoutHost(written, 'build-1')).toBe(WRITTEN);
  });

  it('has no other of that name', () => {
    expect(() => withHost(WRITTEN, 'old', BUILD)).toThrow(expect.objectContaining({ code: 'HOST_EXISTS' }));
  });
});

describe('a settings file without a host', () => {
  it('is as if it had never been there', () => {
    expect(withoutHost(withHost('', 'build-1', BUILD), 'build-1')).toBe('');
    expect(withoutHost(withHost('# mine\ncpus: 2\n', 'build-1', BUILD), 'build-1')).toBe('# mine\ncpus: 2\n');
    expect(withoutHost(WRITTEN, 'other')).toBeNull();
  });
});

describe('a settings file that is changed', () => {
  let folder: string;
  let file: string;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'hosts-file-'));
    file = path.join(folder, 'orchestrate', 'config.yaml');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('is made for its owner alone, and keeps its mode later', async () => {
    await editSettingsFile(file, () => 'cpus: 2\n');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(path.dirname(file))).mode & 0o777).toBe(0o700);
    await chmod(file, 0o640);
    await editSettingsFile(file, (text) => `${text}pids: 64\n`);
    expect((await stat(file)).mode & 0o777).toBe(0o640);
    expect(await readFile(file, 'utf8')).toBe('cpus: 2\npids: 64\n');
    expect(await readdir(path.dirname(file))).toEqual(['config.yaml']);
  });

  it('stays the link that it is', async () => {
    const target = path.join(folder, 'dotfiles.yaml');
    await writeFile(target, 'cpus: 2\n');
    const link = path.join(folder, 'config.yaml');
    await symlink(target, link);
    expect(await editSettingsFile(link, (text) => withHost(text, 'build-1', BUILD))).toBe(true);
    expect(await readFile(target, 'utf8')).toContain('build-1:');
  });

  it('is left alone where something is wrong with it, or would be', async () => {
    const link = path.join(folder, 'config.yaml');
    await writeFile(link, 'cpu: 2\n');
    await expect(editSettingsFile(link, () => 'cpus: 2\n')).rejects.toThrow(/config.yaml:1: unknown setting cpu/);
    await writeFile(link, 'cpus: 2\n');
    await expect(editSettingsFile(link, () => 'cpus: two\n')).rejects.toMatchObject({ code: 'BAD_SETTINGS' });
    expect(await editSettingsFile(link, () => null)).toBe(false);
    expect(await readFile(link, 'utf8')).toBe('cpus: 2\n');
  });
});
