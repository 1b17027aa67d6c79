/** A hundred patches that touch different files, merged: by git in a work tree, and by us in memory. */

import { execa } from 'execa';
import { commitChain } from '../src/git/commits.ts';
import { openMerger } from '../src/git/merger.ts';
import { findRepository } from '../src/git/repository.ts';
import { stackUp, topOf } from '../src/merge/stack.ts';
import type { AttemptId, ObjectId } from '../src/types.ts';
import type { Contestant } from './measure.ts';

const PATCHES = 100;

export interface MergeContestants {
  readonly ours: Contestant;
  readonly baseline: Contestant;
}

/** In a repository of the benchmark, whose branches `patch-<n>` are made here; both leave it as it was. */
export async function mergeContestants(at: string, env: Readonly<Record<string, string>>): Promise<MergeContestants> {
  const git = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await execa('git', args, { cwd: at, env });
    return stdout;
  };
  await makePatches(at, await git('ls-tree', '-r', '--name-only', 'main'), env);
  const revisions = Array.from({ length: PATCHES }, (_, n) => `patch-${n}^{tree}`);
  const [tip = '', onto = '', ...trees] = (await git('rev-parse', 'main', 'main^{tree}', ...revisions)).split('\n');
  const patches = trees.map((tree, n) => ({
    ...{ id: `patch-${n}.1` as AttemptId, baseTree: onto as ObjectId, tree: tree as ObjectId, below: [] },
  }));
  const repository = await findRepository(at, { ...process.env, ...env });
  /** What was made would be there already the next time. */
  const settle = async (): Promise<void> => {
    await git('reset', '--quiet', '--hard', tip);
    await git('reflog', 'expire', '--expire=now', '--all');
    await git('prune', '--expire=now');
  };
  const merged = async (): Promise<ObjectId> => {
    await using merger = await openMerger(repository);
    const stack = await stackUp(onto as ObjectId, patches, (merge) => merger.merge(merge));
    const commits = stack.steps.map(({ tree, patch }) => ({ tree, message: `merge ${patch.id}\n` }));
    if (commits.length !== PATCHES) throw new Error('patches that do not touch each other conflict');
    await commitChain(repository, tip as ObjectId, { commits });
    return topOf(stack);
  };
  const looped = async (): Promise<void> => {
    for (let n = 0; n < PATCHES; n += 1) await git('merge', '--quiet', '--no-ff', '--no-edit', `patch-${n}`);
  };
  await looped();
  const expected = await git('rev-parse', 'HEAD^{tree}');
  await settle();
  if ((await merged()) !== expected) throw new Error('both ways make different trees');
  return {
    ours: { name: 'ours', per: PATCHES, run: merged, settle },
    baseline: { name: 'git merge in a work tree', per: PATCHES, run: looped, settle },
  };
}

/** Each changes a file of its own, all over the tree. */
async function makePatches(at: string, files: string, env: Readonly<Record<string, string>>): Promise<void> {
  const names = files.split('\n');
  const step = Math.floor(names.length / PATCHES);
  const commits = Array.from({ length: PATCHES }, (_, n) => {
    const content = `changed by patch ${n}\n`;
    return [
      `commit refs/heads/patch-${n}\ncommitter Bench <bench@example.invalid> 1700000001 +0000\ndata 5\npatch`,
      `from refs/heads/main^0\nM 100644 inline ${names[n * step]}\ndata ${content.length}\n${content}\n`,
    ].join('\n');
  });
  await execa('git', ['fast-import', '--quiet'], { cwd: at, env, input: commits.join('') });
}
