import { readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ObjectId } from '../../src/types.ts';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';
import { LocalKeeper, lay } from '../support/keeper.ts';

const PLENTY = { used: [], maxBytes: 1e12, maxLayers: 100 };

let keeper: LocalKeeper;
let repository: ScratchRepository;

beforeEach(async () => {
  keeper = await LocalKeeper.start();
  repository = await scratchRepository();
});
afterEach(async () => {
  await keeper[Symbol.asyncDispose]();
  await repository.remove();
});

/** A tree with a file of so many bytes, whole or over another one, last used so many days ago. */
async function tree(name: string, days: number, options: { bytes?: number; from?: ObjectId } = {}): Promise<ObjectId> {
  await repository.write('content', name.repeat(options.bytes ?? 1));
  await repository.commit();
  const laid = await lay(keeper.client, repository, 'HEAD', options.from);
  const used = new Date(Date.now() - days * 24 * 3_600_000);
  await utimes(keeper.at('t', laid.tree, 'meta.json'), used, used);
  return laid.tree;
}

const left = async () => (await keeper.client.trees()).map((layer) => layer.tree).sort();

describe('a store with too many layers', () => {
  it('loses the ones that were used longest ago, and no more than it has to', async () => {
    const [older, oldest, newest] = [await tree('a', 2), await tree('b', 3), await tree('c', 1)];
    expect(await keeper.client.trim(PLENTY)).toEqual([]);
    expect(await keeper.client.trim({ ...PLENTY, maxLayers: 2 })).toEqual([oldest]);
    expect(await left()).toEqual([older, newest].sort());
    expect(await keeper.client.trim({ ...PLENTY, maxLayers: 0 })).toEqual([older, newest]);
  });

  it('keeps what is used with all that it stands on, and counts it as used now', async () => {
    const below = await tree('a', 9);
    const used = await tree('b', 8, { from: below });
    const other = await tree('c', 7, { from: below });
    const newer = await tree('d', 1);
    expect(await keeper.client.trim({ ...PLENTY, used: [used, 'f'.repeat(40) as ObjectId], maxLayers: 0 })).toEqual([
      other,
      newer,
    ]);
    expect(await left()).toEqual([below, used].sort());
    const young = await tree('e', 1);
    expect(await keeper.client.trim({ ...PLENTY, maxLayers: 2 })).toEqual([young]);
  });

  it('takes stacks down from the top', async () => {
    const below = await tree('a', 9);
    const middle = await tree('b', 1, { from: below });
    const top = await tree('c', 5, { from: middle });
    expect(await keeper.client.trim({ ...PLENTY, maxLayers: 0 })).toEqual([top, middle, below]);
  });

  it('keeps all of them while it has an attempt', async () => {
    await tree('a', 1);
    await keeper.client.prepareAttempt({ id: 'a.1', homeFiles: [] });
    expect(await keeper.client.trim({ ...PLENTY, maxLayers: 0 })).toEqual([]);
    await keeper.client.removeAttempt('a.1');
    expect(await keeper.client.trim({ ...PLENTY, maxLayers: 0 })).toHaveLength(1);
  });
});

describe('a store that is too large', () => {
  it('is judged by what its layers take on the disk, measured once', async () => {
    const [large, small] = [await tree('a', 3, { bytes: 3_000_000 }), await tree('b', 4)];
    expect(await keeper.client.trim({ ...PLENTY, maxBytes: 4_000_000 })).toEqual([]);
    const bytes = Number(await readFile(keeper.at('t', large, 'bytes'), 'utf8'));
    expect(bytes).toBeGreaterThan(3_000_000);
    expect(bytes).toBeLessThan(4_000_000);
    // Whoever measured again would find it small.
    await writeFile(keeper.at('t', small, 'bytes'), '9000000\n');
    expect(await keeper.client.trim({ ...PLENTY, maxBytes: 4_000_000 })).toEqual([small]);
    expect(await keeper.client.trim({ ...PLENTY, maxBytes: 1_000_000 })).toEqual([large]);
    await expect(stat(keeper.at('t', large))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
