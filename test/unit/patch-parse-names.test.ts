import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findRepository, type Repository } from '../../src/git/repository.ts';
import { inspectNames } from '../../src/patch/inspect/names.ts';
import { parsePatch } from '../../src/patch/parse.ts';
import { OUTSIDE_PATCH } from '../../src/patch/parsed.ts';
import { inspectPatch } from '../../src/patch/self-check.ts';
import type { ObjectId } from '../../src/types.ts';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';

let work: ScratchRepository;
let repo: Repository;
let base: ObjectId;
beforeAll(async () => {
  work = await scratchRepository();
  repo = await findRepository(work.root, work.env);
  base = (await work.id('HEAD^{tree}')) as ObjectId;
});
afterAll(() => work.remove());

/** Makes a commit, takes it back, and gives its tree. */
async function treeWith(make: () => Promise<unknown>): Promise<ObjectId> {
  await make();
  await work.commit();
  const tree = await work.id('HEAD^{tree}');
  await work.git('reset', '-q', '--hard', 'HEAD~');
  return tree as ObjectId;
}

async function flagsFor(make: () => Promise<unknown>): Promise<string[]> {
  const { flags } = await inspectPatch(repo, base, await treeWith(make));
  return flags.map(({ code, path }) => `${code} ${path}`);
}

describe('inspectNames', () => {
  it('has nothing to say about ordinary names and links', async () => {
    const make = async () => {
      await work.write('src/Größe/日本 語.txt', 'x');
      await work.write('src/.github/..x/a~b', 'x');
      await work.link('src/link', '../a.txt');
    };
    expect(await flagsFor(make)).toEqual([]);
  });

  it('flags names that fool people', async () => {
    const make = async () => {
      await work.write('a\x1b[31mb', 'x');
      await work.write('exe\u202etxt', 'x');
      await work.write('zero\u200bwidth', 'x');
      await work.write('back\\slash', 'x');
      await work.write(Buffer.from('latin\xe9', 'latin1'), 'x');
    };
    expect((await flagsFor(make)).sort()).toEqual([
      'backslash-path back\\slash',
      'bidi-characters exe\\xe2\\x80\\xaetxt',
      'control-characters a\\x1b[31mb',
      'invisible-characters zero\\xe2\\x80\\x8bwidth',
      'not-utf8 latin\\xe9',
    ]);
  });

  it.each([
    ['/etc/passwd', true],
    ['../../x', true],
    ['../x', false],
    ['deep/../../../x', true],
    ['.git/hooks', true],
    ['../.GIT', true],
    ['.', false],
  ])('judges a link folder/link to %s', async (target, outside) => {
    const flags = await flagsFor(() => work.link('folder/link', target));
    expect(flags).toEqual(outside ? ['symlink-outside folder/link'] : []);
  });

  it('flags a link that is changed, too', async () => {
    const before = await treeWith(() => work.link('link', 'a.txt'));
    const after = await treeWith(() => work.link('link', '/etc'));
    const { flags } = await inspectPatch(repo, before, after);
    expect(flags).toMatchObject([{ code: 'symlink-outside', path: 'link', detail: expect.stringContaining('/etc') }]);
  });

  it.each([
    [['Readme', 'README', 'x'], ['case-twin Readme']],
    [
      ['src/a', 'SRC/b', 'src/c'],
      ['case-twin SRC/b', 'case-twin src/c'],
    ],
    [['stra\u00dfe', 'STRASSE'], ['case-twin stra\u00dfe']],
    [['\u00e9', 'e\u0301'], ['case-twin \u00e9']],
    [['src/a', 'src-a', 'srcA/a', 'src.a'], []],
  ])('finds names that some file systems take for one among %j', async (names, found) => {
    const flags = await flagsFor(async () => {
      for (const name of names) await work.write(name, name);
    });
    expect(flags.sort()).toEqual(found);
  });
});

describe('inspectPatch', () => {
  it('says when a patch is too large to be inspected', async () => {
    const content = Buffer.alloc(17 * 1024 * 1024, 'one more line\n');
    expect(await flagsFor(() => work.write('large', content))).toEqual(['not-inspected .']);
  });

  it('says when the strict parser would refuse the patch', async () => {
    const entry = `120000,${await work.id('HEAD:a.txt')},GITMOD~1`;
    await work.git('-c', 'core.protectNTFS=false', 'update-index', '--add', '--cacheinfo', entry);
    const tree = (await work.git('-c', 'core.protectNTFS=false', 'write-tree')) as ObjectId;
    await work.git('read-tree', 'HEAD');
    const { flags } = await inspectPatch(repo, base, tree);
    expect(flags).toContainEqual({ code: 'strict-refusal', path: '.', detail: expect.stringContaining('GITMOD~1') });
  });

  it('counts what would be too many flags', async () => {
    const flags = await flagsFor(async () => {
      for (let n = 0; n < 230; n += 1) await work.write(`a\\${n}`, 'x');
    });
    expect(flags).toHaveLength(201);
    expect(flags.at(-1)).toBe('more-flags .');
  });

  it('reads what patch show prints', async () => {
    const tree = await treeWith(() => work.write('a.txt', 'changed\n'));
    const patch = await work.bytes('diff', '--binary', '--full-index', base, tree);
    expect(inspectNames(parsePatch(patch, OUTSIDE_PATCH))).toEqual([]);
  });
});
