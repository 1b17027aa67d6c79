import { afterEach, beforeEach, expect, it } from 'vitest';
import { nearestTree } from '../../src/git/nearest.ts';
import { findRepository, type Repository } from '../../src/git/repository.ts';
import type { ObjectId } from '../../src/types.ts';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';

const NOT_HERE = 'a'.repeat(40) as ObjectId;

let work: ScratchRepository;
let repo: Repository;
beforeEach(async () => {
  work = await scratchRepository();
  repo = await findRepository(work.root, work.env);
});
afterEach(() => work.remove());

async function commit(...files: readonly string[]): Promise<ObjectId> {
  for (const file of files) await work.write(file, `${Math.random()}\n`);
  await work.commit();
  return (await work.id('HEAD^{tree}')) as ObjectId;
}

it('is the tree with the fewest changes, whatever else the host has', async () => {
  const far = await commit('a', 'b', 'c');
  const near = await commit('a');
  const blob = (await work.id('HEAD:a')) as ObjectId;
  const tree = await commit('b');
  expect(await nearestTree(repo, tree, [NOT_HERE, blob, far, near])).toBe(near);
  expect(await nearestTree(repo, tree, [far])).toBe(far);
  expect(await nearestTree(repo, tree, [NOT_HERE])).toBeNull();
  expect(await nearestTree(repo, tree, [])).toBeNull();
});

it('is the one that was used last where they are as near', async () => {
  const first = await commit('a');
  const second = await commit('a');
  const tree = await commit('a');
  expect(await nearestTree(repo, tree, [second, first])).toBe(second);
  expect(await nearestTree(repo, tree, [first, second])).toBe(first);
});

it('is none where most of a large tree is another', async () => {
  const names = (folder: string): string[] => Array.from({ length: 250 }, (_, at) => `${folder}/${at}`);
  const other = await commit(...names('old'));
  await work.git('rm', '-rq', 'old');
  const tree = await commit(...names('new'));
  expect(await nearestTree(repo, tree, [other])).toBeNull();
});
