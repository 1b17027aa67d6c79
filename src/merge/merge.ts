/** Everything approved into a branch: selected, stacked, checked as merged, landed; again where the branch moved meanwhile. */

import { join } from 'node:path';
import { failure, OrchestrateError } from '../errors.ts';
import { nameSome } from '../git/bytes.ts';
import { commitTree, type Identity, userIdentity } from '../git/commits.ts';
import { type Merger, openMerger } from '../git/merger.ts';
import type { Repository } from '../git/repository.ts';
import type { Checker } from '../review/checker.ts';
import { revealLine, shellWord } from '../sanitise.ts';
import type { CheckRecord } from '../state/records.ts';
import type { State } from '../state/state.ts';
import type { AttemptId, ObjectId } from '../types.ts';
import { commitMessage } from './commit-message.ts';
import { updateForecast } from './forecast.ts';
import { land, refuseInTheWay } from './land.ts';
import { whileLanding } from './landing-lock.ts';
import { type Conflict, type SetAside, type SettledQueue, settleQueue } from './queue.ts';
import { type LeftOut, selectApproved } from './select.ts';
import { type MergeTrees, type QueuedPatch, stackUp, topOf } from './stack.ts';
import { nameOf, type Target, targetOf } from './target.ts';
import { TreeChecks } from './tree-checks.ts';

/** How often a branch may move away while its checks run. */
const MOST_ROUNDS = 8;
/** Trees that are checked at once while a culprit is looked for. */
const WIDTH = 2;
/** How long another git that has the index locked is waited for. */
const LOCKED_MS = 3_000;
const LOCKED_POLL_MS = 50;

export interface MergeOptions {
  /** As typed; null: what is checked out here. */
  readonly into: string | null;
  /** What must pass on the merged tree; none: nothing is checked. */
  readonly commands: readonly string[];
  /** Asked for when something is to be checked, once. */
  openChecker(): Promise<Checker>;
  readonly signal: AbortSignal;
  /** Lines for people, fit to be shown. */
  onProgress(line: string): void;
  onWarning(line: string): void;
}

export interface MergeReport {
  readonly target: Pick<Target, 'branch' | 'ref'>;
  /** Where the target was, and where it is. */
  readonly from: ObjectId;
  readonly to: ObjectId;
  /** In the order of merging. */
  readonly merged: readonly AttemptId[];
  readonly setAside: readonly SetAside[];
  readonly conflicts: readonly Conflict[];
  readonly leftOut: readonly LeftOut[];
  /** Commands that failed and passed on the same tree. */
  readonly flaky: readonly string[];
  /** How many trees were checked. */
  readonly checked: number;
  /** Takes it back, typed in this repository; empty when the branch stayed where it was. */
  readonly undo: string;
}

export type MergePlan = Pick<MergeReport, 'target' | 'from' | 'merged' | 'conflicts' | 'leftOut'>;

/** What `merge` would do, as far as it can be said without checks. */
export async function planMerge(repository: Repository, state: State, into: string | null): Promise<MergePlan> {
  const target = await targetOf(repository, into);
  await updateForecast(repository, state);
  const { patches, leftOut } = await selectApproved(repository, state, target.tip.commit);
  await using merger = await openMerger(repository);
  const settled = await settleQueue({
    ...{ onto: target.tip.tree, target: nameOf(target), patches, merge: mergeOf(merger), checks: null },
    ...{ width: WIDTH, onProgress: () => {}, onSetAside: () => {} },
  });
  const merged = settled.steps.map((step) => step.patch.id);
  return { target, from: target.tip.commit, merged, conflicts: settled.conflicts, leftOut };
}

/**
 * Merges everything approved. What is red on the merged tree is set aside, what conflicts is said so, and the rest lands.
 * Failures: as `targetOf` and `land`; TARGET_RED, TARGET_MOVED. Environment: NO_IDENTITY, and what the checker says.
 */
export async function mergeApproved(repository: Repository, state: State, options: MergeOptions): Promise<MergeReport> {
  return new Merge(repository, state, options).run();
}

class Merge {
  readonly #repository: Repository;
  readonly #state: State;
  readonly #options: MergeOptions;
  readonly #checks: TreeChecks | null;
  readonly #setAside: SetAside[] = [];
  #seen: ReadonlyMap<AttemptId, QueuedPatch> = new Map();
  #identity: Promise<{ readonly author: Identity; readonly committer: Identity }> | null = null;
  #checker: Promise<Checker> | null = null;
  #tip: { readonly commit: ObjectId; readonly tree: ObjectId } | null = null;

  constructor(repository: Repository, state: State, options: MergeOptions) {
    this.#repository = repository;
    this.#state = state;
    this.#options = options;
    this.#checks = options.commands.length === 0 ? null : new TreeChecks((tree) => this.#check(tree));
  }

  async run(): Promise<MergeReport> {
    const { onProgress, into, signal } = this.#options;
    // Recovers what a killed merge left.
    await this.#whileLanding(async () => {});
    await using merger = await openMerger(this.#repository);
    const merge = mergeOf(merger);
    for (let round = 1; round <= MOST_ROUNDS; round += 1) {
      signal.throwIfAborted();
      const target = await targetOf(this.#repository, into);
      await updateForecast(this.#repository, this.#state, { signal });
      const report = await this.#round(target, merge);
      if (report !== null) return report;
      onProgress(`${revealLine(nameOf(target))} moved meanwhile: merging onto where it is now`);
    }
    throw failure(
      'TARGET_MOVED',
      `The branch moved ${MOST_ROUNDS} times while it was merged into; nothing was merged.`,
      {
        hint: 'Merge again when nobody commits to it, or into another branch: orchestrate merge --into <branch>',
      },
    );
  }

  /** Null: the target moved, or a patch is no longer approved. */
  async #round(target: Target, merge: MergeTrees): Promise<MergeReport | null> {
    this.#tip = target.tip;
    const { patches, leftOut } = await selectApproved(this.#repository, this.#state, target.tip.commit);
    this.#seen = new Map(patches.map((patch) => [patch.id, patch]));
    if (patches.length > 0) {
      this.#identity ??= userIdentity(this.#repository);
      await this.#identity;
    }
    if (patches.length > 0 && this.#checks !== null) {
      // What refuses the landing is better known before the checks run than after.
      const top = topOf(await stackUp(target.tip.tree, patches, merge));
      const way = await this.#whileLanding(() => refuseInTheWay(this.#repository, target, top));
      if (way === 'elsewhere') return null;
    }
    const settled = await settleQueue({
      ...{ onto: target.tip.tree, target: nameOf(target), patches, merge, checks: this.#checks, width: WIDTH },
      onProgress: (line) => this.#options.onProgress(revealLine(line)),
      onSetAside: (aside) => this.#noteSetAside(aside),
    });
    const to = await this.#land(target, settled);
    if (to === null) return null;
    this.#noteConflicts(target, settled.conflicts);
    return {
      ...{ target, from: target.tip.commit, to, merged: settled.steps.map((step) => step.patch.id) },
      ...{ setAside: this.#setAside, conflicts: settled.conflicts, leftOut },
      ...{ flaky: this.#checks?.flaky ?? [], checked: this.#checks?.runs ?? 0, undo: undoOf(target, to) },
    };
  }

  async #land(target: Target, { steps }: SettledQueue): Promise<ObjectId | null> {
    if (steps.length === 0) return target.tip.commit;
    const tasks = new Map(this.#state.tasks().map((task) => [task.id, task]));
    const landing = steps.map(({ patch, tree }) => {
      const record = this.#state.patch(patch.id);
      const task = record === null ? undefined : tasks.get(record.task);
      if (task === undefined) throw new Error(`the state lost the patch ${patch.id}`);
      const attempt = this.#state.attemptsOf(task.id).find((each) => each.id === patch.id) ?? null;
      return { patch, tree, message: commitMessage(task, attempt) };
    });
    const people = await this.#identity;
    const end = await this.#whileLanding(() =>
      land(this.#repository, this.#state, { target, patches: landing, ...people }),
    );
    return typeof end === 'string' ? null : end.landed;
  }

  #whileLanding<Result>(act: () => Promise<Result>): Promise<Result> {
    return whileLanding(this.#repository, this.#state, this.#options.onWarning, () => whenUnlocked(act));
  }

  async #check(tree: ObjectId): Promise<readonly CheckRecord[]> {
    const { commands, signal, openChecker } = this.#options;
    const tip = this.#tip;
    if (tip === null) throw new Error('nothing is checked before there is a target');
    this.#checker ??= openChecker();
    const checker = await this.#checker;
    const commit =
      tree === tip.tree
        ? tip.commit
        : await commitTree(this.#repository, {
            tree,
            parents: [tip.commit],
            message: 'orchestrate: merged to be checked',
          });
    const name = `merge-${tree.slice(0, 12)}`;
    return checker.check({ tree, commit, near: tree === tip.tree ? null : tip.tree, name }, commands, signal);
  }

  #noteSetAside(aside: readonly SetAside[]): void {
    for (const each of aside) {
      if (!this.#isAsSeen(each.id)) continue;
      this.#setAside.push(each);
      this.#options.onProgress(`${each.id} ${each.reason}: set aside`);
      const [log] = each.evidence.flatMap((record) => record.log ?? []);
      const where = log === undefined ? '' : `; what it printed is in ${join(this.#state.directory, log)}`;
      this.#state.setPatchState(each.id, ['approved'], 'set-aside', { reason: `${each.reason}${where}` });
      this.#state.addChecks(each.id, each.evidence);
    }
  }

  /** Somebody may have amended it, or put it on something else: then it is judged anew. */
  #isAsSeen(id: AttemptId): boolean {
    const [seen, now] = [this.#seen.get(id), this.#state.patch(id)];
    return seen?.tree === now?.tree && seen?.baseTree === now?.baseTree;
  }

  #noteConflicts(target: Target, conflicts: readonly Conflict[]): void {
    for (const conflict of conflicts) {
      if (!this.#isAsSeen(conflict.id)) continue;
      const reason = conflictReason(conflict, nameOf(target));
      this.#state.setPatchState(conflict.id, ['approved'], 'conflict', { reason });
    }
  }
}

/** Fit to be shown. */
export function conflictReason(conflict: Conflict, target: string): string {
  if (conflict.paths.length === 0) return `stands on ${conflict.with}, which is in conflict`;
  const paths = nameSome(conflict.paths.map(revealLine), 10);
  return `conflicts with ${conflict.with ?? revealLine(target)} in ${paths}`;
}

/** Another git that has the index locked mostly lets go of it at once: worth a moment, after checks that took minutes. */
async function whenUnlocked<Result>(act: () => Promise<Result>): Promise<Result> {
  const deadline = performance.now() + LOCKED_MS;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      const isLocked = error instanceof OrchestrateError && error.code === 'REPOSITORY_LOCKED';
      if (!isLocked || performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, LOCKED_POLL_MS));
    }
  }
}

/** The same merge is asked for again and again: before the checks, by the queue, without a culprit. */
function mergeOf(merger: Merger): MergeTrees {
  const known = new Map<string, ReturnType<MergeTrees>>();
  return (trees) => {
    const key = `${trees.base} ${trees.ours} ${trees.theirs}`;
    const merged = known.get(key) ?? merger.merge(trees);
    known.set(key, merged);
    return merged;
  };
}

export function undoOf({ ref, branch, tip, isNew, isHere }: Target, to: ObjectId): string {
  if (to === tip.commit && !isNew) return '';
  if (isHere) return `git reset --keep ${tip.commit}`;
  return isNew ? `git branch -D ${shellWord(branch ?? '')}` : `git update-ref ${shellWord(ref)} ${tip.commit}`;
}
