/**
 * Layers of trees in the store: `t/<tree>/f` is what an overlay shows, `t/<tree>/meta.json` says that it is finished
 * (`trim.ts` keeps its size beside it).
 * The keeper's session (root) opens and finishes them, the agents' session (their uid) fills them by `fill.ts`.
 */

import { lchown, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CallFault } from '../session/protocol.ts';
import type { ObjectStore } from './objects.ts';
import { removeAll } from './remove.ts';
import type { ObjectFormat } from './tree.ts';

/** Owner of everything that agents see. */
export const AGENT_UID = 61000;

/** What `meta.json` holds. */
export interface Layer {
  /** The tree's id, or that of a history layer, which shows the tree below with another past. */
  readonly tree: string;
  /** The layer it stands on; null for a whole tree. */
  readonly from: string | null;
  /** 0 for a whole tree, else one more than that of the layer it stands on. */
  readonly depth: number;
  readonly commit: string;
  readonly objectFormat: ObjectFormat;
}

export interface NewLayer {
  readonly tree: string;
  readonly from: string | null;
  readonly commit: string;
  readonly objectFormat: ObjectFormat;
}

export class Layers {
  readonly #store: string;
  /** Layers that this session opened and that are not finished yet. */
  readonly #opened = new Set<string>();

  constructor(store: string) {
    this.#store = store;
  }

  /** Absolute path of a layer's visible folder. */
  folder(tree: string): string {
    return path.join(this.#store, 't', tree, 'f');
  }

  /** Absolute path of the file that says that a layer is finished; its time is when the layer was used last. */
  meta(tree: string): string {
    return path.join(this.#home(tree), 'meta.json');
  }

  /** Finished layers. */
  async all(): Promise<Layer[]> {
    const layers = await Promise.all((await this.#names()).map((name) => this.find(name)));
    return layers.filter((layer) => layer !== null);
  }

  /** Finished layers, the one that was used last first. */
  async newestFirst(): Promise<Layer[]> {
    const found = await Promise.all(
      (await this.all()).map(async (layer) => ({ layer, usedAtMs: (await stat(this.meta(layer.tree))).mtimeMs })),
    );
    return found.sort((a, b) => b.usedAtMs - a.usedAtMs).map(({ layer }) => layer);
  }

  /** A finished layer, or null. */
  async find(tree: string): Promise<Layer | null> {
    try {
      // Written by rename: whole or not there.
      const layer: Layer = JSON.parse(await readFile(this.meta(tree), 'utf8'));
      return layer;
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  /** From a layer down to the whole tree that it stands on; @throws CallFault KEEPER_NO_LAYER */
  async stack(tree: string): Promise<[Layer, ...Layer[]]> {
    const stack: [Layer, ...Layer[]] = [await this.#required(tree)];
    for (let from = stack[0].from; from !== null; ) {
      const below = await this.#required(from);
      stack.push(below);
      from = below.from;
    }
    return stack;
  }

  /** Where the git objects of a layer and of all below it are. */
  async objects(tree: string): Promise<ObjectStore> {
    const stack = await this.stack(tree);
    const folders = stack.map((layer) => path.join(this.folder(layer.tree), '.git'));
    const bottom = folders.pop() ?? '';
    return { gitDir: bottom, alternates: folders.map((folder) => path.join(folder, 'objects')) };
  }

  /**
   * Makes an empty folder for a layer, in place of what an interrupted run left of it.
   * @returns false when the layer is finished already
   */
  async open(layer: NewLayer): Promise<boolean> {
    if ((await this.find(layer.tree)) !== null) return false;
    if (layer.from !== null) await this.#required(layer.from);
    await this.#sweep();
    await removeAll(this.#home(layer.tree));
    this.#opened.add(layer.tree);
    await mkdir(this.folder(layer.tree), { recursive: true, mode: 0o755 });
    await lchown(this.folder(layer.tree), AGENT_UID, AGENT_UID);
    return true;
  }

  /** Declares a filled layer finished. */
  async finish(layer: NewLayer): Promise<void> {
    const depth = layer.from === null ? 0 : (await this.#required(layer.from)).depth + 1;
    const { tree, from, commit, objectFormat } = layer;
    const meta: Layer = { tree, from, depth, commit, objectFormat };
    const unfinished = `${this.meta(tree)}.new`;
    await writeFile(unfinished, `${JSON.stringify(meta)}\n`, { mode: 0o644 });
    await rename(unfinished, this.meta(tree));
    this.#opened.delete(tree);
  }

  /** Removes a layer; one that is not there is fine. @throws CallFault KEEPER_LAYER_IN_USE when another stands on it */
  async remove(tree: string): Promise<void> {
    const above = (await this.all()).find((layer) => layer.from === tree);
    if (above !== undefined) {
      throw new CallFault('KEEPER_LAYER_IN_USE', `layer ${tree} is needed by layer ${above.tree}`);
    }
    // From here on it is unfinished, whatever happens.
    await rm(this.meta(tree), { force: true });
    await removeAll(this.#home(tree));
  }

  /** Removes what interrupted sessions left unfinished. */
  async #sweep(): Promise<void> {
    for (const name of await this.#names()) {
      if (!this.#opened.has(name) && (await this.find(name)) === null) await removeAll(this.#home(name));
    }
  }

  async #required(tree: string): Promise<Layer> {
    const layer = await this.find(tree);
    if (layer === null) throw new CallFault('KEEPER_NO_LAYER', `the store has no layer of tree ${tree}`);
    return layer;
  }

  #names(): Promise<string[]> {
    return readdir(path.join(this.#store, 't'));
  }

  #home(tree: string): string {
    return path.join(this.#store, 't', tree);
  }
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
