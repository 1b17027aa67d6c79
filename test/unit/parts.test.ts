import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { emptyTree } from '../../src/git/bytes.ts';
import { lineDiff } from '../../src/git/line-diff.ts';
import { importChanges } from '../../src/git/quarantine.ts';
import { findRepository, type Repository } from '../../src/git/repository.ts';
import { type Choice, listParts, type PatchFile, treeOfChoice } from '../../src/review/parts.ts';
import type { ObjectId } from '../../src/types.ts';
import { appliedByGit } from '../support/chosen-diff.ts';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';
import { changesBetween, type Entry, type Tree, twoTrees } from '../support/trees.ts';

let work: ScratchRepository;
let repo: Repository;
beforeAll(async () => {
  work = await scratchRepository();
  repo = await findRepository(work.root, work.env);
});
afterAll(() => work.remove());

const EMPTY = emptyTree('sha1');
const NOTHING: Tree = new Map();

async function imported(base: ObjectId, before: Tree, after: Tree): Promise<ObjectId> {
  await using result = await importChanges(repo, { tree: base }, changesBetween(before, after));
  await result.publish();
  return result.tree;
}

async function twoImported([before, after]: readonly [Tree, Tree]): Promise<{ base: ObjectId; tree: ObjectId }> {
  const base = await imported(EMPTY, NOTHING, before);
  return { base, tree: await imported(base, before, after) };
}

function text(content: string, mode: Entry['mode'] = '100644'): Entry {
  return { mode, content: Buffer.from(content, 'latin1') };
}

/** `n` numbered lines, some of them others. */
function lines(n: number, changed: Readonly<Record<number, string>> = {}): string {
  return Array.from({ length: n }, (_, at) => changed[at + 1] ?? `line ${at + 1}\n`).join('');
}

/** Long files that differ in several places: few different lines, so that a hunk would fit in many places. */
const longFiles: fc.Arbitrary<readonly [Tree, Tree]> = fc
  .array(
    fc.record({
      old: fc.array(fc.constantFrom('a', 'b', 'b\r', '', '\xff'), { minLength: 40, maxLength: 70 }),
      edits: fc.array(
        fc.record({
          at: fc.nat(70),
          drop: fc.nat(3),
          add: fc.array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 3 }),
        }),
        { minLength: 3, maxLength: 6 },
      ),
      ends: fc.tuple(fc.boolean(), fc.boolean()),
      modes: fc.constantFrom(
        ['100644', '100644'] as const,
        ['100644', '100644'] as const,
        ['100755', '100755'] as const,
        ['100644', '100755'] as const,
      ),
    }),
    { minLength: 1, maxLength: 3 },
  )
  .map((files) => {
    const [before, after] = [new Map<string, Entry>(), new Map<string, Entry>()];
    for (const [n, { old, edits, ends, modes }] of files.entries()) {
      const now: string[] = [...old];
      for (const { at, drop, add } of edits) now.splice(at, drop, ...add);
      const content = (all: readonly string[], ended: boolean) =>
        all.join('\n') + (ended && all.length > 0 ? '\n' : '');
      before.set(`long-${n}`, text(content(old, ends[0]), modes[0]));
      after.set(`long-${n}`, text(content(now, ends[1]), modes[1]));
    }
    return [before, after] as const;
  });

const someTrees: fc.Arbitrary<readonly [Tree, Tree]> = fc
  .tuple(twoTrees, longFiles)
  .map(([[a, b], [longA, longB]]) => [new Map([...a, ...longA]), new Map([...b, ...longB])] as const);

/** From a list of numbers: for each file nothing, all, or some of its hunks. */
function choiceOf(files: readonly PatchFile[], picks: readonly number[]): Choice {
  const choice = new Map<string, 'all' | ReadonlySet<number>>();
  for (const [at, file] of files.entries()) {
    const pick = picks[at % picks.length] ?? 0;
    if (pick % 4 === 0) continue;
    if (pick % 4 === 1 || file.isWhole) choice.set(file.path, 'all');
    else choice.set(file.path, new Set(file.hunks.map(({ n }) => n).filter((n) => ((pick >> (n % 12)) & 1) === 1)));
  }
  return choice;
}

function complement(files: readonly PatchFile[], choice: Choice): Choice {
  const rest = new Map<string, 'all' | ReadonlySet<number>>();
  for (const file of files) {
    const taken = choice.get(file.path);
    if (taken === undefined) rest.set(file.path, 'all');
    else if (taken !== 'all') rest.set(file.path, new Set(file.hunks.map(({ n }) => n).filter((n) => !taken.has(n))));
  }
  return rest;
}

async function chosen(trees: { base: ObjectId; tree: ObjectId }, choice: Choice): Promise<ObjectId | 'clash'> {
  return treeOfChoice(repo, trees, choice).catch((error: { code?: string }) => {
    if (error.code === 'PARTS_CLASH') return 'clash' as const;
    throw error;
  });
}

describe('a choice of files and hunks', () => {
  it('makes the tree that git makes of the base and exactly these', { timeout: 300_000 }, async () => {
    let [compared, partial] = [0, 0];
    await fc.assert(
      fc.asyncProperty(someTrees, fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 }), async (both, picks) => {
        const trees = await twoImported(both);
        const files = await listParts(repo, trees.base, trees.tree);
        const choice = choiceOf(files, picks);
        const made = await chosen(trees, choice);
        if (made === 'clash') {
          // Refused for a reason: git does not take it either.
          await expect(appliedByGit(work, trees, files, choice)).rejects.toThrow();
          return;
        }
        expect(made).toBe(await appliedByGit(work, trees, files, choice));
        compared += 1;
        if ([...choice.values()].some((wanted) => wanted !== 'all' && wanted.size > 0)) partial += 1;
        // What was left out, chosen in turn from there, leads to the whole result.
        const rest = await listParts(repo, made, trees.tree);
        const all = new Map(rest.map((file) => [file.path, 'all'] as const));
        expect(await treeOfChoice(repo, { base: made, tree: trees.tree }, all)).toBe(trees.tree);
      }),
      { numRuns: 60 },
    );
    expect(compared).toBeGreaterThan(20);
    expect(partial).toBeGreaterThan(5);
  });

  it('and its complement are all lines of the patch, in either order', { timeout: 300_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(longFiles, fc.array(fc.nat(0xffff), { minLength: 3, maxLength: 3 }), async (both, picks) => {
        const trees = await twoImported(both);
        const files = await listParts(repo, trees.base, trees.tree);
        const choice = choiceOf(files, picks);
        const [one, other] = [
          await treeOfChoice(repo, trees, choice),
          await treeOfChoice(repo, trees, complement(files, choice)),
        ];
        const size = (of: readonly PatchFile[]) => of.reduce((sum, file) => sum + file.insertions - file.deletions, 0);
        const whole = size(files);
        expect(size(await listParts(repo, trees.base, one)) + size(await listParts(repo, trees.base, other))).toBe(
          whole,
        );
      }),
      { numRuns: 30 },
    );
  });

  it('of all is the result, of nothing the base', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(someTrees, async (both) => {
        const trees = await twoImported(both);
        const files = await listParts(repo, trees.base, trees.tree);
        const all = new Map(files.map((file) => [file.path, 'all'] as const));
        const everyHunk = new Map(
          files.map(
            (file) => [file.path, file.hunks.length === 0 ? 'all' : new Set(file.hunks.map(({ n }) => n))] as const,
          ),
        );
        expect(await treeOfChoice(repo, trees, all)).toBe(trees.tree);
        expect(await treeOfChoice(repo, trees, everyHunk)).toBe(trees.tree);
        expect(await treeOfChoice(repo, trees, new Map())).toBe(trees.base);
      }),
      { numRuns: 40 },
    );
  });

  it('takes a file whose mode changes as a whole', async () => {
    const trees = await twoImported([
      new Map([['run', text(lines(40))]]),
      new Map([['run', text(lines(40, { 2: 'x\n', 30: 'y\n' }), '100755')]]),
    ]);
    const [file] = await listParts(repo, trees.base, trees.tree);
    expect(file).toMatchObject({ isWhole: true, oldMode: '100644', newMode: '100755', hunks: [{ n: 1 }, { n: 2 }] });
    await expect(treeOfChoice(repo, trees, new Map([['run', new Set([1])]]))).rejects.toMatchObject({
      ...{ kind: 'usage', code: 'WHOLE_FILE' },
      message: 'run can only be taken or left as a whole, because its mode changes.',
    });
  });

  it('refuses files and hunks that there are not, and says what there is', async () => {
    const trees = await twoImported([
      new Map([['a', text(lines(40))]]),
      new Map([
        ['a', text(lines(40, { 2: 'x\n', 30: 'y\n' }))],
        ['b', text('b')],
      ]),
    ]);
    await expect(treeOfChoice(repo, trees, new Map([['c', 'all']]))).rejects.toMatchObject({
      ...{ code: 'UNKNOWN_PART', message: 'The patch does not change c.', hint: 'It changes a, b.' },
    });
    for (const n of [0, 3, -1, 1.5, Number.NaN]) {
      await expect(treeOfChoice(repo, trees, new Map([['a', new Set([n])]]))).rejects.toMatchObject({
        ...{ code: 'UNKNOWN_PART', hint: 'It has the hunks 1 to 2.' },
      });
    }
  });

  it.each([
    ['a folder where a file stays', [['x', '1']], [['x/y', '2']], 'x/y'],
    [
      'a file where a folder stays',
      [
        ['x/y/z', '1'],
        ['x/w', '3'],
      ],
      [['x', '2']],
      'x',
    ],
  ] as const)('refuses %s', async (_, before, after, path) => {
    const tree = (entries: readonly (readonly [string, string])[]) =>
      new Map(entries.map(([name, value]) => [name, text(value)]));
    const trees = await twoImported([tree(before), tree(after)]);
    await expect(treeOfChoice(repo, trees, new Map([[path, 'all']]))).rejects.toMatchObject({
      ...{ kind: 'usage', code: 'PARTS_CLASH' },
    });
    // The other way round there is no clash: what goes may go alone.
    const deletions = new Map(before.map(([name]) => [name, 'all'] as const));
    expect(await treeOfChoice(repo, trees, deletions)).toBe(EMPTY);
  });

  it('takes and leaves submodules', async () => {
    const commit = await work.id('HEAD');
    const blob = (await work.git('hash-object', '-w', 'a.txt')).trim();
    const tree = async (id: string): Promise<ObjectId> => {
      await work.git('update-index', '--add', '--cacheinfo', `160000,${id},sub`, '--cacheinfo', `100644,${blob},f`);
      return (await work.git('write-tree')) as ObjectId;
    };
    const trees = { base: await tree('1'.repeat(40)), tree: await tree(commit) };
    await work.git('reset', '-q');
    expect(await listParts(repo, trees.base, trees.tree)).toMatchObject([{ path: 'sub', isWhole: true }]);
    expect(await treeOfChoice(repo, trees, new Map([['sub', 'all']]))).toBe(trees.tree);
  });

  it('tells names apart that look the same', async () => {
    const trees = await twoImported([
      NOTHING,
      new Map([
        ['\\xFF', text('1')],
        ['\xff', text('2')],
      ]),
    ]);
    const files = await listParts(repo, trees.base, trees.tree);
    expect(new Set(files.map((file) => file.path)).size).toBe(2);
    const [one, other] = files;
    const first = await treeOfChoice(repo, trees, new Map([[one?.path ?? '', 'all']]));
    expect((await lineDiff(repo, first, trees.tree)).map((file) => file.path)).toEqual([other?.rawPath]);
  });

  it('knows no hunks of binary files, nor of what comes after more than anybody reads', async () => {
    const big = lines(3000);
    const trees = await twoImported([
      NOTHING,
      new Map([
        ['a', text('\0\x01')],
        ['b', text('b\n')],
        ['c', text(big)],
        ['d', text(big)],
        ['e', text('')],
      ]),
    ]);
    const [a] = await listParts(repo, trees.base, trees.tree);
    expect(a).toMatchObject({ path: 'a', isWhole: true, unread: 'binary', hunks: [] });
    const contents = async (most: number) =>
      (await lineDiff(repo, trees.base, trees.tree, most)).map((file) => file.content);
    expect(await contents(1 << 20)).toEqual(['binary', 'lines', 'lines', 'lines', 'lines']);
    const cut = await contents(100);
    expect(cut.at(-1)).toBe('cut');
    expect(cut.slice(cut.indexOf('cut')).every((content) => content === 'cut')).toBe(true);
  });
});
