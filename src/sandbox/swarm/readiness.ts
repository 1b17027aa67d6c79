/** Which nodes of a Swarm are ready for us: made so when something lands there first, and left alone where that fails. */

import type { SwarmNode } from './reading.ts';

/** A node on which nothing could be placed is left alone for so long. */
const AVOIDED_MS = 5 * 60_000;

export class Readiness {
  readonly #prepare: (node: SwarmNode) => Promise<void>;
  readonly #onWarning: (line: string) => void;
  /** By node. */
  readonly #avoided = new Map<string, { readonly why: string; readonly until: number }>();
  readonly #preparing = new Map<string, Promise<void>>();

  constructor(prepare: (node: SwarmNode) => Promise<void>, onWarning: (line: string) => void) {
    this.#prepare = prepare;
    this.#onWarning = onWarning;
  }

  /** Never rejects: a node that cannot be made ready is left alone. Concurrent calls for one node share the work. */
  async prepare(node: SwarmNode): Promise<void> {
    let preparing = this.#preparing.get(node.node);
    if (preparing === undefined) {
      preparing = this.#prepare(node)
        .catch((error) => this.giveUp(node, error instanceof Error ? error.message : String(error)))
        .finally(() => this.#preparing.delete(node.node));
      this.#preparing.set(node.node, preparing);
    }
    await preparing;
  }

  /** `avoid`, and says so. */
  giveUp({ node, name }: SwarmNode, why: string): void {
    this.#onWarning(`nothing is placed on the node ${name} for a while: ${why}`);
    this.avoid(node, why);
  }

  avoid(node: string, why: string): void {
    this.#avoided.set(node, { why, until: Date.now() + AVOIDED_MS });
  }

  /** Why nodes are not to be used now. */
  avoided(): ReadonlyMap<string, string> {
    for (const [node, { until }] of this.#avoided) if (until <= Date.now()) this.#avoided.delete(node);
    return new Map([...this.#avoided].map(([node, { why }]) => [node, why]));
  }
}
