import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { commitTree, rootCommit, userIdentity } from '../../src/git/commits.ts';
import { createRef, deleteRefs, listRefs, moveRef, resultRef } from '../../src/git/refs.ts';
import { findRepository } from '../../src/git/repository.ts';
import type { AttemptId, ObjectId } from '../../src/types.ts';
import { type ScratchOptions, type ScratchRepository, scratchRepository } from '../support/git.ts';

const run = promisify(execFile);
const made: ScratchRepository[] = [];
async function scratch(options?: ScratchOptions): Promise<ScratchRepository> {
  const repository = await scratchRepository(options);
  made.push(repository);
  return repository;
}
afterEach(async () => {
  for (const repository of made.splice(0)) await repository.remove();
});

describe('findRepository', () => {
  it('finds the top from a sub-folder whose path has spaces, newlines and other alphabets', async () => {
    const work = await scratch({ name: 'a b\n日本\n' });
    await work.write('deep er/ü\n/x', '');
    const found = await findRepository(join(work.root, 'deep er', 'ü\n'), work.env);
    expect(found).toMatchObject({ root: work.root, gitDir: join(work.root, '.git'), objectFormat: 'sha1' });
    expect(found.objectsDir).toBe(join(work.root, '.git', 'objects'));
    expect(found.stateDir).toBe(join(work.root, '.git', 'orchestrate'));
    // The private git directory names these paths to git in two more ways.
    const tree = (await work.id('HEAD^{tree}')) as ObjectId;
    expect(await work.git('cat-file', '-t', await rootCommit(found, tree))).toBe('commit');
  });

  it('shares the state between linked work trees', async () => {
    const work = await scratch();
    const linked = join(work.folder, 'linked');
    await work.git('worktree', 'add', '-q', linked);
    const found = await findRepository(linked, work.env);
    expect(found).toMatchObject({ root: linked, gitDir: join(work.root, '.git', 'worktrees', 'linked') });
    expect(found.commonDir).toBe(join(work.root, '.git'));
    expect(found.stateDir).toBe(join(work.root, '.git', 'orchestrate'));
  });

  it('works in a shallow clone, on a detached HEAD and with sha256', async () => {
    const work = await scratch({ objectFormat: 'sha256' });
    await work.commit('second');
    const clone = join(work.folder, 'clone');
    await work.git('clone', '-q', '--depth=1', `file://${work.root}`, clone);
    await work.git('-C', clone, 'checkout', '-q', '--detach');
    expect(await findRepository(clone, work.env)).toMatchObject({ root: clone, objectFormat: 'sha256' });
  });

  it('is not led elsewhere by the variables that git sets for hooks', async () => {
    const work = await scratch();
    const other = await scratch();
    const env = {
      ...work.env,
      GIT_DIR: join(other.root, '.git'),
      GIT_WORK_TREE: other.root,
      GIT_INDEX_FILE: '/nowhere/index',
      GIT_OBJECT_DIRECTORY: join(other.root, '.git', 'objects'),
    };
    const found = await findRepository(work.root, env);
    expect(found).toMatchObject({ root: work.root, objectsDir: join(work.root, '.git', 'objects') });
    const commit = await rootCommit(found, (await work.id('HEAD^{tree}')) as ObjectId);
    expect(await work.git('cat-file', '-t', commit)).toBe('commit');
  });

  it('says clearly what is missing', async () => {
    const work = await scratch({ empty: true });
    const bare = join(work.folder, 'bare.git');
    await work.git('init', '-q', '--bare', bare);
    const errorOf = (directory: string, env = work.env) =>
      findRepository(directory, env).catch((error: unknown) => error);
    expect(await errorOf(work.root)).toMatchObject({ kind: 'environment', code: 'NO_COMMIT' });
    expect(await errorOf(bare)).toMatchObject({ kind: 'environment', code: 'BARE_REPOSITORY' });
    expect(await errorOf(join(work.root, '.git'))).toMatchObject({ code: 'BARE_REPOSITORY' });
    expect(await errorOf(work.folder)).toMatchObject({ kind: 'environment', code: 'NO_REPOSITORY' });
    expect(await errorOf(join(work.folder, 'nothing'))).toMatchObject({ code: 'NO_REPOSITORY' });
    expect(await errorOf(work.root, { ...work.env, PATH: '/nonexistent' })).toMatchObject({ code: 'NO_GIT' });
  });

  it('refuses a git that is too old', async () => {
    const work = await scratch();
    const bin = await mkdtemp(join(tmpdir(), 'orchestrate-bin-'));
    try {
      await writeFile(join(bin, 'git'), '#!/bin/sh\necho git version 2.37.9\n', { mode: 0o755 });
      const env = { ...work.env, PATH: `${bin}:${work.env.PATH}` };
      await expect(findRepository(work.root, env)).rejects.toMatchObject({ kind: 'environment', code: 'GIT_TOO_OLD' });
    } finally {
      await rm(bin, { recursive: true });
    }
  });

  it("passes on git's hint for a repository of another user", async () => {
    const work = await scratch();
    const env = { ...work.env, GIT_TEST_ASSUME_DIFFERENT_OWNER: '1' };
    const bin = await mkdtemp(join(tmpdir(), 'orchestrate-bin-'));
    try {
      // The switch for git's own tests is a GIT_ variable, which is not inherited.
      const real = `PATH='${work.env.PATH}' GIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec git "$@"`;
      await writeFile(join(bin, 'git'), `#!/bin/sh\n${real}\n`, { mode: 0o755 });
      const error = await findRepository(work.root, { ...env, PATH: `${bin}:/bin:/usr/bin` }).catch((e: unknown) => e);
      expect(error).toMatchObject({ kind: 'environment', code: 'REPOSITORY_NOT_YOURS' });
      expect((error as { hint: string }).hint).toContain('git config --global --add safe.directory');
    } finally {
      await rm(bin, { recursive: true });
    }
  });
});

describe('commits', () => {
  it('makes the same root commit for the same tree, and writes what it is given', async () => {
    const work = await scratch();
    const repo = await findRepository(work.root, work.env);
    const tree = (await work.id('HEAD^{tree}')) as ObjectId;
    expect(await rootCommit(repo, tree)).toBe(await rootCommit(repo, tree));
    const commit = await commitTree(repo, {
      tree,
      parents: [(await work.id('HEAD')) as ObjectId],
      message: 'Subject\n\nBody: ü\n\n',
      author: { name: 'A <x>\nB', email: 'a@b' },
      date: '2024-05-06T07:08:09-02:30',
    });
    const shown = await work.git('log', '-1', '--format=%an|%ae|%cn|%ai|%B|%P', commit);
    expect(shown).toBe(`A xB|a@b|A xB|2024-05-06 07:08:09 -0230|Subject\n\nBody: ü\n|${await work.id('HEAD')}`);
    await work.git('fsck', '--strict');
  });

  it("takes the user's identity from the environment or the configuration and never guesses one", async () => {
    const work = await scratch();
    const repo = await findRepository(work.root, work.env);
    expect(await userIdentity(repo)).toEqual({
      author: { name: 'Ada', email: 'ada@example.com' },
      committer: { name: 'Ada', email: 'ada@example.com' },
    });
    const { PATH, HOME, GIT_CONFIG_NOSYSTEM } = work.env;
    const nobody = { ...repo, env: { PATH, HOME, GIT_CONFIG_NOSYSTEM } };
    const error = await userIdentity(nobody).catch((problem: unknown) => problem);
    expect(error).toMatchObject({ kind: 'environment', code: 'NO_IDENTITY' });
    expect((error as { hint: string }).hint).toContain('git config --global user.name');
    await work.git('config', 'user.name', 'Grace');
    await work.git('config', 'user.email', 'grace@example.com');
    expect((await userIdentity(nobody)).author).toEqual({ name: 'Grace', email: 'grace@example.com' });
  });

  it('says so when the place of its state is taken', async () => {
    const work = await scratch();
    const repo = await findRepository(work.root, work.env);
    await writeFile(repo.stateDir, '');
    const failing = rootCommit(repo, (await work.id('HEAD^{tree}')) as ObjectId);
    await expect(failing).rejects.toMatchObject({ kind: 'environment', code: 'REPOSITORY_READ_ONLY' });
  });
});

describe('the traps of the scratch repository', () => {
  it('fire for an ordinary git', async () => {
    const work = await scratch();
    await work.git('checkout', '-q', '-b', 'other');
    await work.write('a.txt', 'theirs\n');
    await work.commit();
    await work.git('checkout', '-q', 'main');
    await work.write('a.txt', 'ours\n');
    await work.commit();
    await work.arm();
    await work.write('.gitattributes', '*.x filter=evil\n*.y filter=evil=two.x\n');
    await work.write('new.x', '');
    await work.write('new.y', '');
    const ordinary = (...args: readonly string[]) =>
      run('git', [...args], { cwd: work.root, env: work.env }).catch(() => null);
    await ordinary('status');
    await ordinary('diff', 'HEAD~1');
    await ordinary('add', 'new.x');
    await ordinary('add', 'new.y');
    await ordinary('update-ref', 'refs/heads/new', 'HEAD');
    await ordinary('-c', 'core.hooksPath=/dev/null', 'merge', 'other');
    expect(await work.markers()).toEqual(
      expect.arrayContaining([
        'clean',
        'diff-command',
        'fsmonitor',
        'hook-reference-transaction',
        'merge-driver',
        'process',
      ]),
    );
  });
});

describe('refs', () => {
  it('creates once, moves by compare-and-swap, lists and deletes, and runs no hook', async () => {
    const work = await scratch();
    const first = (await work.id('HEAD')) as ObjectId;
    const second = (await work.commit('second')) as ObjectId;
    await work.arm();
    const repo = await findRepository(work.root, work.env);
    const name = resultRef('add-login.12' as AttemptId);
    expect(name).toBe('refs/orchestrate/add-login/12/result');
    expect(await createRef(repo, name, first)).toBe(true);
    expect(await createRef(repo, name, second)).toBe(false);
    expect(await moveRef(repo, name, { from: second, to: first, message: 'x' })).toBe(false);
    expect(await moveRef(repo, name, { from: first, to: second, message: 'two\nlines' })).toBe(true);
    expect(await moveRef(repo, 'refs/orchestrate/no', { from: first, to: second, message: 'x' })).toBe(false);
    await expect(createRef(repo, `${name}/below`, first)).rejects.toMatchObject({ code: 'GIT_FAILED' });
    expect(await listRefs(repo, 'refs/orchestrate')).toEqual([{ name, oid: second }]);
    await deleteRefs(repo, [name, 'refs/orchestrate/never']);
    await deleteRefs(repo, []);
    expect(await listRefs(repo, 'refs/orchestrate')).toEqual([]);
    expect(await work.markers()).toEqual([]);
  });

  it('lets exactly one of many create a ref', async () => {
    const work = await scratch();
    const repo = await findRepository(work.root, work.env);
    const commit = (await work.id('HEAD')) as ObjectId;
    const tries = await Promise.allSettled(
      Array.from({ length: 6 }, () => createRef(repo, 'refs/orchestrate/x', commit)),
    );
    expect(tries.filter((each) => each.status === 'fulfilled' && each.value)).toHaveLength(1);
  });

  it('waits for a lock that somebody lets go, and names one that stays in the way', async () => {
    const work = await scratch();
    const repo = await findRepository(work.root, work.env);
    const commit = (await work.id('HEAD')) as ObjectId;
    const locks = join(repo.gitDir, 'refs', 'orchestrate');
    await mkdir(locks, { recursive: true });
    for (const name of ['x', 'y']) await writeFile(join(locks, `${name}.lock`), '');
    const [kept, freed] = ['x', 'y'].map((name) => createRef(repo, `refs/orchestrate/${name}`, commit));
    // Git itself would wait for a tenth of a second.
    setTimeout(() => void rm(join(locks, 'y.lock')), 500);
    await expect(kept).rejects.toMatchObject({ code: 'REPOSITORY_LOCKED' });
    expect(await freed).toBe(true);
  });
});
