/**
 * Workspaces without an overlay: a copy of a tree's layers, made as the agents' own user, and what is remembered of it,
 * so that collecting need not read what nobody touched.
 */

import { lstatSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CallFault } from '../session/protocol.ts';
import type { WholeView } from './changes.ts';
import { diskUsage } from './disk-usage.ts';
import { ReadRoot } from './files.ts';
import { restamp, stampsOf } from './git-index.ts';
import { isMissing, Layers } from './layers.ts';
import { type BytePath, join, pathBytes } from './names.ts';
import { SetUps } from './set-ups.ts';
import { run } from './spawn.ts';
import type { ObjectFormat } from './tree.ts';

/** In the attempt's memory: the index as it was when the agent got the copy. Last to be written. */
const REMEMBERED = 'index';
/** Bytes on the disk that the copy took. */
const COPIED = 'bytes';

export interface NewCopy {
  readonly attempt: string;
  readonly tree: string;
  readonly setUp: string | null;
}

/** Copies the layers of `tree`, bottom first, into `a/<attempt>/f`, and what the set-up has besides. */
export async function fillCopy(store: string, copy: NewCopy, signal: AbortSignal): Promise<void> {
  const layers = new Layers(store);
  const [top, ...below] = await layers.stack(copy.tree);
  const upwards = [top, ...below].reverse();
  const folder = path.join(store, 'a', copy.attempt, 'f');
  for (const layer of upwards) {
    if (layer.from === null) await copyWhole(layers.folder(layer.tree), folder, signal);
    else await copyDelta(layers.folder(layer.tree), folder, signal);
  }
  const memory = path.join(store, 'a', copy.attempt, 'x');
  if (copy.setUp !== null) {
    const setUps = new SetUps(store);
    await copyMissing(setUps.folder(copy.setUp), folder, signal);
    await copyHome(setUps.homeFolder(copy.setUp), { home: path.join(store, 'a', copy.attempt, 'h'), memory }, signal);
  }
  const index = await readFile(path.join(folder, '.git/index'));
  restamp(index, top.objectFormat, (name) =>
    lstatSync(Buffer.concat([Buffer.from(`${folder}/`), name]), { bigint: true }),
  );
  await writeFile(path.join(folder, '.git/index'), index);
  const [bytes = 0] = (await diskUsage([folder], signal)).values();
  await writeFile(path.join(memory, COPIED), `${bytes}\n`);
  await writeFile(path.join(memory, `${REMEMBERED}.new`), index);
  await rename(path.join(memory, `${REMEMBERED}.new`), path.join(memory, REMEMBERED));
}

/**
 * How to read a copy. A file is as it was when inode and change time are: renaming, linking and every write change the
 * time of the file itself, and a renamed folder brings other inodes to its paths.
 * @throws CallFault KEEPER_NO_ATTEMPT when the copy was never finished
 */
export async function rememberedView(memory: string, format: ObjectFormat): Promise<WholeView> {
  const index = await readFile(path.join(memory, REMEMBERED)).catch((error: unknown) => {
    if (isMissing(error)) throw new CallFault('KEEPER_NO_ATTEMPT', 'the copy of the attempt was not finished');
    throw error;
  });
  const stamps = stampsOf(index, format);
  return {
    kind: 'whole',
    unchanged(at, stat, known) {
      const stamp = stamps.get(at);
      return (
        stamp !== undefined &&
        stamp.id === known.id &&
        stamp.ctimeMs === stat.ctimeMs &&
        stamp.ino === stat.ino % 2 ** 32 &&
        stamp.size === stat.size % 2 ** 32
      );
    },
  };
}

/** Bytes that the copy itself takes; 0 while it is being made. */
export async function copiedBytes(memory: string): Promise<number> {
  try {
    return Number(await readFile(path.join(memory, COPIED), 'utf8'));
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

async function copyWhole(layer: string, folder: string, signal: AbortSignal): Promise<void> {
  await run(['cp', '-a', '--reflink=auto', '--', `${layer}/.`, folder], { cwd: '/', signal });
}

/** Lays a delta's files over the copy, and deletes what it hides or replaces by something of another kind. */
async function copyDelta(layer: string, folder: string, signal: AbortSignal): Promise<void> {
  const root = new ReadRoot(layer);
  const files: BytePath[] = [];
  const waiting: BytePath[] = [''];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    for (const { name, stat } of root.list(at, () => {})) {
      const inside = join(at, name);
      const target = absolute(folder, inside);
      const there = lstatSync(target, { throwIfNoEntry: false });
      if (stat.isDirectory()) {
        if (there !== undefined && !there.isDirectory()) await rm(target);
        await mkdir(target, { recursive: true });
        waiting.push(inside);
        continue;
      }
      if (there !== undefined) await rm(target, { recursive: true });
      if (!stat.isCharacterDevice()) files.push(inside);
    }
  }
  await copyPaths(layer, files, { folder, signal });
}

/** Copies what is not there, a folder that is not there whole; what is there wins, whatever it is. */
async function copyMissing(layer: string, folder: string, signal: AbortSignal): Promise<void> {
  const root = new ReadRoot(layer);
  const missing: BytePath[] = [];
  const waiting: BytePath[] = [''];
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    for (const { name, stat } of root.list(at, () => {})) {
      const inside = join(at, name);
      const there = lstatSync(absolute(folder, inside), { throwIfNoEntry: false });
      if (there === undefined) missing.push(inside);
      else if (stat.isDirectory() && there.isDirectory()) waiting.push(inside);
    }
  }
  await copyPaths(layer, missing, { folder, signal });
}

/** The set-up's home, with what was laid into the attempt's own over it. */
async function copyHome(
  layer: string,
  { home, memory }: { readonly home: string; readonly memory: string },
  signal: AbortSignal,
): Promise<void> {
  const aside = path.join(memory, 'home');
  await mkdir(aside);
  for (const name of await readdir(home)) await rename(path.join(home, name), path.join(aside, name));
  const copy = ['cp', '-a', '--reflink=auto', '--remove-destination', '--'] as const;
  for (const from of [layer, aside]) await run([...copy, `${from}/.`, home], { cwd: '/', signal });
  await rm(aside, { recursive: true });
}

async function copyPaths(
  layer: string,
  paths: readonly BytePath[],
  { folder, signal }: { readonly folder: string; readonly signal: AbortSignal },
): Promise<void> {
  const list = Buffer.concat(paths.flatMap((one) => [Buffer.from('./'), pathBytes(one), Buffer.of(0)]));
  const copy = ['xargs', '-0', '-r', 'cp', '-a', '--reflink=auto', '--parents', '-t', folder, '--'] as const;
  await run(copy, { cwd: layer, signal }, [list]);
}

function absolute(folder: string, inside: BytePath): Buffer {
  return Buffer.concat([Buffer.from(`${folder}/`), pathBytes(inside)]);
}
