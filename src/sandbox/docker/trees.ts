/** Trees and pasts of commits in an engine's store: laid out once each, as differences to what is there already. */

import { createHash } from 'node:crypto';
import { OrchestrateError } from '../../errors.ts';
import type { Outgoing } from '../../git/outgoing.ts';
import type { KeeperClient, TreeLayer } from '../../keeper/client.ts';
import type { ObjectId } from '../../types.ts';
import type { BaseTree } from '../sandbox.ts';

/** Layers stacked at most; a tree beyond that is laid out on fewer again. */
const MAX_LAYERS = 8;
/** Below what a run starts from, at most; the rest is for what is stacked on it. */
const MAX_BASE_LAYERS = 3;

export interface TreeSource extends Outgoing {
  readonly objectFormat: 'sha1' | 'sha256';
}

export class LaidTrees {
  readonly #keeper: KeeperClient;
  readonly #source: TreeSource;
  readonly #trees = new Map<ObjectId, Promise<void>>();
  readonly #pasts = new Map<ObjectId, Promise<void>>();
  readonly #used = new Set<ObjectId>();

  constructor(keeper: KeeperClient, source: TreeSource) {
    this.#keeper = keeper;
    this.#source = source;
  }

  /** Every layer that was needed, or that others were laid on. */
  get used(): readonly ObjectId[] {
    return [...this.#used];
  }

  /** As SandboxHost.prepareTree. */
  async prepare(base: BaseTree): Promise<void> {
    await once(this.#trees, base.tree, () => twice(() => this.#layOut(base)));
    if (this.#source.history > 1) await once(this.#pasts, base.commit, () => twice(() => this.#layPast(base)));
  }

  /** The layer that shows a sandbox its tree. */
  layerOf({ tree, commit }: Pick<BaseTree, 'tree' | 'commit'>): ObjectId {
    return this.#source.history > 1 ? pastLayer(commit, this.#source.history) : tree;
  }

  /** What was laid out is looked for again before it is used. */
  forget(): void {
    this.#trees.clear();
    this.#pasts.clear();
  }

  async #layPast({ tree, commit }: BaseTree): Promise<void> {
    const id = pastLayer(commit, this.#source.history);
    this.#used.add(id);
    if ((await this.#keeper.trees()).some((layer) => layer.tree === id)) return;
    const { shallow, pack } = await this.#source.historyOf(commit);
    const { objectFormat } = this.#source;
    await this.#keeper.layHistory({ id, tree, commit, objectFormat, shallow, pack });
  }

  async #layOut(base: BaseTree): Promise<void> {
    if (base.near !== null && base.near !== base.tree) await this.#trees.get(base.near);
    const { tree } = base;
    this.#used.add(tree);
    const layers = await this.#keeper.trees();
    if (layers.some((layer) => layer.tree === tree)) return;
    const from = await this.#nearest(base, layers);
    if (from !== undefined) this.#used.add(from.tree);
    const { commit, pack } = await this.#source.packOf(tree, from?.tree ?? null);
    const { objectFormat } = this.#source;
    if (from === undefined) await this.#keeper.layTree({ tree, commit, objectFormat, pack });
    else await this.#keeper.layDelta({ tree, from: from.tree, commit, objectFormat, pack });
  }

  /** What is there may be of earlier runs. Where `near` is not, or too high, it is the nearest of what lies low. */
  async #nearest({ tree, near }: BaseTree, layers: readonly TreeLayer[]): Promise<TreeLayer | undefined> {
    const known = layers.find((layer) => layer.tree === near && layer.depth + 1 < MAX_LAYERS);
    if (known !== undefined) return known;
    const low = layers.filter((layer) => layer.depth < MAX_BASE_LAYERS).map((layer) => layer.tree);
    const nearest = await this.#source.nearestOf(tree, low);
    return layers.find((layer) => layer.tree === nearest);
  }
}

/** Id of the layer with a commit's past. */
function pastLayer(commit: ObjectId, depth: number): ObjectId {
  return createHash('sha1').update(`history ${depth} ${commit}`).digest('hex') as ObjectId;
}

/** Again where the keeper was lost meanwhile. */
async function twice(lay: () => Promise<void>): Promise<void> {
  try {
    await lay();
  } catch (error) {
    if (!(error instanceof OrchestrateError && error.code === 'KEEPER_LOST')) throw error;
    await lay();
  }
}

/** Shares work under way and done; what failed may be tried again. */
function once(known: Map<ObjectId, Promise<void>>, id: ObjectId, act: () => Promise<void>): Promise<void> {
  const underWay = known.get(id);
  if (underWay !== undefined) return underWay;
  const acting = act().catch((error) => {
    known.delete(id);
    throw error;
  });
  known.set(id, acting);
  return acting;
}
