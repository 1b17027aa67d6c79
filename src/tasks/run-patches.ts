/** What becomes of patches while a run works, from its options: checks, policy, and merging what is approved. */

import type { EventBody } from '../events.ts';
import { changedPaths } from '../git/diff.ts';
import type { Repository } from '../git/repository.ts';
import { AutoMerge } from '../merge/auto-merge.ts';
import type { Checker } from '../review/checker.ts';
import { type CheckPlace, createChecker } from '../review/checks.ts';
import type { ReviewPolicy } from '../review/policy.ts';
import type { State } from '../state/state.ts';
import type { Limits, ObjectId, RunId, TaskId } from '../types.ts';
import { Reviews } from './reviews.ts';

export interface WantedReviews extends ReviewPolicy {
  /** Nothing is started while so many patches are pending; null: they may pile up. */
  readonly maxPending: number | null;
  /** A branch that nobody has checked out, into which what is approved is merged; not given: none. */
  readonly autoMerge?: string | null;
  /** Deterministic name of a check's container; `id` is its alone within the run. */
  containerName(run: RunId, id: string): string;
}

export interface RunPatchesContext {
  readonly repository: Repository;
  readonly state: State;
  /** Where the next check runs. */
  place(): CheckPlace;
  readonly run: RunId;
  readonly bounds: { readonly limits: Limits; readonly timeoutMs: number };
  /** Not given: patches wait. */
  readonly wanted: WantedReviews | undefined;
  /** Patches of these tasks alone; not given: all. */
  readonly only: readonly TaskId[] | undefined;
  /** Aborted: checks and merges under way end. */
  readonly signal: AbortSignal;
  emit(event: EventBody): void;
  /** Whether what was set up would be the same on this tree. */
  isSetUpFor(tree: ObjectId): Promise<boolean>;
}

const NONE: WantedReviews = {
  ...{ checks: [], autoApprove: 'never', maxPending: null },
  containerName: (run, id) => `${id}-${run}`,
};

export class RunPatches {
  readonly #reviews: Reviews;
  readonly #autoMerge: AutoMerge | null;
  /** The run's own. */
  readonly checker: Checker;

  constructor(context: RunPatchesContext) {
    const { wanted = NONE, repository, state, place, run, bounds, only, signal, emit, isSetUpFor } = context;
    const { checks, autoApprove, autoMerge: branch = null } = wanted;
    const checker = createChecker({
      ...{ place, ...bounds, stateDir: state.directory, run },
      containerName: (id) => wanted.containerName(run, id),
    });
    this.checker = checker;
    this.#autoMerge =
      branch === null ? null : new AutoMerge({ repository, state, branch, commands: checks, checker, signal, emit });
    this.#reviews = new Reviews({
      ...{ state, checker, policy: { checks, autoApprove }, only, signal, emit, isSetUpFor },
      onApproved: () => this.#autoMerge?.poke(),
      changedPaths: async ({ baseTree, tree }) =>
        (await changedPaths(repository, baseTree, tree)).map(({ path }) => path),
    });
  }

  /** How many of the patches that were checked have a check that failed. */
  get red(): number {
    return this.#reviews.red;
  }

  /** Patches are being checked. */
  get isBusy(): boolean {
    return this.#reviews.isBusy;
  }

  /** From now on patches are taken, those of earlier runs too: sandboxes start from what was set up. */
  open(): void {
    this.#reviews.open();
    this.#autoMerge?.open();
  }

  /** There is a new one. Returns at once. */
  look(): void {
    this.#reviews.look();
  }

  /** Ends the checks that are under way. */
  cancel(): void {
    this.#reviews.cancel();
  }

  /** Takes nothing more, and merges a last time. Rejects with what was not foreseen. */
  async done(): Promise<void> {
    try {
      await this.#reviews.done();
    } finally {
      await this.#autoMerge?.end();
    }
  }
}
