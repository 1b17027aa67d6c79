// Laying out trees and attempts: the keeper's program as a child process on a store in a temporary folder.
import { existsSync } from 'node:fs';
import { chmod, lchown, lstat, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { Readable } from 'node:stream';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ObjectId } from '../../src/types.ts';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';
import { LocalKeeper, lay, packOf, rootCommit } from '../support/keeper.ts';

const AGENT = 61_000;

let keeper: LocalKeeper;
let repository: ScratchRepository;
beforeEach(async () => {
  repository = await scratchRepository();
  keeper = await LocalKeeper.start();
});
afterEach(async () => {
  await keeper[Symbol.asyncDispose]();
  await repository.remove();
});

/** Git as the agent would run it on a layer that is not mounted. */
async function git(tree: string, ...args: string[]): Promise<string> {
  const env = { PATH: process.env.PATH ?? '', HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1' };
  const cwd = keeper.at('t', tree, 'f');
  return (await execa('git', args, { cwd, env, extendEnv: false, uid: AGENT, gid: AGENT })).stdout;
}

describe('a whole tree', () => {
  it('is laid out as raw bytes that belong to the agents, with a repository that is clean', async () => {
    await repository.write('.git/info/attributes', '* -text -eol -ident -filter -working-tree-encoding\n');
    await repository.write('.gitattributes', '* text eol=crlf ident filter=upper\n*.u working-tree-encoding=UTF-16\n');
    await repository.write('crlf.txt', 'one\r\ntwo\n$Id$\n');
    await repository.write('x.u', 'plain\n');
    await repository.write('run', '#!/bin/sh\n', 0o755);
    await repository.link('link', '/etc/passwd');
    await repository.write(Buffer.from('dir/\xff\n', 'latin1'), 'odd');
    await repository.write('back\\slash', 'b');
    await repository.commit();
    const { tree, commit } = await lay(keeper.client, repository, 'HEAD');

    const at = (...parts: string[]) => keeper.at('t', tree, 'f', ...parts);
    expect(await readFile(at('crlf.txt'), 'latin1')).toBe('one\r\ntwo\n$Id$\n');
    expect(await readFile(at('x.u'), 'latin1')).toBe('plain\n');
    expect(await readFile(Buffer.concat([Buffer.from(at('dir/')), Buffer.from('\xff\n', 'latin1')]), 'latin1')).toBe(
      'odd',
    );
    for (const [name, mode] of [
      ['crlf.txt', 0o100644],
      ['run', 0o100755],
      ['dir', 0o40755],
      ['', 0o40755],
    ] as const) {
      const found = await lstat(at(name));
      expect([found.mode, found.uid, found.gid]).toEqual([mode, AGENT, AGENT]);
    }
    expect((await lstat(at('link'))).isSymbolicLink()).toBe(true);
    expect(await git(tree, 'diff-files', '--name-only')).toBe('');
    expect(await git(tree, 'status', '--porcelain', '--ignored')).toBe('');
    expect(await git(tree, 'log', '--format=%H %T')).toBe(`${commit} ${tree}`);
    expect(await git(tree, 'symbolic-ref', 'HEAD')).toBe('refs/heads/main');
    expect(await git(tree, 'config', 'user.name')).toBe('agent');
    expect((await git(tree, 'ls-files', '--stage')).split('\n')).toHaveLength(8);
    expect(await keeper.client.trees()).toEqual([{ tree, from: null, depth: 0 }]);
    expect(await keeper.client.stackOf(tree)).toEqual([`t/${tree}/f`]);
  });

  it('works with SHA-256', async () => {
    const other = await scratchRepository({ objectFormat: 'sha256' });
    const { tree } = await lay(keeper.client, other, 'HEAD');
    expect(await git(tree, 'log', '--format=%T')).toBe(tree);
    await other.remove();
  });

  it('may be empty', async () => {
    await repository.git('rm', '-q', 'a.txt');
    await repository.commit();
    const { tree } = await lay(keeper.client, repository, 'HEAD');
    expect(await readdir(keeper.at('t', tree, 'f'))).toEqual(['.git']);
    expect(await git(tree, 'status', '--porcelain')).toBe('');
  });

  it('is left alone when it is there, and its pack is not read', async () => {
    const { tree, commit } = await lay(keeper.client, repository, 'HEAD');
    const before = await stat(keeper.at('t', tree, 'f/a.txt'));
    const pack = new Readable({
      read() {
        throw new Error('read');
      },
    });
    await keeper.client.layTree({ tree, commit, objectFormat: 'sha1', pack });
    expect(pack.destroyed).toBe(true);
    expect((await stat(keeper.at('t', tree, 'f/a.txt'))).ctimeMs).toBe(before.ctimeMs);
  });

  it('is laid out once when asked for twice at once', async () => {
    const [one, two] = await Promise.all([
      lay(keeper.client, repository, 'HEAD'),
      lay(keeper.client, repository, 'HEAD'),
    ]);
    expect(one.tree).toBe(two.tree);
    expect(await keeper.client.trees()).toHaveLength(1);
  });

  it('is not there after a broken pack, and can be laid out then', async () => {
    const tree = (await repository.id('HEAD^{tree}')) as ObjectId;
    const commit = await rootCommit(repository, tree);
    const layer = { tree, commit, objectFormat: 'sha1' } as const;
    const cut = keeper.client.layTree({ ...layer, pack: Readable.from([Buffer.from('PACK')]) });
    await expect(cut).rejects.toMatchObject({ code: 'KEEPER_PROGRAM_FAILED' });
    const failing = new Readable({
      read() {
        this.destroy(new Error('git on the host failed'));
      },
    });
    await expect(keeper.client.layTree({ ...layer, pack: failing })).rejects.toThrow('git on the host failed');
    expect(await keeper.client.trees()).toEqual([]);
    await lay(keeper.client, repository, 'HEAD');
    expect(await keeper.client.trees()).toHaveLength(1);
  });

  it('is refused when the commit has another one', async () => {
    await repository.write('a.txt', 'other\n');
    await repository.commit();
    const tree = (await repository.id('HEAD~^{tree}')) as ObjectId;
    const commit = await rootCommit(repository, await repository.id('HEAD^{tree}'));
    const laying = keeper.client.layTree({ tree, commit, objectFormat: 'sha1', pack: packOf(repository, commit) });
    await expect(laying).rejects.toMatchObject({ code: 'KEEPER_BAD_OBJECT' });
  });

  it('replaces what a crash left behind, of itself and of others', async () => {
    const tree = await repository.id('HEAD^{tree}');
    const others = 'f'.repeat(40);
    for (const unfinished of [tree, others]) {
      await mkdir(keeper.at('t', unfinished, 'f/closed'), { recursive: true });
      await writeFile(keeper.at('t', unfinished, 'f/closed/rest'), 'rest');
      await writeFile(keeper.at('t', unfinished, 'meta.json.new'), '{');
      for (const part of ['closed/rest', 'closed', ''])
        await lchown(keeper.at('t', unfinished, 'f', part), AGENT, AGENT);
    }
    expect(await keeper.client.trees()).toEqual([]);
    await lay(keeper.client, repository, 'HEAD');
    expect(await readdir(keeper.at('t'))).toEqual([tree]);
    expect((await readdir(keeper.at('t', tree, 'f'))).sort()).toEqual(['.git', 'a.txt']);
  });

  it('survives the loss of a session', async () => {
    await keeper.client.trees();
    keeper.sessions[0]?.kill('SIGKILL');
    expect(await keeper.client.trees()).toEqual([]);
    await lay(keeper.client, repository, 'HEAD');
    expect(await keeper.client.trees()).toHaveLength(1);
  });
});

describe('a difference', () => {
  it('holds nothing but what differs', async () => {
    for (const name of ['gone/a', 'gone/deep/b', 'kept/c', 'kept/d', 'swap/e', 'same/f'])
      await repository.write(name, name);
    await repository.commit();
    const { tree: from } = await lay(keeper.client, repository, 'HEAD');
    await execa(
      'sh',
      ['-c', 'rm -r gone swap kept/c a.txt; echo more >>kept/d; echo file >swap; mkdir a.txt; echo in >a.txt/in'],
      {
        cwd: repository.root,
      },
    );
    await repository.commit();
    const { tree } = await lay(keeper.client, repository, 'HEAD', from);

    const { stdout } = await execa('find', ['.', '-path', './.git', '-prune', '-o', '-printf', '%y %p\n'], {
      cwd: keeper.at('t', tree, 'f'),
    });
    expect(stdout.split('\n').sort()).toEqual(
      ['c ./gone', 'c ./kept/c', 'd .', 'd ./a.txt', 'd ./kept', 'f ./a.txt/in', 'f ./kept/d', 'f ./swap'].sort(),
    );
    const whiteouts = await Promise.all(['gone', 'kept/c'].map((name) => lstat(keeper.at('t', tree, 'f', name))));
    expect(whiteouts.map((one) => one.rdev)).toEqual([0, 0]);
    expect(whiteouts[0]?.ino).toBe(whiteouts[1]?.ino);
    expect((await readdir(keeper.at('t', tree, 'f/.git'))).sort()).toEqual(['index', 'objects', 'refs']);
    expect(await keeper.client.stackOf(tree)).toEqual([`t/${tree}/f`, `t/${from}/f`]);
  });

  it('empties a folder that becomes a submodule, and fills one that was', async () => {
    await repository.write('folder/a', 'a');
    await repository.write('folder/deep/b', 'b');
    await repository.commit();
    const { tree: from } = await lay(keeper.client, repository, 'HEAD');
    await repository.git('rm', '-rq', 'folder');
    await repository.git('update-index', '--add', '--cacheinfo', `160000,${'12'.repeat(20)},folder`);
    await repository.git('commit', '-qm', 'submodule');
    const { tree } = await lay(keeper.client, repository, 'HEAD', from);
    const inside = await readdir(keeper.at('t', tree, 'f/folder'), { withFileTypes: true });
    expect(inside.map((one) => [one.name, one.isCharacterDevice()]).sort()).toEqual([
      ['a', true],
      ['deep', true],
    ]);

    await repository.git('update-index', '--cacheinfo', `160000,${'34'.repeat(20)},folder`);
    await repository.git('commit', '-qm', 'moved');
    const { tree: moved } = await lay(keeper.client, repository, 'HEAD', tree);
    expect(await readdir(keeper.at('t', moved, 'f'))).toEqual(['.git']);
    await repository.git('rm', '-q', '--cached', 'folder');
    await repository.write('folder/back', 'back');
    await repository.commit();
    const { tree: back } = await lay(keeper.client, repository, 'HEAD', moved);
    expect(await readdir(keeper.at('t', back, 'f/folder'))).toEqual(['back']);
    expect((await keeper.client.trees()).map((one) => one.depth).sort()).toEqual([0, 1, 2, 3]);
  });

  it('needs the layer that it stands on, as long as it stands', async () => {
    const nowhere = '1'.repeat(40) as ObjectId;
    await expect(lay(keeper.client, repository, 'HEAD', nowhere)).rejects.toMatchObject({ code: 'KEEPER_NO_LAYER' });
    const { tree: from } = await lay(keeper.client, repository, 'HEAD');
    await repository.write('b', 'b');
    await repository.commit();
    const { tree } = await lay(keeper.client, repository, 'HEAD', from);
    await expect(keeper.client.removeTree(from)).rejects.toMatchObject({
      code: 'KEEPER_LAYER_IN_USE',
      kind: 'failure',
    });
    await keeper.client.removeTree(tree);
    await keeper.client.removeTree(from);
    await keeper.client.removeTree(from);
    expect(await readdir(keeper.at('t'))).toEqual([]);
    await expect(keeper.client.stackOf(tree)).rejects.toMatchObject({ code: 'KEEPER_NO_LAYER' });
  });
});

describe('an attempt', () => {
  const file = (path: string, content = 'x', mode = 0o600) => ({ path, content: Buffer.from(content), mode });

  it('gets folders of its own, and its files in a home that belongs to the agents', async () => {
    const big = 'b'.repeat(3_000_000);
    const folders = await keeper.client.prepareAttempt({
      id: 'add-login.1',
      homeFiles: [file('.config/tool/settings.json', '{}'), file('run', big, 0o4755), file('empty', '')],
    });
    expect(folders).toEqual({
      upper: 'a/add-login.1/u',
      work: 'a/add-login.1/w',
      homeUpper: 'a/add-login.1/h',
      homeWork: 'a/add-login.1/hw',
    });
    const facts = async (path: string) => {
      const { mode, uid } = await lstat(keeper.at('a/add-login.1', path));
      return [mode & 0o7777, uid];
    };
    expect(await facts('u')).toEqual([0o755, AGENT]);
    expect(await facts('h')).toEqual([0o755, AGENT]);
    expect(await facts('w')).toEqual([0o700, 0]);
    expect(await facts('h/.config/tool')).toEqual([0o755, AGENT]);
    expect(await facts('h/.config/tool/settings.json')).toEqual([0o600, AGENT]);
    expect(await facts('h/run')).toEqual([0o755, AGENT]);
    expect(await readFile(keeper.at('a/add-login.1/h/run'), 'utf8')).toBe(big);
    expect(await keeper.client.attempts()).toEqual(['add-login.1']);
  });

  it('is prepared again while nobody worked in it, never after', async () => {
    await keeper.client.prepareAttempt({ id: 'a.1', homeFiles: [file('one')] });
    await keeper.client.prepareAttempt({ id: 'a.1', homeFiles: [file('two')] });
    expect(await readdir(keeper.at('a/a.1/h'))).toEqual(['two']);
    await writeFile(keeper.at('a/a.1/u/work'), 'work');
    const again = keeper.client.prepareAttempt({ id: 'a.1', homeFiles: [] });
    await expect(again).rejects.toMatchObject({ code: 'KEEPER_ATTEMPT_EXISTS' });
    expect(existsSync(keeper.at('a/a.1/u/work'))).toBe(true);
  });

  it.each(['../out', '/etc/out', 'a/../../out', 'a//b', '', '.', 'a\0b'])('has no home file %j', async (path) => {
    const preparing = keeper.client.prepareAttempt({ id: 'a.1', homeFiles: [file(path)] });
    await expect(preparing).rejects.toMatchObject({ code: 'KEEPER_BAD_CALL' });
  });

  it.each(['../t', '', 'A.1', 'a/b', '.', `a${'b'.repeat(80)}`])('is not called %j', async (id) => {
    await expect(keeper.client.prepareAttempt({ id, homeFiles: [] })).rejects.toMatchObject({
      code: 'KEEPER_BAD_CALL',
    });
    await expect(keeper.client.removeAttempt(id)).rejects.toMatchObject({ code: 'KEEPER_BAD_CALL' });
  });

  it('is removed whatever is in it, and nothing outside', async () => {
    await keeper.client.prepareAttempt({ id: 'a.1', homeFiles: [] });
    const upper = keeper.at('a/a.1/u');
    await writeFile(keeper.at('outside'), 'outside');
    await mkdir(keeper.at('folder'));
    await writeFile(keeper.at('folder/in'), 'in', { mode: 0o640 });
    await mkdir(`${upper}/closed/deep`, { recursive: true });
    await writeFile(`${upper}/closed/deep/file`, 'x');
    await symlink(keeper.at('outside'), `${upper}/link`);
    await symlink(keeper.at('folder'), `${upper}/closed/link`);
    await execa('chown', ['-hR', `${AGENT}:${AGENT}`, upper]);
    for (const folder of ['closed/deep', 'closed']) await chmod(`${upper}/${folder}`, 0);
    await keeper.client.removeAttempt('a.1');
    await keeper.client.removeAttempt('a.1');
    expect(await keeper.client.attempts()).toEqual([]);
    const { mode, uid } = await stat(keeper.at('folder/in'));
    expect([mode & 0o777, uid]).toEqual([0o640, 0]);
    expect(existsSync(keeper.at('outside'))).toBe(true);
  });

  it('that is not there cannot be collected', async () => {
    const { tree } = await lay(keeper.client, repository, 'HEAD');
    const request = { attempt: 'a.1', tree, objectFormat: 'sha1', maxEntries: 1, maxBytes: 1 } as const;
    await expect(keeper.client.collect(request)).rejects.toMatchObject({ code: 'KEEPER_NO_ATTEMPT' });
  });
});

describe('the store', () => {
  it('tells what room it has, and what memory its host has', async () => {
    const { memory, ...usage } = await keeper.client.usage();
    for (const figure of Object.values(usage)) expect(figure).toBeGreaterThan(0);
    expect(memory?.free).toBeGreaterThan(0);
    expect(memory?.total).toBe(totalmem());
  });

  it('collects a change over the wire, piece by piece', async () => {
    const { tree } = await lay(keeper.client, repository, 'HEAD');
    await keeper.client.prepareAttempt({ id: 'a.1', homeFiles: [] });
    const big = Buffer.alloc(3_000_000, 'big');
    await writeFile(keeper.at('a/a.1/u/big'), big);
    await writeFile(keeper.at('a/a.1/u/small'), 'small');
    await symlink('target', keeper.at('a/a.1/u/link'));
    await execa('mknod', [keeper.at('a/a.1/u/a.txt'), 'c', '0', '0']);
    await execa('mkfifo', [keeper.at('a/a.1/u/pipe')]);
    const request = { attempt: 'a.1', tree, objectFormat: 'sha1', maxEntries: 100, maxBytes: 1e9 } as const;
    const collection = await keeper.client.collect(request);
    expect(collection.flags).toEqual([{ code: 'special-file', path: 'pipe', detail: 'a named pipe: left out' }]);
    expect([collection.count, collection.bytes, collection.ignored]).toEqual([4, big.length + 5 + 6, 0]);
    const seen: string[] = [];
    for await (const change of collection.changes) {
      seen.push(`${change.kind} ${change.path}`);
      if (change.kind !== 'file') continue;
      // Of the big one only the beginning is wanted; the next change comes all the same.
      for await (const chunk of change.content) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
    }
    expect(seen).toEqual(['delete a.txt', 'file big', 'symlink link', 'file small']);
    await repository.git('rm', '-q', '--cached', 'a.txt');
    for (const name of ['big', 'small']) await repository.write(name, await readFile(keeper.at('a/a.1/u', name)));
    await repository.link('link', 'target');
    await repository.git('add', 'big', 'small', 'link');
    expect(await collection.tree).toBe(await repository.git('write-tree'));
  });

  it('does not vouch for a tree whose changes were not all read, or changed while they were', async () => {
    const { tree } = await lay(keeper.client, repository, 'HEAD');
    await keeper.client.prepareAttempt({ id: 'a.1', homeFiles: [] });
    for (const name of ['one', 'two']) await writeFile(keeper.at('a/a.1/u', name), Buffer.alloc(1_000_000));
    const request = { attempt: 'a.1', tree, objectFormat: 'sha1', maxEntries: 100, maxBytes: 1e9 } as const;
    const left = await keeper.client.collect(request);
    for await (const _ of left.changes) break;
    await expect(left.tree).rejects.toMatchObject({ code: 'KEEPER_CANCELLED' });

    const torn = await keeper.client.collect(request);
    await utimes(keeper.at('a/a.1/u/two'), 1, 1);
    await expect(async () => {
      for await (const _ of torn.changes);
    }).rejects.toMatchObject({ code: 'KEEPER_CHANGED_WHILE_READ' });
    await expect(torn.tree).rejects.toMatchObject({ code: 'KEEPER_CHANGED_WHILE_READ' });
    expect((await keeper.client.collect(request)).count).toBe(2);
  });
});
