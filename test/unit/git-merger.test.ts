import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mergeTrees, mergeWithMarkers, type TreesToMerge } from '../../src/git/merge.ts';
import { openMerger } from '../../src/git/merger.ts';
import { findRepository, type Repository } from '../../src/git/repository.ts';
import type { ObjectId } from '../../src/types.ts';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';
import { type Files, looseTree } from '../support/loose-trees.ts';

let scratch: ScratchRepository;
let repository: Repository;

beforeEach(async () => {
  scratch = await scratchRepository();
  repository = await findRepository(scratch.root, scratch.env);
});

afterEach(() => scratch.remove());

const line = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const content = fc
  .array(line, { minLength: 1, maxLength: 6 })
  .map((lines) => lines.map((each) => `${each}\n`).join(''));
const files: fc.Arbitrary<Files> = fc
  .dictionary(fc.constantFrom('one', 'two', 'x', 'x/one', 'x/two', 'y/one', 'y/two'), content, { maxKeys: 5 })
  .map((made) =>
    'x' in made ? Object.fromEntries(Object.entries(made).filter(([name]) => !name.startsWith('x/'))) : made,
  );

const treeOf = (made: Files): Promise<ObjectId> => looseTree(scratch.root, made);

async function treesOf(made: readonly [Files, Files, Files]): Promise<TreesToMerge> {
  const [base, ours, theirs] = [await treeOf(made[0]), await treeOf(made[1]), await treeOf(made[2])];
  return { base, ours, theirs };
}

describe('a kept merge process', () => {
  it('answers as a process for each merge does, and as git does for real commits', async () => {
    await using merger = await openMerger(repository);
    await fc.assert(
      fc.asyncProperty(fc.tuple(files, files, files), async (made) => {
        const trees = await treesOf(made);
        const answer = await merger.merge(trees);
        expect(answer).toEqual(await mergeTrees(repository, trees));
        const root = await scratch.git('commit-tree', '-m', 'base', trees.base);
        const [left = '', right = ''] = await Promise.all(
          [trees.ours, trees.theirs].map((tree) => scratch.git('commit-tree', '-p', root, '-m', 'side', tree)),
        );
        const plain = await execa('git', ['merge-tree', '--write-tree', '--name-only', '--no-messages', left, right], {
          ...{ cwd: scratch.root, env: scratch.env, extendEnv: false, reject: false },
        });
        const [tree, ...paths] = plain.stdout.split('\n');
        expect(answer).toEqual(
          plain.exitCode === 0
            ? { clean: true, tree }
            : {
                clean: false,
                paths: [...new Set(paths.filter(Boolean).map((path) => path.replace(/~[0-9a-f]{40}$/, '')))].sort(),
              },
        );
      }),
      { numRuns: 60 },
    );
  }, 120_000);

  it('answers each of many calls at once with its own merge, and builds on what it made', async () => {
    await using merger = await openMerger(repository);
    const base = await treeOf({ start: 'a' });
    const sides = await Promise.all(Array.from({ length: 20 }, (_, n) => treeOf({ start: 'a', [`file${n}`]: `${n}` })));
    const [ours = base, ...others] = sides;
    const answers = await Promise.all(others.map((theirs) => merger.merge({ base, ours, theirs })));
    for (const [at, answer] of answers.entries()) {
      if (!answer.clean) throw new Error('disjoint files conflict');
      expect(await scratch.git('ls-tree', '--name-only', answer.tree)).toBe(
        ['file0', `file${at + 1}`, 'start'].join('\n'),
      );
    }
    let stacked = base;
    for (const theirs of sides) {
      const answer = await merger.merge({ base, ours: stacked, theirs });
      if (answer.clean) stacked = answer.tree;
    }
    expect((await scratch.git('ls-tree', '--name-only', stacked)).split('\n')).toHaveLength(21);
  });

  it('names paths as they are, and a file in the way of a folder by its name', async () => {
    await using merger = await openMerger(repository);
    const name = 'é "quoted"';
    const trees = await treesOf([{ [name]: 'a' }, { [name]: 'b' }, { [name]: 'c' }]);
    expect(await merger.merge(trees)).toEqual({ clean: false, paths: [name] });
    const clash = await treesOf([{}, { 'x/one': 'a' }, { x: 'a' }]);
    expect(await merger.merge(clash)).toEqual({ clean: false, paths: ['x'] });
  });

  it('gives an answer where git gives up: a file that becomes a folder, and a folder a file', async () => {
    const text = (n: number): string => `file ${n}\n${`line of ${n}\n`.repeat(8)}`;
    const [base, ours, theirs] = await Promise.all([
      treeOf({ a: text(0), 'c/c/a': text(1) }),
      treeOf({ a: text(0), 'c/c': text(1) }),
      treeOf({ 'a/c/a': text(1) }),
    ]);
    await using merger = await openMerger(repository);
    const paths = ['a/c/a', 'c/c', 'c/c/a'];
    expect(await merger.merge({ base, ours, theirs })).toEqual({ clean: false, paths });
    expect(await mergeTrees(repository, { base, ours, theirs })).toEqual({ clean: false, paths });
  });

  it('says that it is a conflict where git gives up whatever it follows', async () => {
    const text = (n: number): string => `file ${n}\n${`line of ${n}\n`.repeat(8)}`;
    const trees = await treesOf([
      { 'c/a': text(0), 'a/a': text(0), 'b/a': text(0), 'a/y/a': text(0), y: text(6) },
      { 'c/a': text(0), 'a/a': text(0), 'a/y/a': text(0), b: text(6) },
      { 'c/a': text(0), 'b/a': text(0), 'c/y/a': text(0), 'c/c': text(6) },
    ]);
    await using merger = await openMerger(repository);
    const answer = await merger.merge(trees);
    expect(answer).toMatchObject({ clean: false });
    expect(await mergeTrees(repository, trees)).toEqual(answer);
    expect(await mergeWithMarkers(repository, trees)).toBeTruthy();
  });

  it('keeps what it makes among the objects of the user only when told so, and leaves no folder behind', async () => {
    const trees = await treesOf([{ a: 'a' }, { a: 'a', b: 'b' }, { a: 'a', c: 'c' }]);
    const dropping = await openMerger(repository, 'dropped');
    const answer = await dropping.merge(trees);
    await dropping[Symbol.asyncDispose]();
    if (!answer.clean) throw new Error('disjoint files conflict');
    await expect(scratch.git('cat-file', '-e', answer.tree)).rejects.toThrow();
    const keeping = await openMerger(repository);
    expect(await keeping.merge(trees)).toEqual(answer);
    await keeping[Symbol.asyncDispose]();
    await scratch.git('cat-file', '-e', answer.tree);
    const left = await readdir(join(repository.stateDir, 'git'));
    expect(left.filter((each) => each.startsWith('merge-'))).toEqual([]);
  });

  it('goes on when its process is killed, and when git knows no kept process', async () => {
    const folder = join(scratch.folder, 'bin');
    await mkdir(folder);
    const trees = await treesOf([{ a: 'a' }, { a: 'a', b: 'b' }, { a: 'a', c: 'c' }]);
    const expected = await mergeTrees(repository, trees);
    // Dies with the third merge that it is told; the other refuses the option as 2.38 does.
    const real = (await execa('sh', ['-c', 'command -v git'])).stdout;
    const killed = `case "$*" in *--stdin*merge-tree*|*merge-tree*--stdin*) head -n 3 | '${real}' "$@"; kill -9 $$;; esac\nexec '${real}' "$@"`;
    const old = `case "$*" in *merge-tree*--stdin*) echo 'error: unknown option' >&2; exit 129;; esac\nexec '${real}' "$@"`;
    for (const script of [killed, old]) {
      await writeFile(join(folder, 'git'), `#!/bin/sh\n${script}\n`);
      await chmod(join(folder, 'git'), 0o755);
      const env = { ...scratch.env, PATH: `${folder}:${scratch.env.PATH}` };
      await using merger = await openMerger(await findRepository(scratch.root, env));
      const answers = await Promise.all(Array.from({ length: 7 }, () => merger.merge(trees)));
      expect(answers).toEqual(Array.from({ length: 7 }, () => expected));
    }
  });
});
