import { lstat, mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isAncestor } from '../../src/git/ancestry.ts';
import { checkoutTree } from '../../src/git/checkout-tree.ts';
import { git } from '../../src/git/git.ts';
import { findRepository, type Repository, userGit } from '../../src/git/repository.ts';
import type { ObjectId } from '../../src/types.ts';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';

let work: ScratchRepository;
let repo: Repository;
let folder: string;

beforeEach(async () => {
  work = await scratchRepository();
  repo = await findRepository(work.root, work.env);
  folder = join(work.folder, 'out', 'deep');
});
afterEach(() => work.remove());

async function treeOfHead(): Promise<ObjectId> {
  return (await work.id('HEAD^{tree}')) as ObjectId;
}

/** A tree as an attacker writes it: nothing that git's own commands would refuse is checked. */
async function rawTree(...entries: readonly (readonly [mode: string, name: string, id: string])[]): Promise<ObjectId> {
  const input = Buffer.concat(
    entries.flatMap(([mode, name, id]) => [Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')]),
  );
  const args = ['hash-object', '-t', 'tree', '-w', '--literally', '--stdin'];
  return (await git(userGit(repo, 'write'), args, { input })).stdout.toString('latin1').trim() as ObjectId;
}

describe('a tree in a folder of its own', () => {
  it('is there byte for byte, whatever attributes and settings say', async () => {
    await work.git('config', 'core.autocrlf', 'true');
    await work.write('.gitattributes', '* text eol=crlf ident filter=evil\nwide.txt working-tree-encoding=UTF-16\n');
    await work.commit('attributes');
    const blob = async (content: string) => {
      const args = ['hash-object', '-w', '--stdin', '--no-filters'];
      return (await git(userGit(repo, 'write'), args, { input: content })).stdout.toString('latin1').trim();
    };
    await work.arm();
    const id = await blob('one\n$Id$\n');
    const input = [
      `100644 blob ${await work.id('HEAD:.gitattributes')}\t.gitattributes`,
      `100755 blob ${id}\ttool`,
      `100644 blob ${id}\twide.txt`,
      `100644 blob ${await blob('crlf\r\n')}\tline\\nbreak \\303\\244\\377`.replace(/\t(.*)$/, '\t"$1"'),
      `120000 blob ${await blob('../../elsewhere')}\tlink`,
      `160000 commit ${await work.id('HEAD')}\tmodule`,
    ].join('\n');
    const made = await git(userGit(repo, 'write'), ['mktree'], { input });
    await checkoutTree(repo, made.stdout.toString('latin1').trim() as ObjectId, folder);
    expect(await readFile(join(folder, 'tool'), 'utf8')).toBe('one\n$Id$\n');
    expect(await readFile(join(folder, 'wide.txt'), 'utf8')).toBe('one\n$Id$\n');
    const odd = Buffer.concat([Buffer.from(`${folder}/line\nbreak ä`), Buffer.from([0xff])]);
    expect(await readFile(odd, 'utf8')).toBe('crlf\r\n');
    expect((await stat(join(folder, 'tool'))).mode & 0o100).toBe(0o100);
    expect(await readlink(join(folder, 'link'))).toBe('../../elsewhere');
    expect(await readdir(join(folder, 'module'))).toEqual([]);
    expect(await readdir(folder)).toHaveLength(6);
    expect(await work.markers()).toEqual([]);
    expect((await readdir(repo.stateDir)).filter((name) => name.startsWith('checkout.'))).toEqual([]);
  });

  it('may go into an empty folder, and into no other', async () => {
    await mkdir(folder, { recursive: true });
    await checkoutTree(repo, await treeOfHead(), folder);
    expect(await readdir(folder)).toEqual(['a.txt']);
    await writeFile(join(folder, 'a.txt'), 'mine');
    const refused = { kind: 'usage', code: 'FOLDER_NOT_EMPTY' };
    await expect(checkoutTree(repo, await treeOfHead(), folder)).rejects.toMatchObject(refused);
    await expect(checkoutTree(repo, await treeOfHead(), join(folder, 'a.txt'))).rejects.toMatchObject(refused);
    expect(await readFile(join(folder, 'a.txt'), 'utf8')).toBe('mine');
  });

  it.each([
    ['..', '40000'],
    ['../escaped', '100644'],
    ['.git', '40000'],
    ['.GIT', '40000'],
    ['git~1', '40000'],
    ['/tmp/escaped', '100644'],
  ])('is refused as a whole with the name %s', async (name, mode) => {
    const inner = await treeOfHead();
    const blob = await work.id('HEAD:a.txt');
    const tree = await rawTree(['100644', '!first', blob], [mode, name, mode === '40000' ? inner : blob]);
    await expect(checkoutTree(repo, tree, folder)).rejects.toMatchObject({ code: 'GIT_FAILED' });
    expect(await readdir(work.folder)).not.toContain('out');
    expect(await readdir(work.folder)).not.toContain('escaped');
  });

  it('is never written through a symbolic link of its own', async () => {
    const outside = join(work.folder, 'outside');
    await mkdir(outside);
    const target = await git(userGit(repo, 'write'), ['hash-object', '-w', '--stdin'], { input: outside });
    const link = target.stdout.toString('latin1').trim();
    const tree = await rawTree(['120000', 'a', link], ['40000', 'a', await treeOfHead()]);
    await checkoutTree(repo, tree, folder).catch(() => undefined);
    expect(await readdir(outside)).toEqual([]);
  });

  it('leaves an empty folder empty when objects are missing', async () => {
    await mkdir(folder, { recursive: true });
    const tree = await rawTree(['100644', 'a', await work.id('HEAD:a.txt')], ['100644', 'b', 'b'.repeat(40)]);
    await expect(checkoutTree(repo, tree, folder)).rejects.toThrow();
    expect(await readdir(folder)).toEqual([]);
  });

  it('is written into what a symbolic link of the user names', async () => {
    const real = join(work.folder, 'real');
    await mkdir(real);
    await symlink(real, join(work.folder, 'alias'));
    await checkoutTree(repo, await treeOfHead(), join(work.folder, 'alias'));
    expect((await lstat(join(real, 'a.txt'))).isFile()).toBe(true);
  });
});

describe('an ancestor', () => {
  it('is a commit itself and what came before it, not what came after or beside it', async () => {
    const first = (await work.id('HEAD')) as ObjectId;
    const second = (await work.commit('second')) as ObjectId;
    await work.git('reset', '--hard', '-q', first);
    const beside = (await work.commit('beside')) as ObjectId;
    expect(await isAncestor(repo, first, second)).toBe(true);
    expect(await isAncestor(repo, second, second)).toBe(true);
    expect(await isAncestor(repo, second, first)).toBe(false);
    expect(await isAncestor(repo, second, beside)).toBe(false);
    expect(await isAncestor(repo, beside, 'HEAD')).toBe(true);
  });

  it('is nothing that is not there, and nothing has a branch that is not there', async () => {
    const here = (await work.id('HEAD')) as ObjectId;
    expect(await isAncestor(repo, 'b'.repeat(40) as ObjectId, 'HEAD')).toBe(false);
    expect(await isAncestor(repo, here, 'refs/heads/none')).toBe(false);
  });

  it('is found in a shallow clone', async () => {
    await work.commit('second');
    const clone = join(work.folder, 'clone');
    await work.git('clone', '-q', '--depth', '1', `file://${work.root}`, clone);
    const shallow = await findRepository(clone, work.env);
    expect(await isAncestor(shallow, (await work.id('HEAD')) as ObjectId, 'HEAD')).toBe(true);
    expect(await isAncestor(shallow, (await work.id('HEAD^')) as ObjectId, 'HEAD')).toBe(false);
  });
});
