import { chmod, lstat, mkdir, readdir, readFile, readlink, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type Applied,
  applyToCheckout,
  type Change,
  conflictWithBranch,
  prepareMove,
  refuseUnfinished,
} from '../../src/git/apply.ts';
import { moveBranch } from '../../src/git/branch-move.ts';
import { commitTree } from '../../src/git/commits.ts';
import { readLocalState } from '../../src/git/local-changes.ts';
import { mergeTrees } from '../../src/git/merge.ts';
import { importChanges, type TreeChange } from '../../src/git/quarantine.ts';
import { findRepository, type Repository } from '../../src/git/repository.ts';
import { targetOf } from '../../src/merge/target.ts';
import type { ObjectId } from '../../src/types.ts';
import { type ScratchOptions, type ScratchRepository, scratchRepository } from '../support/git.ts';

const made: ScratchRepository[] = [];
afterEach(async () => {
  for (const repository of made.splice(0)) await repository.remove();
});

/** A repository with a few files, to which changes are applied. */
async function scratch(options?: ScratchOptions): Promise<{ work: ScratchRepository; repo: Repository }> {
  const work = await scratchRepository(options);
  made.push(work);
  await work.write('.gitignore', 'ignored*\n');
  await work.write('b.txt', 'b\n');
  await work.write('dir/one', '1\n');
  await work.write('dir/two', '2\n');
  await work.write('run', '#!/bin/sh\n', 0o755);
  await work.commit('files');
  return { work, repo: await findRepository(work.root, work.env) };
}

type Edits = Readonly<Record<string, string | null | { readonly link: string } | { readonly run: string }>>;

async function* changesOf(edits: Edits): AsyncGenerator<TreeChange> {
  for (const [path, edit] of Object.entries(edits))
    if (edit === null) yield { kind: 'delete', path: Buffer.from(path) };
  for (const [name, edit] of Object.entries(edits)) {
    const path = Buffer.from(name);
    if (edit === null) continue;
    if (typeof edit === 'object' && 'link' in edit) yield { kind: 'symlink', path, target: Buffer.from(edit.link) };
    else {
      const bytes = Buffer.from(typeof edit === 'string' ? edit : edit.run);
      const content = (async function* () {
        yield bytes;
      })();
      yield { kind: 'file', path, mode: typeof edit === 'string' ? '100644' : '100755', size: bytes.length, content };
    }
  }
}

interface Commit extends Change {
  /** Makes the commit of a tree on a parent. */
  commit(parent: ObjectId, tree: ObjectId): Promise<ObjectId>;
}

/** A change of HEAD's tree, as an agent would leave it. */
async function changeOf(repo: Repository, work: ScratchRepository, edits: Edits): Promise<Commit> {
  const base = await treeOf(work, 'HEAD');
  await using result = await importChanges(repo, { tree: base }, changesOf(edits));
  await result.publish();
  return {
    base,
    result: result.tree,
    commit: (parent, tree) => commitTree(repo, { tree, parents: [parent], message: 'Applied' }),
  };
}

/** Moves the branch here, its index and its files, as whatever lands a patch does. */
async function land(repo: Repository, change: Commit): Promise<Applied> {
  await refuseUnfinished(repo);
  const { ref, tip, branch } = await targetOf(repo, null);
  const { commit: from, tree: ours } = tip;
  const merge = await mergeTrees(repo, { base: change.base, ours, theirs: change.result });
  if (!merge.clean) throw conflictWithBranch(merge.paths);
  if (merge.tree === ours) return { from, to: from, branch, undo: '' };
  const tree = await prepareMove(repo, { from: ours, to: merge.tree, local: await readLocalState(repo) });
  const to = await change.commit(from, merge.tree);
  const folder = join(repo.stateDir, 'checkout.move');
  try {
    const message = 'orchestrate: apply a title\nof two lines';
    const end = await moveBranch(repo, { ref, from, to, message, folder, tree });
    if (end !== 'moved') throw Object.assign(new Error('nothing was done'), { end });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return { from, to, branch, undo: `git reset --keep ${from}` };
}

/** All that must stay as it was when nothing is done. */
async function snapshot(work: ScratchRepository) {
  return {
    index: await work.git('ls-files', '-s', '-v'),
    refs: await work.git('for-each-ref'),
    head: await readFile(join(work.root, '.git', 'HEAD'), 'utf8'),
    status: await work.git('status', '--porcelain', '--ignored', '-uall'),
    files: await filesOf(work.root),
  };
}

async function filesOf(folder: string, at = ''): Promise<string[]> {
  const all: string[] = [];
  for (const entry of (await readdir(join(folder, at), { withFileTypes: true })).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    const path = join(at, entry.name);
    if (path === '.git') continue;
    if (entry.isDirectory()) all.push(`${path}/`, ...(await filesOf(folder, path)));
    else if (entry.isSymbolicLink()) all.push(`${path} -> ${await readlink(join(folder, path))}`);
    else {
      const { mode } = await lstat(join(folder, path));
      all.push(`${path} ${(mode & 0o777).toString(8)} ${await readFile(join(folder, path), 'latin1')}`);
    }
  }
  return all;
}

async function refused(work: ScratchRepository, applying: () => Promise<unknown>): Promise<unknown> {
  const before = await snapshot(work);
  const error = await applying().then(
    () => {
      throw new Error('it was applied');
    },
    (problem: unknown) => problem,
  );
  expect(await snapshot(work)).toEqual(before);
  return error;
}

const EVERYTHING: Edits = {
  'a.txt': 'one\nTWO\nthree\n',
  'b.txt': null,
  dir: null,
  new: 'now a file\n',
  'deep/er/x': 'x',
  'dir/three': '3\n',
  'dir/two': { link: '../a.txt' },
  run: '#!/bin/sh\n',
  tool: { run: 'x' },
  'with space\nand newline': '',
};

describe('a change of the branch that is checked out here', () => {
  it.each(['sha1', 'sha256'] as const)(
    'commits, checks out and moves the branch, and runs no hook or driver (%s)',
    async (objectFormat) => {
      const { work, repo } = await scratch({ objectFormat });
      const from = await work.id('HEAD');
      await work.arm();
      const change = await changeOf(repo, work, EVERYTHING);
      const applied = await land(repo, change);
      expect(applied).toEqual({ from, to: await work.id('HEAD'), branch: 'main', undo: `git reset --keep ${from}` });
      expect(await work.id('HEAD^{tree}')).toBe(change.result);
      expect(await work.git('status', '--porcelain')).toBe('');
      expect(await readlink(join(work.root, 'dir/two'))).toBe('../a.txt');
      expect((await lstat(join(work.root, 'tool'))).mode & 0o111).not.toBe(0);
      expect((await lstat(join(work.root, 'run'))).mode & 0o111).toBe(0);
      expect(await work.git('log', '-1', '-g', '--format=%gs', 'HEAD')).toBe('orchestrate: apply a title of two lines');
      expect(await readdir(repo.stateDir)).toEqual(
        expect.not.arrayContaining([expect.stringMatching(/^checkout|^index/)]),
      );
      expect(await work.markers()).toEqual([]);
    },
  );

  it('is undone by the command it names', async () => {
    const { work, repo } = await scratch();
    await work.write('.gitignore', 'local\n');
    const before = await snapshot(work);
    for (const commit of [true, false]) {
      const change = await changeOf(repo, work, EVERYTHING);
      const { undo } = await (commit ? land : applyToCheckout)(repo, change);
      expect(await snapshot(work)).not.toEqual(before);
      await work.git(...undo.split(' ').slice(1));
      expect(await snapshot(work)).toEqual(before);
    }
  });

  it('merges into a branch that went on', async () => {
    const { work, repo } = await scratch();
    const change = await changeOf(repo, work, { 'a.txt': 'ONE\ntwo\nthree\n', new: 'x' });
    await work.write('a.txt', 'one\ntwo\nTHREE\n');
    await work.commit('meanwhile');
    await land(repo, change);
    expect(await readFile(join(work.root, 'a.txt'), 'utf8')).toBe('ONE\ntwo\nTHREE\n');
    expect(await work.git('status', '--porcelain')).toBe('');
  });

  it('names the paths of a conflict and does nothing', async () => {
    const { work, repo } = await scratch();
    const change = await changeOf(repo, work, { 'a.txt': 'ours\n', 'b.txt': null });
    await work.write('a.txt', 'theirs\n');
    await work.commit('meanwhile');
    const error = await refused(work, () => land(repo, change));
    expect(error).toMatchObject({ kind: 'failure', code: 'PATCH_CONFLICT', message: expect.stringContaining('a.txt') });
  });

  it('does nothing when the branch has all of it', async () => {
    const { work, repo } = await scratch();
    const change = await changeOf(repo, work, { 'a.txt': 'x' });
    const { to } = await land(repo, change);
    expect(await land(repo, change)).toEqual({ from: to, to, branch: 'main', undo: '' });
  });

  it('leaves other local changes, staged ones included, exactly as they are', async () => {
    const { work, repo } = await scratch();
    await work.write('b.txt', 'staged\n');
    await work.write('staged new', 'n');
    await work.git('add', '-A');
    await work.write('b.txt', 'and changed again\n');
    await work.write('dir/one', 'not staged\n');
    await rm(join(work.root, 'dir/two'));
    await work.write('untracked', 'u');
    await work.write('ignored', 'i');
    await work.write('planned', '');
    await work.git('add', '-N', 'planned');
    const index = (await work.git('ls-files', '-s', '-v'))
      .split('\n')
      .filter((line) => !/\t(?:a\.txt|dir\/new)$/.test(line));
    const status = await work.git('status', '--porcelain', '--ignored');
    await land(repo, await changeOf(repo, work, { 'a.txt': 'applied', 'dir/new': 'x' }));
    const after = (await work.git('ls-files', '-s', '-v'))
      .split('\n')
      .filter((line) => !/\t(?:a\.txt|dir\/new)$/.test(line));
    expect(after).toEqual(index);
    expect(await work.git('status', '--porcelain', '--ignored')).toBe(status);
    expect(await readFile(join(work.root, 'b.txt'), 'utf8')).toBe('and changed again\n');
    expect(await readFile(join(work.root, 'a.txt'), 'utf8')).toBe('applied');
  });

  const inTheWay: Record<
    string,
    { local: (work: ScratchRepository) => Promise<unknown>; edits: Edits; names: string }
  > = {
    'a changed file': { local: (work) => work.write('a.txt', 'mine'), edits: { 'a.txt': 'x' }, names: 'a.txt' },
    'the very same change': { local: (work) => work.write('a.txt', 'x'), edits: { 'a.txt': 'x' }, names: 'a.txt' },
    'a changed file that the patch deletes': {
      local: (work) => work.write('a.txt', 'mine'),
      edits: { 'a.txt': null },
      names: 'a.txt',
    },
    'a staged change': {
      local: async (work) => {
        await work.write('a.txt', 'mine');
        await work.git('add', 'a.txt');
        await work.write('a.txt', 'one\ntwo\nthree\n');
      },
      edits: { 'a.txt': 'x' },
      names: 'a.txt',
    },
    'a mode': { local: (work) => chmod(join(work.root, 'a.txt'), 0o755), edits: { 'a.txt': 'x' }, names: 'a.txt' },
    'a deleted file': { local: (work) => rm(join(work.root, 'a.txt')), edits: { 'a.txt': 'x' }, names: 'a.txt' },
    'an untracked file': { local: (work) => work.write('new', 'mine'), edits: { new: 'x' }, names: 'new' },
    'an untracked file with the same content': {
      local: (work) => work.write('new', 'x'),
      edits: { new: 'x' },
      names: 'new',
    },
    'an ignored file': { local: (work) => work.write('ignored', 'mine'), edits: { ignored: 'x' }, names: 'ignored' },
    'an ignored file for a folder': {
      local: (work) => work.write('ignored', 'mine'),
      edits: { 'ignored/x': 'x' },
      names: 'ignored',
    },
    'a link for a folder': {
      local: (work) => symlink('dir', join(work.root, 'link')),
      edits: { 'link/x': 'x' },
      names: 'link',
    },
    'a dangling link': {
      local: (work) => symlink('nowhere', join(work.root, 'new')),
      edits: { new: 'x' },
      names: 'new',
    },
    'an untracked folder for a file': { local: (work) => work.write('new/x', ''), edits: { new: 'x' }, names: 'new/x' },
    'an ignored file in a folder that becomes a file': {
      local: (work) => work.write('dir/sub/ignored', ''),
      edits: { dir: 'now a file', 'dir/one': null, 'dir/two': null },
      names: 'dir/sub/ignored',
    },
    'a staged file in a folder that becomes a file': {
      local: async (work) => {
        await work.write('dir/staged', '');
        await work.git('add', '-A');
        await rm(join(work.root, 'dir/staged'));
      },
      edits: { dir: 'now a file', 'dir/one': null, 'dir/two': null },
      names: 'dir/staged',
    },
    'a repository in a folder that becomes a file': {
      local: (work) => work.git('init', '-q', 'nested'),
      edits: { nested: 'x' },
      names: 'nested/.git/',
    },
    'a tracked folder replaced by a link': {
      local: async (work) => {
        await rm(join(work.root, 'dir'), { recursive: true });
        await symlink('/tmp', join(work.root, 'dir'));
      },
      edits: { 'dir/new': 'x' },
      names: 'dir',
    },
    'a change hidden by assume-unchanged': {
      local: async (work) => {
        await work.git('update-index', '--assume-unchanged', 'a.txt');
        await work.write('a.txt', 'mine');
      },
      edits: { 'a.txt': 'x' },
      names: 'a.txt',
    },
    'a change hidden by skip-worktree': {
      local: async (work) => {
        await work.git('update-index', '--skip-worktree', 'a.txt');
        await work.write('a.txt', 'mine');
      },
      edits: { 'a.txt': 'x' },
      names: 'a.txt',
    },
  };

  it.each(Object.entries(inTheWay))('refuses where there is %s', async (_name, { local, edits, names }) => {
    const { work, repo } = await scratch();
    const change = await changeOf(repo, work, { 'b.txt': 'other', ...edits });
    await local(work);
    const error = await refused(work, () => land(repo, change));
    expect(error).toMatchObject({ kind: 'failure', code: 'LOCAL_CHANGES', message: expect.stringContaining(names) });
  });

  it('names every file that is in the way', async () => {
    const { work, repo } = await scratch();
    const change = await changeOf(repo, work, { 'a.txt': 'x', 'b.txt': 'x', new: 'x' });
    await work.write('a.txt', 'mine');
    await work.write('new', 'mine');
    const error = await refused(work, () => land(repo, change));
    expect((error as Error).message).toMatch(/a\.txt, new\.$/);
  });

  it('replaces folders by files and files by folders where nothing is in the way', async () => {
    const { work, repo } = await scratch();
    await mkdir(join(work.root, 'dir', 'empty'));
    const change = await changeOf(repo, work, {
      dir: 'now a file',
      'dir/one': null,
      'a.txt': null,
      'a.txt/x': 'now in a folder',
    });
    await land(repo, change);
    expect(await readFile(join(work.root, 'dir'), 'utf8')).toBe('now a file');
    expect(await readFile(join(work.root, 'a.txt', 'x'), 'utf8')).toBe('now in a folder');
    expect(await work.git('status', '--porcelain')).toBe('');
  });

  it('applies to files that were touched and not changed', async () => {
    const { work, repo } = await scratch();
    await utimes(join(work.root, 'a.txt'), 1, 1);
    await work.git('update-index', '--assume-unchanged', 'b.txt');
    await utimes(join(work.root, 'b.txt'), 1, 1);
    await land(repo, await changeOf(repo, work, { 'a.txt': 'x', 'b.txt': 'y' }));
    expect(await readFile(join(work.root, 'a.txt'), 'utf8')).toBe('x');
    expect(await readFile(join(work.root, 'b.txt'), 'utf8')).toBe('y');
  });

  it('works on a detached HEAD', async () => {
    const { work, repo } = await scratch();
    await work.git('checkout', '-q', '--detach');
    const applied = await land(repo, await changeOf(repo, work, { 'a.txt': 'x' }));
    expect(applied).toMatchObject({ branch: null, to: await work.id('HEAD') });
    expect(await work.id('main')).toBe(applied.from);
  });

  it('without a commit changes index and work tree only', async () => {
    const { work, repo } = await scratch();
    const refs = await work.git('for-each-ref');
    const applied = await applyToCheckout(repo, await changeOf(repo, work, { 'a.txt': 'x', new: 'y' }));
    expect(applied.to).toBeNull();
    expect(await work.git('for-each-ref')).toBe(refs);
    expect(await work.git('status', '--porcelain')).toBe('M  a.txt\nA  new');
  });

  it('puts everything back when the branch moves meanwhile', async () => {
    const { work, repo } = await scratch();
    const change = await changeOf(repo, work, EVERYTHING);
    await work.write('dir/one', 'kept\n');
    await work.git('update-index', '--refresh').catch(() => '');
    await work.write('untracked', 'kept');
    const racing: Commit = {
      ...change,
      base: change.base,
      result: (await changeOf(repo, work, { 'a.txt': 'x', 'dir/two': null, new: 'y' })).result,
      commit: async (parent, tree) => {
        const other = await commitTree(repo, {
          tree: await treeOf(work, parent),
          parents: [parent],
          message: 'faster',
        });
        await work.git('update-ref', 'refs/heads/main', other);
        return commitTree(repo, { tree, parents: [parent], message: 'slower' });
      },
    };
    const before = await snapshot(work);
    await expect(land(repo, racing)).rejects.toMatchObject({ end: 'elsewhere' });
    expect(await snapshot(work)).toEqual({ ...before, refs: expect.not.stringContaining(await work.id('HEAD~1')) });
  });

  it('puts everything back when git fails halfway', async () => {
    const { work, repo } = await scratch();
    await work.git('config', 'filter.broken.smudge', 'exit 1');
    await work.git('config', 'filter.broken.clean', 'cat');
    await work.git('config', 'filter.broken.required', 'true');
    await work.write('.git/info/attributes', 'm-* filter=broken\nrun filter=broken\n');
    const change = await changeOf(repo, work, {
      'a.txt': 'x',
      'b.txt': null,
      dir: 'x',
      'dir/one': null,
      'dir/two': null,
      'm-x': 'y',
      run: 'new',
      'z/z': 'z',
    });
    const error = await refused(work, () => land(repo, change));
    expect(error).toMatchObject({ code: 'GIT_FAILED' });
    expect(await work.git('status', '--porcelain')).toBe('');
    expect(await readdir(repo.stateDir)).toEqual(expect.not.arrayContaining([expect.stringMatching(/^checkout/)]));
  });

  it("uses the user's filters, but not where the patch itself says so", async () => {
    const { work, repo } = await scratch();
    await work.git('config', 'filter.up.smudge', 'tr a-z A-Z');
    await work.git('config', 'filter.up.clean', 'tr A-Z a-z');
    await work.write('.gitattributes', '*.up filter=up\n');
    await work.commit('attributes');
    await land(repo, await changeOf(repo, work, { 'x.up': 'quiet' }));
    expect(await readFile(join(work.root, 'x.up'), 'utf8')).toBe('QUIET');
    await work.arm();
    const evil = {
      'sub/.gitattributes': '*.a filter=evil\n*.b filter=evil=two.x\n',
      'sub/x.a': 'plain',
      'sub/x.b': 'plain',
    };
    await land(repo, await changeOf(repo, work, evil));
    expect(await readFile(join(work.root, 'sub/x.a'), 'utf8')).toBe('plain');
    expect(await readFile(join(work.root, 'sub/x.b'), 'utf8')).toBe('plain');
    expect(await work.markers()).toEqual([]);
  });

  it('keeps line ends as the user has them set', async () => {
    const { work, repo } = await scratch();
    await work.git('config', 'core.autocrlf', 'true');
    await land(repo, await changeOf(repo, work, { 'a.txt': 'x\ny\n' }));
    expect(await readFile(join(work.root, 'a.txt'), 'utf8')).toBe('x\r\ny\r\n');
    expect(await work.git('status', '--porcelain')).toBe('');
  });

  it('ignores replaced objects', async () => {
    const { work, repo } = await scratch();
    const change = await changeOf(repo, work, { 'a.txt': 'x' });
    await work.git('replace', await work.id('HEAD'), await work.id('HEAD~1'));
    await land(repo, change);
    expect(await work.git('--no-replace-objects', 'status', '--porcelain')).toBe('');
    expect(await work.git('--no-replace-objects', 'rev-parse', 'HEAD^{tree}')).toBe(change.result);
  });

  it('keeps a sparse checkout sparse', async () => {
    const { work, repo } = await scratch();
    await work.write('out/x', '1');
    await work.commit();
    await work.git('sparse-checkout', 'set', 'dir');
    await land(repo, await changeOf(repo, work, { 'dir/one': 'in', 'out/x': 'changed', 'out/new': 'new' }));
    expect(await readdir(work.root)).not.toContain('out');
    expect(await readFile(join(work.root, 'dir/one'), 'utf8')).toBe('in');
    expect(await work.git('status', '--porcelain')).toBe('');
    expect(await work.git('show', 'HEAD:out/new')).toBe('new');
    const change = await changeOf(repo, work, { 'out/x': 'again' });
    await work.write('out/x', 'mine');
    const error = await land(repo, change).catch((problem: unknown) => problem);
    expect(error).toMatchObject({ code: 'LOCAL_CHANGES' });
    expect(await readFile(join(work.root, 'out/x'), 'utf8')).toBe('mine');
  });

  it('applies to the linked work tree where it is run', async () => {
    const { work } = await scratch();
    const linked = join(work.folder, 'linked\ntree');
    await work.git('worktree', 'add', '-q', '-b', 'side', linked);
    const repo = await findRepository(join(linked, 'dir'), work.env);
    const before = await snapshot(work);
    const applied = await land(repo, await changeOf(repo, work, { 'a.txt': 'x' }));
    expect(applied.branch).toBe('side');
    expect(await readFile(join(linked, 'a.txt'), 'utf8')).toBe('x');
    expect(await snapshot(work)).toEqual({ ...before, refs: expect.anything() });
    expect(await work.git('-C', linked, 'status', '--porcelain')).toBe('');
  });

  it('refuses in the middle of a merge, and with conflicts in the index', async () => {
    const { work, repo } = await scratch();
    const change = await changeOf(repo, work, { 'b.txt': 'x' });
    await work.git('checkout', '-q', '-b', 'other');
    await work.write('a.txt', 'theirs');
    await work.commit();
    await work.git('checkout', '-q', 'main');
    await work.write('a.txt', 'ours');
    await work.commit();
    await work.git('merge', 'other').catch(() => '');
    const merging = await refused(work, () => land(repo, change));
    expect(merging).toMatchObject({
      kind: 'failure',
      code: 'OPERATION_IN_PROGRESS',
      hint: expect.stringContaining('git merge --abort'),
    });
    await rm(join(work.root, '.git', 'MERGE_HEAD'));
    const unmerged = await refused(work, () => land(repo, change));
    expect(unmerged).toMatchObject({ kind: 'failure', code: 'UNMERGED', message: expect.stringContaining('a.txt') });
  });

  it('refuses while the index is locked, also when the lock comes late', async () => {
    const { work, repo } = await scratch();
    const change = await changeOf(repo, work, { 'a.txt': 'x', new: 'y' });
    const lock = join(work.root, '.git', 'index.lock');
    await writeFile(lock, '');
    expect(await refused(work, () => land(repo, change))).toMatchObject({ code: 'REPOSITORY_LOCKED' });
    await rm(lock);
    const late: Commit = {
      ...change,
      commit: async (parent, tree) => {
        await writeFile(lock, '');
        return commitTree(repo, { tree, parents: [parent], message: 'x' });
      },
    };
    expect(await refused(work, () => land(repo, late))).toMatchObject({ end: 'locked' });
  });

  it('is not led elsewhere when it runs inside a hook', async () => {
    const { work, repo } = await scratch();
    const env = { ...work.env, GIT_DIR: '/nowhere', GIT_INDEX_FILE: '/nowhere/index', GIT_WORK_TREE: '/nowhere' };
    const inHook = await findRepository(work.root, env);
    await land(inHook, await changeOf(repo, work, { 'a.txt': 'x' }));
    expect(await work.git('status', '--porcelain')).toBe('');
  });
});

async function treeOf(work: ScratchRepository, revision: string): Promise<ObjectId> {
  return (await work.id(`${revision}^{tree}`)) as ObjectId;
}
