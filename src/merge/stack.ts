/** Patches on top of each other in memory, each merged onto the tree with those before it; and who is in whose way. */

import type { TreeMerge } from '../git/merge.ts';
import type { AttemptId, ObjectId } from '../types.ts';

/** Merges two trees that both come from the tree `base`. */
export type MergeTrees = (trees: {
  readonly base: ObjectId;
  readonly ours: ObjectId;
  readonly theirs: ObjectId;
}) => Promise<TreeMerge>;

export interface QueuedPatch {
  readonly id: AttemptId;
  readonly baseTree: ObjectId;
  readonly tree: ObjectId;
  /** What it stands on, and what that stands on. Those of them that are in the queue come before it. */
  readonly below: readonly AttemptId[];
}

/** A patch, and the tree that has it and everything before it. */
export interface Step {
  readonly patch: QueuedPatch;
  readonly tree: ObjectId;
}

export interface Stack {
  /** The target's tree, on which the first step stands. */
  readonly onto: ObjectId;
  readonly steps: readonly Step[];
  readonly conflicts: readonly StackConflict[];
}

export interface StackConflict {
  readonly patch: QueuedPatch;
  /** How many steps there were when it conflicted. */
  readonly at: number;
  /** Printable, sorted; empty where it stands on one that conflicts. */
  readonly paths: readonly string[];
  /** The patch in conflict that it stands on; null: it conflicts itself. */
  readonly standsOn: AttemptId | null;
}

/** Merges one patch after the other; one that conflicts is left out, and what stands on it. Order is the caller's. */
export async function stackUp(onto: ObjectId, patches: readonly QueuedPatch[], merge: MergeTrees): Promise<Stack> {
  const steps: Step[] = [];
  const conflicts: StackConflict[] = [];
  let tree = onto;
  for (const patch of patches) {
    const standsOn = conflicts.find((conflict) => patch.below.includes(conflict.patch.id))?.patch.id ?? null;
    if (standsOn !== null) {
      conflicts.push({ patch, at: steps.length, paths: [], standsOn });
      continue;
    }
    const merged = await merge({ base: patch.baseTree, ours: tree, theirs: patch.tree });
    if (merged.clean) {
      tree = merged.tree;
      steps.push({ patch, tree });
    } else conflicts.push({ patch, at: steps.length, paths: merged.paths, standsOn: null });
  }
  return { onto, steps, conflicts };
}

/** The tree that has all of a stack. */
export function topOf(stack: Stack): ObjectId {
  return stack.steps.at(-1)?.tree ?? stack.onto;
}

/**
 * The patch with which a patch conflicts: the last one without which what comes before it would take it. Null where the
 * target alone (with what the patch stands on) does not take it. Needs about log2(steps) merges.
 */
export async function conflictsWith(
  stack: Stack,
  conflict: StackConflict,
  merge: MergeTrees,
): Promise<AttemptId | null> {
  const { patch } = conflict;
  const before = stack.steps.slice(0, conflict.at);
  const isBelow = (step: Step): boolean => patch.below.includes(step.patch.id);
  const below = before.filter(isBelow).map((step) => step.patch);
  const others = before.filter((step) => !isBelow(step)).map((step) => step.patch);
  // Without foundations of its own in between, the trees are known.
  const restacked =
    below.length === 0 ? { ...stack, steps: before } : await stackUp(stack.onto, [...below, ...others], merge);
  const takes = async (count: number): Promise<boolean> => {
    const ours = restacked.steps[count - 1]?.tree ?? restacked.onto;
    return (await merge({ base: patch.baseTree, ours, theirs: patch.tree })).clean;
  };
  let [clean, red] = [below.length, restacked.steps.length];
  if (red <= clean || !(await takes(clean))) return null;
  while (red - clean > 1) {
    const middle = (clean + red) >> 1;
    if (await takes(middle)) clean = middle;
    else red = middle;
  }
  return restacked.steps[red - 1]?.patch.id ?? null;
}
