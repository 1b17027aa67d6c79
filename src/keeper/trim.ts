/** Keeps the store's layers within bounds: the ones that were used longest ago go first, from the top of their stacks. */

import { readFile, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { diskUsage } from './disk-usage.ts';
import { isMissing, type Layer, type Layers } from './layers.ts';

export interface TrimOptions {
  /** Layers that are in use: neither they go nor what they stand on, whatever the bounds. */
  readonly used: readonly string[];
  readonly maxBytes: number;
  readonly maxLayers: number;
}

interface Measured {
  readonly layer: Layer;
  readonly bytes: number;
  readonly usedAtMs: number;
}

/** Bytes on the disk of a layer, beside its `meta.json`: what is finished does not change, so it is measured once. */
const MEASURED = 'bytes';

/** Removes layers until the rest is within bounds, or in use; returns the removed ones, in their order. */
export async function trimLayers(layers: Layers, options: TrimOptions, signal: AbortSignal): Promise<string[]> {
  const all = await layers.all();
  const kept = await markUsed(layers, all, options.used);
  const left = new Map((await measure(layers, all, signal)).map((one) => [one.layer.tree, one]));
  const removed: string[] = [];
  while (left.size > options.maxLayers || bytesOf(left) > options.maxBytes) {
    const below = new Set([...left.values()].map((one) => one.layer.from));
    const free = [...left.values()].filter(({ layer }) => !below.has(layer.tree) && !kept.has(layer.tree));
    const [oldest] = free.sort((a, b) => a.usedAtMs - b.usedAtMs);
    if (oldest === undefined) break;
    await layers.remove(oldest.layer.tree);
    left.delete(oldest.layer.tree);
    removed.push(oldest.layer.tree);
  }
  return removed;
}

function bytesOf(layers: ReadonlyMap<string, Measured>): number {
  return [...layers.values()].reduce((sum, one) => sum + one.bytes, 0);
}

/** Notes the use of layers, and of what they stand on, in the time of their `meta.json`; returns all of these. */
async function markUsed(layers: Layers, all: readonly Layer[], used: readonly string[]): Promise<Set<string>> {
  const now = new Date();
  const known = new Map(all.map((layer) => [layer.tree, layer]));
  const marked = new Set<string>();
  for (const tree of used) {
    for (let layer = known.get(tree); layer !== undefined; layer = known.get(layer.from ?? '')) {
      if (marked.has(layer.tree)) break;
      marked.add(layer.tree);
      await utimes(layers.meta(layer.tree), now, now);
    }
  }
  return marked;
}

async function measure(layers: Layers, all: readonly Layer[], signal: AbortSignal): Promise<Measured[]> {
  const known = new Map<string, number>();
  for (const { tree } of all) {
    const bytes = await recorded(layers, tree);
    if (bytes !== null) known.set(tree, bytes);
  }
  const fresh = all.filter(({ tree }) => !known.has(tree)).map(({ tree }) => tree);
  const sizes = await diskUsage(
    fresh.map((tree) => layers.folder(tree)),
    signal,
  );
  for (const tree of fresh) {
    const bytes = sizes.get(layers.folder(tree)) ?? 0;
    known.set(tree, bytes);
    await writeFile(recordOf(layers, tree), `${bytes}\n`);
  }
  return Promise.all(
    all.map(async (layer) => ({
      layer,
      bytes: known.get(layer.tree) ?? 0,
      usedAtMs: (await stat(layers.meta(layer.tree))).mtimeMs,
    })),
  );
}

async function recorded(layers: Layers, tree: string): Promise<number | null> {
  try {
    return Number.parseInt(await readFile(recordOf(layers, tree), 'utf8'), 10) || null;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

function recordOf(layers: Layers, tree: string): string {
  return path.join(path.dirname(layers.meta(tree)), MEASURED);
}
