// Trees laid over one another, each by its difference to the one before: not without end, and exact all the way.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ObjectId } from '../../src/types.ts';
import { SandboxBench } from '../support/sandbox.ts';

const CHAIN = 12;
const MOST_LAYERS = 8;
/** Of the workspace: how many layers it stands on, what git misses, and what every file holds. */
const LOOK = `
  sed -n 's/.* \\/workspace .*lowerdir=\\([^,]*\\).*/\\1/p' /proc/self/mountinfo | tr ':' '\\n' | grep -c .
  git status --porcelain
  git rev-parse 'HEAD^{tree}'
  find . -path ./.git -prune -o -type f -print | LC_ALL=C sort | xargs -d '\\n' git hash-object --no-filters --`;

let bench: SandboxBench;

beforeAll(async () => {
  bench = await SandboxBench.open({ files: { 'kept.txt': 'kept\n', 'changed.txt': '0\n', 'gone-0/file': '0\n' } });
});
afterAll(() => bench?.[Symbol.asyncDispose]());

it('a chain longer than the most layers is laid out on fewer again, and every tree of it is exact', async () => {
  const { scratch, host } = bench;
  let near: ObjectId | null = (await scratch.git('rev-parse', 'HEAD^{tree}')) as ObjectId;
  const layers: number[] = [];
  for (let n = 1; n <= CHAIN; n += 1) {
    // Changes a file, adds one, takes a folder away: a whiteout over the layer before.
    await scratch.git('rm', '-rq', `gone-${n - 1}`);
    await scratch.write({ 'changed.txt': `${n}\n`, [`added/${n}.txt`]: `${n}\n`, [`gone-${n}/file`]: `${n}\n` });
    await scratch.git('add', '--all');
    await scratch.git('commit', '--quiet', '--message', `${n}`);
    const [tree, commit] = (await scratch.git('rev-parse', 'HEAD^{tree}', 'HEAD')).split('\n') as [ObjectId, ObjectId];
    await host.prepareTree({ tree, commit, near });
    const end = await bench.run(LOOK, { on: { tree, commit } });
    const [count, ...seen] = end.output.trim().split('\n');
    const blobs = await scratch.git('ls-tree', '-r', '--format=%(objectname)', 'HEAD');
    expect(seen).toEqual([tree, ...blobs.split('\n')]);
    expect(end).toMatchObject({ exitCode: 0, tree, changed: [] });
    layers.push(Number(count));
    near = tree;
  }
  expect(layers).toEqual([2, 3, 4, 5, 6, 7, 8, 4, 5, 6, 7, 8]);
  expect(Math.max(...layers)).toBe(MOST_LAYERS);
});
