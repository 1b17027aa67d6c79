/** In which order patches are merged so that most of them land. Pure. */

import type { AttemptId, PatchSize } from '../types.ts';

export interface OrderedPatch {
  readonly id: AttemptId;
  /** Of its task. */
  readonly phase: number;
  /** Of its task; older ones have less. */
  readonly seq: number;
  /** Patches that it stands on; those that are not in the list do not count. */
  readonly foundations: readonly AttemptId[];
  readonly size: PatchSize;
}

/**
 * Each patch after what it stands on. Of those whose turn may be, the one comes first that costs fewest others (patches in
 * conflict with it, and what stands on these), then what is small, then what is old; where nothing is in conflict, by phase
 * and age. What is in conflict with one that came before stands at the end. Never lands fewer than the order of phase and
 * age alone. The same for the same patches and pairs in any order.
 */
export function mergeOrder(
  patches: readonly OrderedPatch[],
  conflicts: readonly (readonly [AttemptId, AttemptId])[],
): AttemptId[] {
  const nodes = nodesOf(patches, conflicts);
  const cheapest = landing(nodes, byCost, (node) => node.rivals);
  const oldest = landing(nodes, byAge, (node) => node.rivals);
  const lands = new Set(oldest.length > cheapest.length ? oldest : cheapest);
  const all = landing(nodes, byAge, () => []);
  return [...lands, ...all.filter((node) => !lands.has(node))].map(({ patch }) => patch.id);
}

interface Node {
  readonly patch: OrderedPatch;
  readonly below: Node[];
  readonly above: Node[];
  readonly rivals: Node[];
  /** How many land no more where this one does not: itself, and all that stands on it. */
  weight: number;
}

function nodesOf(
  patches: readonly OrderedPatch[],
  conflicts: readonly (readonly [AttemptId, AttemptId])[],
): readonly Node[] {
  const byId = new Map<AttemptId, Node>();
  for (const patch of patches) byId.set(patch.id, { patch, below: [], above: [], rivals: [], weight: 1 });
  for (const node of byId.values()) {
    for (const id of new Set(node.patch.foundations)) {
      const below = byId.get(id);
      if (below === undefined) continue;
      node.below.push(below);
      below.above.push(node);
    }
  }
  const pairs = new Set<string>();
  for (const [a, b] of conflicts) {
    const [one, other] = [byId.get(a), byId.get(b)];
    const name = a < b ? `${a} ${b}` : `${b} ${a}`;
    if (one === undefined || other === undefined || one === other || pairs.has(name)) continue;
    pairs.add(name);
    one.rivals.push(other);
    other.rivals.push(one);
  }
  for (const node of byId.values()) node.weight = withAbove(node).size;
  return [...byId.values()];
}

function withAbove(node: Node): Set<Node> {
  const found = new Set([node]);
  for (const each of found) for (const above of each.above) found.add(above);
  return found;
}

/** Negative where `a` comes first. Costs are what else does not land where they do. */
type Compare = (a: Candidate, b: Candidate) => number;

interface Candidate {
  readonly node: Node;
  readonly cost: number;
}

const byAge: Compare = ({ node: { patch: a } }, { node: { patch: b } }) =>
  a.phase - b.phase || a.seq - b.seq || (a.id < b.id ? -1 : 1);

const byCost: Compare = (a, b) => {
  const bySize = a.cost === 0 ? 0 : linesOf(a.node) - linesOf(b.node);
  return a.cost - b.cost || bySize || byAge(a, b);
};

function linesOf({ patch: { size } }: Node): number {
  return size.insertions + size.deletions;
}

/** Those that land when the least of those whose turn may be is taken again and again; the others are out of the way. */
function landing(nodes: readonly Node[], compare: Compare, rivalsOf: (node: Node) => readonly Node[]): Node[] {
  const lands: Node[] = [];
  const out = new Set<Node>();
  const waitsFor = new Map(nodes.map((node) => [node, node.below.length]));
  const costs = new Map(nodes.map((node) => [node, rivalsOf(node).reduce((sum, rival) => sum + rival.weight, 0)]));
  const ready = new Set(nodes.filter((node) => node.below.length === 0));
  const candidate = (node: Node): Candidate => ({ node, cost: costs.get(node) ?? 0 });
  const lose = (node: Node): void => {
    out.add(node);
    ready.delete(node);
    for (const rival of rivalsOf(node)) costs.set(rival, candidate(rival).cost - node.weight);
  };
  while (ready.size > 0) {
    const { node } = [...ready].map(candidate).reduce((a, b) => (compare(b, a) < 0 ? b : a));
    ready.delete(node);
    lands.push(node);
    for (const rival of rivalsOf(node)) for (const lost of withAbove(rival)) if (!out.has(lost)) lose(lost);
    for (const above of node.above) {
      const left = (waitsFor.get(above) ?? 0) - 1;
      waitsFor.set(above, left);
      if (left === 0 && !out.has(above)) ready.add(above);
    }
  }
  return lands;
}
