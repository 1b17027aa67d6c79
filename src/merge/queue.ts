/** From approved patches in order to the ones that land: stacked in memory, checked as merged, culprits found and left out. */

import { failure } from '../errors.ts';
import { revealLine } from '../sanitise.ts';
import type { CheckRecord } from '../state/records.ts';
import type { AttemptId, ObjectId } from '../types.ts';
import { conflictsWith, type MergeTrees, type QueuedPatch, type Stack, type Step, stackUp, topOf } from './stack.ts';
import { hasFailed, type TreeChecks } from './tree-checks.ts';

export interface MergeQueue {
  /** Tree of the target's tip. */
  readonly onto: ObjectId;
  /** For people. */
  readonly target: string;
  /** In the order of merging: each after what it stands on. */
  readonly patches: readonly QueuedPatch[];
  readonly merge: MergeTrees;
  /** Null: nothing is checked. */
  readonly checks: TreeChecks | null;
  /** Trees that are checked at once while a culprit is looked for. */
  readonly width: number;
  /** A line for people. */
  onProgress(line: string): void;
  /** Each culprit as soon as it is known, with what stands on it. */
  onSetAside(aside: readonly SetAside[]): void;
}

export interface SettledQueue {
  /** What lands; a tree that is the same as the one before it is a patch that changes nothing any more. */
  readonly steps: readonly Step[];
  readonly conflicts: readonly Conflict[];
  readonly setAside: readonly SetAside[];
}

export interface Conflict {
  readonly id: AttemptId;
  /** The patch in whose way it is, or which it stands on; null: the target itself. */
  readonly with: AttemptId | null;
  /** Printable, sorted; empty where it only stands on one that conflicts. */
  readonly paths: readonly string[];
}

export interface SetAside {
  readonly id: AttemptId;
  /** Fit to be shown. */
  readonly reason: string;
  /** What the checks said of the tree that it made red; empty where it only stands on a culprit. */
  readonly evidence: readonly CheckRecord[];
}

/**
 * Which patches land, so that the checks pass on all of them together. A red stack is bisected to the first patch that makes
 * it red, which is set aside with what stands on it, until the rest is green: O(culprits · log patches) checks of trees.
 * Nobody is set aside for a check that passes when it is done again.
 * Failure TARGET_RED where the checks fail on the target without any patch.
 */
export async function settleQueue(queue: MergeQueue): Promise<SettledQueue> {
  const aside = new Map<AttemptId, SetAside>();
  for (;;) {
    const waiting = queue.patches.filter((patch) => !aside.has(patch.id));
    const stack = await stackUp(queue.onto, waiting, queue.merge);
    const culprit = await culpritIn(queue, stack);
    if (culprit === null) {
      const conflicts = await namedConflicts(stack, queue.merge);
      return { steps: stack.steps, conflicts, setAside: [...aside.values()] };
    }
    if (culprit === 'flake') continue;
    const found = [
      culprit,
      ...waiting
        .filter((patch) => patch.below.includes(culprit.id))
        .map(({ id }) => ({ id, reason: `stands on ${culprit.id}, which was set aside`, evidence: [] })),
    ];
    for (const each of found) aside.set(each.id, each);
    queue.onSetAside(found);
  }
}

/** Null: the stack is green (or nothing is checked); `flake`: it was red for no lasting reason, and is to be judged anew. */
async function culpritIn(queue: MergeQueue, stack: Stack): Promise<SetAside | 'flake' | null> {
  const { checks, onto } = queue;
  const top = topOf(stack);
  if (checks === null || top === onto) return null;
  const count = stack.steps.length;
  queue.onProgress(`checking ${count} ${count === 1 ? 'patch' : 'patches'} merged into ${queue.target}`);
  if (!(await checks.isRed(top))) return null;
  queue.onProgress(`a check failed; looking whether it fails on ${queue.target} alone`);
  if ((await checks.isRed(onto)) && (await checks.isStillRed(onto))) throw targetRed(queue, await checks.of(onto));
  const at = await firstRed(count, queue, async (steps) => checks.isRed(stack.steps[steps - 1]?.tree ?? onto));
  const step = stack.steps[at - 1];
  if (step === undefined) throw new Error('a red stack has a step');
  if (!(await checks.isStillRed(step.tree))) return 'flake';
  const evidence = (await checks.of(step.tree)).filter(hasFailed);
  const partner = await partnerOf({ ...queue, checks }, stack.steps.slice(0, at));
  return { id: step.patch.id, reason: reasonFor(queue, evidence, partner), evidence };
}

/**
 * The smallest number of steps (1 to `count`) that is red, where 0 is green and `count` is red; several are looked at at once.
 * Where redness comes and goes it is one whose predecessor is green.
 */
async function firstRed(
  count: number,
  { width, onProgress }: Pick<MergeQueue, 'width' | 'onProgress'>,
  isRedAt: (steps: number) => Promise<boolean>,
): Promise<number> {
  let [green, red] = [0, count];
  while (red - green > 1) {
    onProgress(`looking for the patch that makes it fail: ${red - green} left`);
    const span = red - green;
    const places = Array.from({ length: width }, (_, n) => green + Math.round((span * (n + 1)) / (width + 1)));
    const probed = [...new Set(places)].filter((place) => place > green && place < red);
    const verdicts = await Promise.all(probed.map(isRedAt));
    const first = verdicts.indexOf(true);
    const last = first === -1 ? probed.length : first;
    green = probed[last - 1] ?? green;
    red = probed[last] ?? red;
  }
  return red;
}

interface Partner {
  /** Null: the culprit fails on the target alone. */
  readonly id: AttemptId | null;
  /** Whether the two fail without any other. */
  readonly isEnough: boolean;
}

/** With which earlier patch the last of the steps fails; the others before it are green. */
async function partnerOf(
  queue: MergeQueue & { readonly checks: TreeChecks },
  steps: readonly Step[],
): Promise<Partner> {
  const culprit = steps.at(-1)?.patch;
  if (culprit === undefined) return { id: null, isEnough: true };
  const earlier = steps.slice(0, -1).map((step) => step.patch);
  const others = earlier.filter((patch) => !culprit.below.includes(patch.id));
  const isRedWith = async (some: readonly QueuedPatch[]): Promise<boolean> => {
    const wanted = new Set([...culprit.below, ...some.flatMap((patch) => [patch.id, ...patch.below])]);
    const chosen = [...earlier.filter((patch) => wanted.has(patch.id)), culprit];
    const stack = await stackUp(queue.onto, chosen, queue.merge);
    return stack.conflicts.length === 0 && queue.checks.isRed(topOf(stack));
  };
  queue.onProgress(`${culprit.id} makes it fail; looking whether it does so alone`);
  if (others.length === 0 || (await isRedWith([]))) return { id: null, isEnough: true };
  const at = await firstRed(others.length, queue, (count) => isRedWith(others.slice(0, count)));
  const partner = others[at - 1];
  if (partner === undefined) return { id: null, isEnough: true };
  return { id: partner.id, isEnough: await isRedWith([partner]) };
}

function reasonFor(queue: MergeQueue, evidence: readonly CheckRecord[], { id, isEnough }: Partner): string {
  const what = `makes ${evidence.map(({ command }) => `\`${revealLine(command)}\``).join(' and ')} fail`;
  if (id === null) return `${what} on ${revealLine(queue.target)}`;
  return `${what} together with ${id}${isEnough ? '' : ' and others'}; without that it passes`;
}

function targetRed(queue: MergeQueue, records: readonly CheckRecord[]): Error {
  const [failed] = records.filter(hasFailed);
  const what = failed === undefined ? 'A check' : `\`${revealLine(failed.command)}\``;
  const log = failed?.log ?? null;
  return failure('TARGET_RED', `${what} fails on ${revealLine(queue.target)} without any patch; nothing was merged.`, {
    hint: `Mend it there first, or merge with other checks.${log === null ? '' : ` What it printed is in .git/orchestrate/${log}`}`,
  });
}

async function namedConflicts(stack: Stack, merge: MergeTrees): Promise<Conflict[]> {
  const conflicts: Conflict[] = [];
  for (const conflict of stack.conflicts) {
    const other = conflict.standsOn ?? (await conflictsWith(stack, conflict, merge));
    conflicts.push({ id: conflict.patch.id, with: other, paths: conflict.paths });
  }
  return conflicts;
}
