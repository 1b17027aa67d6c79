import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { dirtyPaths, resolveBase } from '../../src/git/base.ts';
import { findRepository } from '../../src/git/repository.ts';
import { type ScratchOptions, type ScratchRepository, scratchRepository } from '../support/git.ts';

const made: ScratchRepository[] = [];
async function scratch(options?: ScratchOptions): Promise<ScratchRepository> {
  const repository = await scratchRepository(options);
  made.push(repository);
  return repository;
}
afterEach(async () => {
  for (const repository of made.splice(0)) await repository.remove();
});

describe('resolveBase', () => {
  it('is HEAD, and says which local changes are left out', async () => {
    const work = await scratch();
    await work.write('.gitignore', 'secret\n');
    await work.commit();
    await work.write('a.txt', 'changed');
    await work.write('new folder/x', '');
    await work.write('secret', '');
    const repo = await findRepository(work.root, work.env);
    const base = await resolveBase(repo, { includeDirty: false });
    expect(base).toEqual({
      commit: await work.id('HEAD'),
      tree: await work.id('HEAD^{tree}'),
      warnings: [],
      leftOut: ['a.txt', 'new folder/'],
    });
  });

  it('takes branches, tags and shortened ids, and refuses what is no commit', async () => {
    const work = await scratch();
    const first = await work.id('HEAD');
    await work.git('tag', '-a', '-m', 'x', 'v1');
    await work.commit('second');
    const repo = await findRepository(work.root, work.env);
    for (const ref of ['v1', first, first.slice(0, 10), 'HEAD~1', 'main^']) {
      expect((await resolveBase(repo, { ref, includeDirty: false })).commit).toBe(first);
    }
    for (const ref of ['nope', '', '--all', '-h', 'HEAD^{tree}', 'HEAD\ninfo HEAD', 'main:a.txt']) {
      const resolving = resolveBase(repo, { ref, includeDirty: false });
      await expect(resolving, ref).rejects.toMatchObject({ kind: 'usage', code: 'UNKNOWN_REF' });
    }
  });

  it('ignores replaced objects', async () => {
    const work = await scratch();
    const first = await work.id('HEAD');
    await work.write('a.txt', 'evil');
    const second = await work.commit();
    const tree = await work.id(`${first}^{tree}`);
    await work.git('replace', first, second);
    const repo = await findRepository(work.root, work.env);
    expect((await resolveBase(repo, { ref: first, includeDirty: false })).tree).toBe(tree);
  });

  it('warns of submodules and filters', async () => {
    const work = await scratch();
    await work.write('.gitmodules', '');
    await work.write('.gitattributes', '# filter=no\n*.bin filter=lfs diff=lfs -text\n');
    await work.commit();
    const { warnings } = await resolveBase(await findRepository(work.root, work.env), { includeDirty: false });
    expect(warnings).toHaveLength(2);
    expect(warnings[1]).toContain('lfs');
    expect(warnings[1]).not.toContain('no');
  });

  it('includes tracked, staged, deleted and untracked changes without touching index, refs or hooks', async () => {
    const work = await scratch();
    await work.write('.gitignore', 'secret\n');
    await work.write('gone', '');
    await work.write('run', '', 0o644);
    const head = await work.commit();
    await work.write('a.txt', 'changed');
    await work.write('staged', 'one');
    await work.git('add', 'staged');
    await work.write('staged', 'two');
    await work.write('sub/new', 'x');
    await work.write('secret', 'no');
    await work.write('run', '', 0o755);
    await work.git('rm', '-q', '--cached', 'gone');
    await work.git('update-index', '--refresh').catch(() => '');
    await work.arm();
    const index = join(work.root, '.git', 'index');
    const before = [await readFile(index), (await stat(index)).mtimeMs, await work.git('for-each-ref')];
    const base = await resolveBase(await findRepository(work.root, work.env), { includeDirty: true });
    expect([await readFile(index), (await stat(index)).mtimeMs, await work.git('for-each-ref')]).toEqual(before);
    expect(await work.git('log', '-1', '--format=%P %T', base.commit)).toBe(`${head} ${base.tree}`);
    expect(await work.git('ls-tree', '-r', '--name-only', base.tree)).toBe(
      ['.gitignore', 'a.txt', 'gone', 'run', 'staged', 'sub/new'].join('\n'),
    );
    expect(await work.git('show', `${base.tree}:staged`)).toBe('two');
    expect(await work.git('ls-tree', base.tree, 'run')).toMatch(/^100755/);
    expect(base.leftOut).toEqual([]);
    expect(await work.markers()).toEqual([]);
  });

  it('sees a change that was made in the same instant as the index was written', async () => {
    const work = await scratch();
    for (let n = 0; n < 5; n += 1) {
      await work.write('a.txt', `aaa${n}`);
      await work.git('add', 'a.txt');
      await work.write('a.txt', `bbb${n}`);
      const base = await resolveBase(await findRepository(work.root, work.env), { includeDirty: true });
      expect(await work.git('show', `${base.tree}:a.txt`)).toBe(`bbb${n}`);
    }
  });

  it('is HEAD itself when nothing is dirty, and refuses local changes on another commit', async () => {
    const work = await scratch();
    await work.commit('second');
    const repo = await findRepository(work.root, work.env);
    expect((await resolveBase(repo, { includeDirty: true })).commit).toBe(await work.id('HEAD'));
    expect((await resolveBase(repo, { ref: 'main', includeDirty: true })).commit).toBe(await work.id('HEAD'));
    const resolving = resolveBase(repo, { ref: 'HEAD~1', includeDirty: true });
    await expect(resolving).rejects.toMatchObject({ kind: 'usage', code: 'DIRTY_WITHOUT_HEAD' });
  });

  it('names repositories inside the work tree, with and without commits', async () => {
    const work = await scratch();
    await work.git('init', '-q', 'inner');
    await work.write('inner/x', '');
    const repo = await findRepository(work.root, work.env);
    const resolving = resolveBase(repo, { includeDirty: true });
    await expect(resolving).rejects.toMatchObject({ kind: 'failure', code: 'DIRTY_UNREADABLE' });
    await work.git('-C', 'inner', 'add', '-A');
    await work.git('-C', 'inner', 'commit', '-q', '-m', 'x');
    expect((await resolveBase(repo, { includeDirty: true })).warnings).toEqual([
      'Repositories inside the work tree are left out: inner.',
    ]);
  });

  it('works in a linked work tree, a split index and a sparse checkout', async () => {
    const work = await scratch();
    await work.write('in/x', '1');
    await work.write('out/y', '1');
    await work.commit();
    const linked = join(work.folder, 'linked');
    await work.git('worktree', 'add', '-q', linked);
    await work.git('-C', linked, 'sparse-checkout', 'set', 'in');
    await work.git('-C', linked, 'update-index', '--split-index');
    await work.git('-C', linked, 'config', 'core.splitIndex', 'true');
    await work.write('../linked/in/x', '2');
    const base = await resolveBase(await findRepository(linked, work.env), { includeDirty: true });
    expect(await work.git('ls-tree', '-r', '--name-only', base.tree)).toBe('a.txt\nin/x\nout/y');
    expect(await work.git('show', `${base.tree}:in/x`)).toBe('2');
  });
});

describe('dirtyPaths', () => {
  it('prints names of any bytes', async () => {
    const work = await scratch();
    await work.write(Buffer.from('new\nline\xff', 'latin1'), '');
    await work.write('日本', '');
    expect(await dirtyPaths(await findRepository(work.root, work.env))).toEqual(['new\\x0Aline\\xFF', '日本']);
  });
});
