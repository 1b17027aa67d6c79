// `patch apply` beside other terminals: what lands is the patch as it is when it lands, and the state says so.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyAll } from '../../cli/commands/patch-apply.ts';
import type { Context } from '../../cli/context.ts';
import { createContext } from '../../cli/wire.ts';
import { whileLanding } from '../../src/merge/landing-lock.ts';
import type { AttemptId, ObjectId } from '../../src/types.ts';
import { MergeScene } from '../support/merge-scene.ts';

let on: MergeScene;
let id: AttemptId;
let context: Context;
beforeEach(async () => {
  on = await MergeScene.create({ a: 'a\n' });
  id = await on.add({ title: 'Work', files: { x: 'as it was\n' } });
  const { stdin, stdout, stderr } = process;
  const terminal = { in: stdin, out: stdout, err: stderr, env: on.work.env, cwd: on.work.root };
  context = createContext(terminal, { repo: null, json: false, color: false, verbose: false, quiet: true });
});
afterEach(async () => {
  await context.close();
  await on[Symbol.asyncDispose]();
});

const ROOT = path.resolve(import.meta.dirname, '../..');
const OPTIONS = { branch: null, commit: true, withDependencies: false, unreviewed: false };

async function applyPatches() {
  const { applied, stopped } = await applyAll(context, [id], OPTIONS);
  if (stopped !== null) throw stopped;
  return applied;
}

/** Applies while another process lands, which then does `act`. */
async function applyBehind(act: () => Promise<void> | void): ReturnType<typeof applyPatches> {
  let applying: ReturnType<typeof applyPatches> | null = null;
  await whileLanding(
    on.repo,
    on.state,
    () => {},
    async () => {
      // It has looked at the patch once it has the state open for writing.
      const looked = new Promise<void>((resolve) => {
        const state = context.state;
        context.state = async () => {
          const opened = await state.call(context);
          resolve();
          return opened;
        };
      });
      applying = applyPatches();
      applying.catch(() => {});
      await looked;
      await act();
    },
  );
  if (applying === null) throw new Error('nothing was applied');
  return applying;
}

async function amended(): Promise<void> {
  const patch = on.state.patch(id);
  if (patch === null) throw new Error('there is no patch');
  const tree = on.treeWith(patch.baseTree, { x: 'amended\n' });
  const commit = (await on.work.git('commit-tree', '-p', 'HEAD', '-m', 'amended', tree)) as ObjectId;
  const content = { tree, commit, size: patch.size, flags: [] };
  on.state.amendPatch(patch, { ...content, state: 'approved', decidedBy: 'person' });
}

describe('patch apply', () => {
  it('applies a patch as it was amended while it waited for its turn', async () => {
    await applyBehind(amended);
    expect(await readFile(path.join(on.work.root, 'x'), 'utf8')).toBe('amended\n');
    expect(on.states()).toEqual({ [id]: 'merged' });
    expect(on.state.openMerges()).toEqual([]);
  });

  it('does not apply what was rejected while it waited for its turn', async () => {
    const applying = applyBehind(() => {
      on.state.setPatchState(id, ['approved'], 'rejected');
    });
    await expect(applying).rejects.toMatchObject({ code: 'PATCH_STATE' });
    expect(await on.work.git('log', '--format=%s')).not.toContain('Work');
  });

  it('killed while files are being changed leaves a branch and files that agree', async () => {
    const pidFile = path.join(on.work.folder, 'pid');
    await on.work.write('.gitattributes', '* filter=deadly\n');
    await on.work.commit('attributes');
    await on.work.git('config', 'filter.deadly.smudge', `kill -9 $(cat '${pidFile}') 2>/dev/null; cat`);
    const program = ['--import', 'tsx', 'cli/main.ts', '--repo', on.work.root, 'patch', 'apply', id];
    const child = spawn(process.execPath, program, { cwd: ROOT, env: on.work.env, stdio: 'ignore' });
    await writeFile(pidFile, String(child.pid));
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
    await whileLanding(
      on.repo,
      on.state,
      () => {},
      async () => {},
    );
    expect(await on.work.git('status', '--porcelain')).toBe('');
    expect(await on.work.git('log', '-1', '--format=%s')).toBe('Work');
    expect(on.states()).toEqual({ [id]: 'merged' });
  });
});
