import { spawn } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findRepository } from '../../src/git/repository.ts';
import { whileLanding } from '../../src/merge/landing-lock.ts';
import { mergeApproved } from '../../src/merge/merge.ts';
import { openState } from '../../src/state/state.ts';
import { compiledProgram } from '../support/compiled.ts';
import { MergeScene } from '../support/merge-scene.ts';

const BIG = 'line\n'.repeat(2000);
const SUBJECTS = ['Delete and replace', 'Change', 'Add'];

/**
 * A git that numbers its calls, and at one of them kills the merge with its process group (`before` it does what it was asked
 * for), or whoever is at work (`before-all`, `after-all`: the mover and itself too). `torn`: in the middle of changing files.
 * `$STEPS` has a folder for each call.
 */
const GIT = `#!/bin/sh
real=$(PATH="$REAL_PATH" command -v git)
n=1
until mkdir "$STEPS/$n" 2>/dev/null; do n=$((n + 1)); done
printf '%s\\n' "$*" >"$STEPS/$n/args"
[ "$n" = "$KILL_AT" ] || exec "$real" "$@"
merge=$(cat "$STEPS/pid")
case "$KILL_HOW" in
  before) kill -9 "-$merge"; exec "$real" "$@" ;;
  before-all) kill -9 "$merge" $PPID $$ ;;
  after-all) "$real" "$@"; kill -9 "$merge" $PPID $$ ;;
  torn) cp -p "$GIT_INDEX_FILE" "$STEPS/index"; "$real" "$@"; cp -p "$STEPS/index" "$GIT_INDEX_FILE"
    printf 'line\\nline\\n' >big; rm -f changed; kill -9 "$merge" $PPID $$ ;;
esac
`;

let template: string;
let bin: string;
const trash: string[] = [];

beforeAll(async () => {
  const scene = await MergeScene.create({ changed: 'before\n', gone: 'gone\n', mine: 'mine\n', 'dir/file': 'f\n' });
  await scene.add({ title: 'Add', files: { big: BIG, 'deep/er': 'x\n' } });
  await scene.add({ title: 'Change', files: { changed: 'after\n' } });
  await scene.add({ title: 'Delete and replace', files: { gone: null, 'dir/file': null, dir: 'a file now\n' } });
  await scene.work.write('mine', 'local change\n');
  scene.state.close();
  template = scene.work.folder;
  bin = await mkdtemp(path.join(tmpdir(), 'orchestrate-bin-'));
  trash.push(template, bin);
  await writeFile(path.join(bin, 'git'), GIT);
  await chmod(path.join(bin, 'git'), 0o755);
});

afterAll(async () => {
  for (const folder of trash) await rm(folder, { recursive: true, force: true });
});

interface Killing {
  readonly at: number;
  readonly how: 'before' | 'before-all' | 'after-all' | 'torn';
  readonly into?: string;
}

/** Runs the merge in a copy of the template, and resolves when it is dead or done. */
async function killed(killing: Killing): Promise<{ folder: string; env: Record<string, string>; calls: string[] }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'orchestrate-killed-'));
  trash.push(folder);
  await cp(template, folder, { recursive: true, preserveTimestamps: true });
  const steps = path.join(folder, 'steps');
  await mkdir(steps);
  const real = process.env.PATH ?? '/usr/bin:/bin';
  const names = { GIT_AUTHOR_NAME: 'Ada', GIT_AUTHOR_EMAIL: 'ada@example.com' };
  const env = {
    ...{ PATH: real, HOME: path.join(folder, 'home'), GIT_CONFIG_NOSYSTEM: '1', ...names },
    ...{ GIT_COMMITTER_NAME: names.GIT_AUTHOR_NAME, GIT_COMMITTER_EMAIL: names.GIT_AUTHOR_EMAIL },
  };
  const program = compiledProgram('test/support/merge-program');
  const child = spawn(process.execPath, [program, path.join(folder, 'work'), path.join(steps, 'pid')], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...{ ...env, PATH: `${bin}:${real}`, REAL_PATH: real, STEPS: steps },
      ...{ KILL_AT: String(killing.at), KILL_HOW: killing.how },
      ...(killing.into === undefined ? {} : { MERGE_INTO: killing.into }),
    },
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const end = await new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? String(code)));
  });
  expect(end, said).toBe(killing.at === 0 ? '0' : 'SIGKILL');
  const numbers = (await readdir(steps)).filter((name) => /^\d+$/.test(name)).sort((a, b) => Number(a) - Number(b));
  const calls = await Promise.all(numbers.map((n) => readFile(path.join(steps, n, 'args'), 'utf8').catch(() => '')));
  return { folder, env, calls };
}

/** Branch, index and files agree; then a merge lands what is left, each patch once. */
async function expectMended({ folder, env }: Awaited<ReturnType<typeof killed>>, into?: string): Promise<void> {
  const root = path.join(folder, 'work');
  const repo = await findRepository(root, env);
  const state = openState(repo.stateDir);
  try {
    const { git } = await import('../../src/git/git.ts');
    const ask = async (...args: string[]): Promise<string> =>
      (await git({ cwd: root, env, config: [] }, args)).stdout.toString('utf8');
    await whileLanding(
      repo,
      state,
      () => {},
      async () => {},
    );
    expect(await ask('status', '--porcelain', '-uall')).toBe(' M mine\n');
    expect(state.openMerges()).toEqual([]);
    const states = new Set(state.patches().map((patch) => patch.state));
    expect([['approved'], ['merged']]).toContainEqual([...states]);
    await mergeApproved(repo, state, {
      ...{ into: into ?? null, commands: [], signal: new AbortController().signal },
      openChecker: () => Promise.reject(new Error('nothing is checked')),
      ...{ onProgress: () => {}, onWarning: () => {} },
    });
    expect(await ask('log', '--format=%s', '-3', into ?? 'main')).toBe(`${SUBJECTS.join('\n')}\n`);
    expect(await ask('rev-list', '--count', into ?? 'main')).toBe('5\n');
    expect(await ask('status', '--porcelain', '-uall')).toBe(' M mine\n');
    expect(await readFile(path.join(root, 'mine'), 'utf8')).toBe('local change\n');
    for (const patch of state.patches()) {
      expect(patch.state).toBe('merged');
      await ask('merge-base', '--is-ancestor', patch.mergedAs ?? '', into ?? 'main');
    }
    expect(await locksIn(repo.gitDir)).toEqual([]);
    expect(await readdir(path.join(repo.stateDir, 'landing')).catch(() => [])).toEqual([]);
  } finally {
    state.close();
  }
}

async function locksIn(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.lock'));
}

async function inTurn<Item>(items: readonly Item[], act: (item: Item) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const work = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await act(item);
  };
  await Promise.all([work(), work(), work()]);
}

/** The calls from when the commits are written on: before that nothing of the user's has changed. */
async function landingCalls(into?: string): Promise<number[]> {
  const { calls } = await killed({ at: 0, how: 'before', ...(into === undefined ? {} : { into }) });
  const first = calls.findIndex((args) => args.includes('index-pack'));
  expect(first).toBeGreaterThan(0);
  return calls.map((_, n) => n + 1).slice(first);
}

describe('a merge that is killed', () => {
  it('at any step leaves a branch, an index and files that agree, and no patch lost or merged twice', async () => {
    const calls = await landingCalls();
    const kills = calls.flatMap((at) => (['before', 'before-all', 'after-all'] as const).map((how) => ({ at, how })));
    expect(kills.length).toBeGreaterThan(20);
    await inTurn(kills, async (kill) => expectMended(await killed(kill)));
  }, 240_000);

  it('with its process group goes all of the way once files are being changed', async () => {
    const { calls } = await killed({ at: 0, how: 'before' });
    const at = calls.findIndex((args) => args.includes('read-tree -m -u')) + 1;
    const { folder, env } = await killed({ at, how: 'before' });
    const repo = await findRepository(path.join(folder, 'work'), env);
    const state = openState(repo.stateDir);
    const said: string[] = [];
    await whileLanding(
      repo,
      state,
      (line) => said.push(line),
      async () => {},
    );
    const states = state.patches().map((patch) => patch.state);
    state.close();
    expect(said).toEqual([expect.stringContaining('had landed')]);
    expect(states).toEqual(['merged', 'merged', 'merged']);
  }, 60_000);

  it('in the middle of changing files gets them back as they were', async () => {
    const { calls } = await killed({ at: 0, how: 'before' });
    const at = calls.findIndex((args) => args.includes('read-tree -m -u')) + 1;
    const dead = await killed({ at, how: 'torn' });
    expect(await locksIn(path.join(dead.folder, 'work/.git'))).toEqual(['index.lock']);
    expect(await readFile(path.join(dead.folder, 'work/big'), 'utf8')).toBe('line\nline\n');
    await expectMended(dead);
  }, 60_000);

  it('takes back nothing that somebody wrote since then, and no lock that another git holds', async () => {
    const { calls } = await killed({ at: 0, how: 'before' });
    const at = calls.findIndex((args) => args.includes('read-tree -m -u')) + 1;
    const { folder, env } = await killed({ at, how: 'torn' });
    const root = path.join(folder, 'work');
    await writeFile(path.join(root, 'changed'), 'by a person\n');
    await writeFile(path.join(root, '.git/index.lock'), '');
    const repo = await findRepository(root, env);
    const state = openState(repo.stateDir);
    const said: string[] = [];
    await whileLanding(
      repo,
      state,
      (line) => said.push(line),
      async () => {},
    );
    state.close();
    expect(await readFile(path.join(root, 'changed'), 'utf8')).toBe('by a person\n');
    expect(await locksIn(repo.gitDir)).toEqual(['index.lock']);
    expect((await readdir(root)).sort()).toEqual(['.git', 'a.txt', 'changed', 'dir', 'gone', 'mine']);
    expect(said).toEqual([
      expect.stringContaining('had not landed and was taken back'),
      'files that were changed since then were left as they are: changed',
    ]);
  }, 60_000);

  it('at any step leaves a branch that is not checked out where it was, or all of the way', async () => {
    const calls = await landingCalls('night');
    const kills = calls.flatMap((at) => (['before', 'after-all'] as const).map((how) => ({ at, how, into: 'night' })));
    await inTurn(kills, async (kill) => expectMended(await killed(kill), 'night'));
  }, 120_000);
});
