// Where roles are read from: the product's own, the user's folder, the base's tree and never the work tree.

import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findRepository } from '../../src/git/repository.ts';
import type { Roles } from '../../src/roles/catalogue.ts';
import { loadRoles } from '../../src/roles/load.ts';
import { LARGEST_ROLE } from '../../src/roles/parse.ts';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';

const FOLDER = '.claude/agents';

function file(name: string, prompt = 'Do it.', ...more: readonly string[]): string {
  return ['---', `name: ${name}`, `description: For ${name}.`, ...more, '---', prompt, ''].join('\n');
}

function own(roles: Roles): readonly string[] {
  return [...roles.byName.values()]
    .filter(({ source }) => source !== 'built-in')
    .map(({ name }) => name)
    .sort();
}

function warningsOf({ warnings }: Roles): string {
  return warnings.map(({ message }) => message).join('\n');
}

describe('the roles of a repository', () => {
  let work: ScratchRepository;
  beforeEach(async () => {
    work = await scratchRepository();
  });
  afterEach(() => work.remove());

  async function load(revision = 'HEAD'): Promise<Roles> {
    return loadRoles({ home: null, repository: await findRepository(work.root, work.env), revision });
  }

  it('are those of the commit, in sub-folders too, whatever the work tree and later commits say', async () => {
    await work.write(`${FOLDER}/a.md`, file('a', 'As committed.'));
    await work.write(`${FOLDER}/deep/er/b.md`, file('b'));
    await work.write(`${FOLDER}/notes.txt`, file('not-this'));
    await work.write('.claude/other.md', file('nor-this'));
    await work.commit();
    const base = await work.id('HEAD');
    await work.write(`${FOLDER}/a.md`, file('a', 'As changed.'));
    await work.write(`${FOLDER}/c.md`, file('c'));
    expect(own(await load())).toEqual(['a', 'b']);
    await work.commit();
    const roles = await load(base);
    expect(own(roles)).toEqual(['a', 'b']);
    expect(roles.byName.get('a')).toMatchObject({ prompt: 'As committed.', file: `${FOLDER}/a.md` });
    expect(own(await load())).toEqual(['a', 'b', 'c']);
  });

  it('are none where there is no such folder or revision', async () => {
    expect(own(await load())).toEqual([]);
    expect(own(await load('no-such-branch'))).toEqual([]);
    expect(own(await load('--help'))).toEqual([]);
  });

  it('are neither links nor submodules, and a folder of another name is none', async () => {
    await work.write('secret.md', file('linked'));
    await mkdir(path.join(work.root, FOLDER), { recursive: true });
    await symlink('../../secret.md', path.join(work.root, FOLDER, 'linked.md'));
    await work.write(`${FOLDER}s/near.md`, file('near'));
    await work.git('add', '--all');
    const commit = await work.id('HEAD');
    await work.git('update-index', '--add', '--cacheinfo', `160000,${commit},${FOLDER}/module.md`);
    await work.git('commit', '--quiet', '--message', 'links');
    const roles = await load();
    expect(own(roles)).toEqual([]);
    // They are not even looked at.
    expect(warningsOf(roles)).toBe('');
  });

  it('are left out where they are too large, too many or too deep, which is told', async () => {
    await work.write(`${FOLDER}/large.md`, file('large', 'x'.repeat(LARGEST_ROLE)));
    await work.write(`${FOLDER}/${'d/'.repeat(9)}deep.md`, file('deep'));
    await work.write(`${FOLDER}/${'d/'.repeat(8)}near.md`, file('near'));
    await work.commit();
    const few = await load();
    expect(own(few)).toEqual(['near']);
    expect(warningsOf(few)).toMatch(/large\.md: is larger than 64 KiB.*; it is left out/);
    expect(warningsOf(few)).toContain('folders at most 8 deep');
    for (let at = 0; at < 201; at += 1) await work.write(`${FOLDER}/many-${at}.md`, file(`many-${at}`));
    await work.commit();
    const many = await load();
    expect(own(many).length).toBeLessThanOrEqual(200);
    expect(warningsOf(many)).toContain('only the first 200 files');
  });

  it('cannot widen a built-in one', async () => {
    await work.write(`${FOLDER}/s.md`, file('specifications-engineer', 'Run it.', 'tools: Bash, Read'));
    await work.commit();
    const roles = await load();
    expect(roles.byName.get('specifications-engineer')).toMatchObject({ tools: ['Read'], prompt: 'Run it.' });
    expect(warningsOf(roles)).toContain('cannot widen the role specifications-engineer, which asks for Bash');
  });
});

describe('the roles of a user', () => {
  let home: string;
  beforeEach(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'role-home-'));
  });
  afterEach(() => rm(home, { recursive: true, force: true }));

  async function lay(name: string, content: string): Promise<void> {
    const at = path.join(home, name);
    await mkdir(path.dirname(at), { recursive: true });
    await writeFile(at, content);
  }

  const load = (): Promise<Roles> => loadRoles({ home, repository: null, revision: 'HEAD' });

  it('are in ~/.claude/agents, below it, and where links there lead, in circles too', async () => {
    await lay(`${FOLDER}/a.md`, file('a'));
    await lay('dotfiles/b.md', file('b'));
    await symlink(path.join(home, 'dotfiles'), path.join(home, FOLDER, 'mine'));
    await symlink('..', path.join(home, 'dotfiles/up'));
    await symlink(path.join(home, FOLDER), path.join(home, 'dotfiles/round'));
    const roles = await load();
    expect(own(roles)).toEqual(['a', 'b']);
    expect(warningsOf(roles)).toBe('');
  });

  it('are none where there is no such folder', async () => {
    expect(own(await load())).toEqual([]);
  });

  it('may be broken in any way without taking others along', async () => {
    await lay(`${FOLDER}/a.md`, file('a'));
    await lay(`${FOLDER}/test-engineer.md`, '---\nname: test-engineer\ntools: [\n---\nx\n');
    await lay(`${FOLDER}/huge.md`, 'x'.repeat(LARGEST_ROLE * 20));
    await mkdir(path.join(home, FOLDER, 'folder.md'));
    await symlink('/nowhere', path.join(home, FOLDER, 'dead.md'));
    await symlink('/dev/zero', path.join(home, FOLDER, 'endless.md'));
    const roles = await load();
    expect(own(roles)).toEqual(['a']);
    expect(roles.byName.get('test-engineer')?.source).toBe('built-in');
    expect(warningsOf(roles)).toMatch(/test-engineer\.md:\d+: .*; the role test-engineer stays as it is \(built-in\)/);
    expect(warningsOf(roles)).toContain('huge.md:1: is larger than 64 KiB');
    expect(roles.refused.get('huge')).toContain('is larger than 64 KiB');
  });
});
