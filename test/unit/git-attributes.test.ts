import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { filtersOf } from '../../src/git/attributes.ts';
import { findRepository } from '../../src/git/repository.ts';
import type { ObjectId } from '../../src/types.ts';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';

let work: ScratchRepository;
beforeEach(async () => {
  work = await scratchRepository({ empty: true });
});
afterEach(() => work.remove());

async function filters(paths: readonly (string | Buffer)[]): Promise<string[]> {
  const tree = (await work.id('HEAD^{tree}')) as ObjectId;
  const repository = await findRepository(work.root, work.env);
  const found = await filtersOf(
    repository,
    tree,
    paths.map((path) => Buffer.from(path)),
  );
  return found.map(({ path, filter }) => `${path.toString('latin1')} ${filter}`);
}

describe('filters of paths', () => {
  it('follow the attributes of all folders on the way, whether or not the path is there', async () => {
    await work.write('.gitattributes', '*.bin filter=lfs\n*.x filter=one\n');
    await work.write('d/.gitattributes', '*.x filter=two\n*.bin -filter\n');
    await work.write('d/e/.gitattributes', '*.x !filter\n/deep.y filter=deep\n');
    await work.write('e/.gitattributes', '* filter=other\n');
    await work.commit();
    expect(
      await filters(['a.bin', 'n/a.bin', 'a.x', 'a.y', 'd/a.x', 'd/a.bin', 'd/e/a.x', 'd/e/deep.y', 'd/e/f/deep.y']),
    ).toEqual(['a.bin lfs', 'n/a.bin lfs', 'a.x one', 'd/a.x two', 'd/e/deep.y deep']);
  });

  it('are found below folders with any name', async () => {
    const odd = Buffer.from('new\nline missing\n/\xff', 'latin1');
    await work.write(Buffer.concat([odd, Buffer.from('/.gitattributes')]), '* filter=odd\n');
    await work.commit();
    const inside = Buffer.concat([odd, Buffer.from('/x')]);
    const beside = Buffer.from('new\nline missing\n/y');
    expect(await filters([beside, inside])).toEqual([`${inside.toString('latin1')} odd`]);
  });

  it("come from the tree alone, and run nothing of the user's", async () => {
    await work.write('a.txt', 'a\n');
    await work.commit();
    await work.arm();
    await work.write('.gitattributes', '* filter=evil\n');
    expect(await filters(['a.txt'])).toEqual([]);
    expect(await work.markers()).toEqual([]);
  });
});
