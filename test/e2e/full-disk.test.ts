// The disk of the repository's state fills up and is freed again: a run waits meanwhile, loses nothing, and goes on by itself.

import { mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { Scratch } from '../support/scratch.ts';

const MB = 1e6;
const WAIT = { timeout: 90_000, interval: 500 };

interface Told {
  readonly status: string;
  readonly reason: string | null;
  readonly attempts: readonly { readonly outcome: string | null }[];
}

let scratch: Scratch;
let state: string;

beforeAll(async () => {
  if (process.getuid?.() !== 0) throw new Error('this test needs root: it mounts a small file system');
  scratch = await Scratch.create();
  state = path.join(scratch.repository, '.git/orchestrate');
  await mkdir(state, { mode: 0o700 });
  await execa('mount', ['-t', 'tmpfs', '-o', 'size=64m,mode=0700', 'tmpfs', state]);
});
afterAll(async () => {
  await execa('umount', ['--lazy', state], { reject: false });
  await scratch?.[Symbol.asyncDispose]();
});

async function fill(leave: number): Promise<void> {
  const { bsize, bavail } = await statfs(state);
  try {
    await writeFile(path.join(state, 'filler'), Buffer.alloc(bsize * bavail - leave));
  } catch (error) {
    // Full is full: a run that writes at the same moment may take the last of it.
    if (leave > 0 || (error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

const free = (): Promise<void> => rm(path.join(state, 'filler'));
const task = (): Promise<Told> => scratch.json<Told>(['task', 'work']);

it('a run holds before its first agent, and takes what agents did when there is room for it', async () => {
  await scratch.submitScript(
    'work',
    'head -c 100000 /dev/urandom > work.bin; for n in 1 2 3 4 5 6; do sleep 1; echo $n; done',
  );
  await fill(2 * MB);
  const run = scratch.orchestrate(['run', '--engine', 'demo', '--json']);
  const held = expect.stringContaining("held: the disk of the repository's state is nearly full");
  await vi.waitFor(
    async () => expect(await task()).toMatchObject({ status: 'queued', reason: held, attempts: [] }),
    WAIT,
  );
  await free();
  await vi.waitFor(async () => expect((await task()).status).toBe('running'), WAIT);
  await fill(0);
  await vi.waitFor(async () => expect(await task()).toMatchObject({ attempts: [{ outcome: 'lost' }] }), WAIT);
  await free();
  const answer = await run;
  expect(answer).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await task()).toMatchObject({
    status: 'succeeded',
    attempts: [{ outcome: 'lost' }, { outcome: 'succeeded' }],
  });
  const { patches } = await scratch.json<{ patches: { id: string; status: string }[] }>(['patch', 'list']);
  expect(patches.map(({ id, status }) => [id, status])).toEqual([
    ['work.1', 'salvaged'],
    ['work.2', 'pending'],
  ]);
  await execa('sh', ['-c', `test ! -e "$0/spare"`, state]);
});
