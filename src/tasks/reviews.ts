/** What becomes of patches while a run works: they are checked beside the agents, and policy decides on what passed. */

import { OrchestrateError } from '../errors.ts';
import type { EventBody } from '../events.ts';
import type { Checker } from '../review/checker.ts';
import { refusalOf } from '../review/decide.ts';
import { mayApprove, ownCheck, type ReviewPolicy } from '../review/policy.ts';
import { uncheckedBy, verdictOn } from '../review/verdict.ts';
import type { PatchRecord } from '../state/records.ts';
import type { State } from '../state/state.ts';
import type { AttemptId, CheckVerdict, ObjectId, TaskId } from '../types.ts';

/** How soon what somebody else changed is seen; the run's own patches are told at once. */
const LOOK_EVERY_MS = 1000;

export interface ReviewsContext {
  readonly state: State;
  readonly policy: ReviewPolicy;
  readonly checker: Checker;
  /** Patches of these tasks alone; not given: all. */
  readonly only?: readonly TaskId[] | undefined;
  /** Aborted: checks under way end, and their patches stay without a verdict. */
  readonly signal: AbortSignal;
  emit(event: EventBody): void;
  /** Whether what was set up would be the same on this tree. */
  isSetUpFor(tree: ObjectId): Promise<boolean>;
  /** Printable paths that a patch changes, by which one is known that changes its own check. */
  changedPaths(patch: PatchRecord): Promise<readonly string[]>;
  /** Policy approved a patch. Not given: nobody waits for that. */
  onApproved?(patch: AttemptId): void;
}

/** Nothing is taken before `open`, when sandboxes start from what was set up. What is not taken the next run takes. */
export class Reviews {
  readonly #context: ReviewsContext;
  readonly #cancelling = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  /** Each with the tree that was taken: somebody may amend it, or what it stands on, meanwhile. */
  readonly #taken = new Map<AttemptId, ObjectId>();
  readonly #red = new Set<AttemptId>();
  readonly #faults: unknown[] = [];
  #looking: NodeJS.Timeout | null = null;

  constructor(context: ReviewsContext) {
    this.#context = context;
  }

  /** Patches are being checked. */
  get isBusy(): boolean {
    return this.#underWay.size > 0;
  }

  /** How many of the patches that were checked have a check that failed. */
  get red(): number {
    return this.#red.size;
  }

  /** From now on pending patches are taken as they are found: those of earlier runs, new ones, and amended ones anew. */
  open(): void {
    this.#looking = setInterval(() => this.look(), LOOK_EVERY_MS);
    this.look();
  }

  /** Has what came to be checked, as far as it was not, and decided on. Returns at once. */
  look(): void {
    const { state, policy, only } = this.#context;
    if (this.#looking === null || policy.checks.length === 0) return;
    for (const { id, task, tree } of state.pendingTrees()) {
      if (this.#taken.get(id) === tree || only?.includes(task) === false) continue;
      this.#taken.set(id, tree);
      this.#take(id);
    }
  }

  #take(id: AttemptId): void {
    const patch = this.#context.state.patch(id);
    if (patch === null) return;
    const work: Promise<void> = this.#review(patch)
      .catch((error) => this.#failed(patch, error))
      .finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }

  /** Ends what is under way. */
  cancel(): void {
    this.#cancelling.abort();
  }

  /** Takes nothing more, and resolves when nothing is under way any more. Rejects with what was not foreseen. */
  async done(): Promise<void> {
    if (this.#looking !== null) clearInterval(this.#looking);
    this.#looking = null;
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    if (this.#faults.length > 0) throw this.#faults[0];
  }

  get #signal(): AbortSignal {
    return AbortSignal.any([this.#context.signal, this.#cancelling.signal]);
  }

  async #review(patch: PatchRecord): Promise<void> {
    const { policy } = this.#context;
    const commands = uncheckedBy(patch, policy.checks);
    if (commands.length > 0) await this.#tellOfSetUp(patch);
    await Promise.all(commands.map((command) => this.#check(patch, command)));
    const isOwn = policy.autoApprove === 'passing' && (await this.#changesOwnCheck(patch));
    const now = this.#decide(patch.id, isOwn);
    // What was red before is an earlier run's news.
    if (commands.length > 0 && now === 'failed') this.#red.add(patch.id);
  }

  /** One by one, so that what ended is kept when the run is cut off. */
  async #check(patch: PatchRecord, command: string): Promise<void> {
    const { checker, state, emit } = this.#context;
    const { id, task, tree, commit, baseTree: near } = patch;
    const records = await checker.check({ name: id, tree, commit, near }, [command], this.#signal);
    state.addChecks(id, records);
    for (const { exitCode, durationMs, isFlaky } of records) {
      emit({ type: 'check.ended', task, attempt: id, command, exitCode, durationMs, flaky: isFlaky });
    }
  }

  async #tellOfSetUp({ id, task, tree }: PatchRecord): Promise<void> {
    const { isSetUpFor, emit } = this.#context;
    if (await isSetUpFor(tree)) return;
    const message = 'changes what the set-up depends on, and is checked with the set-up of the base';
    emit({ type: 'warning', task, attempt: id, message });
  }

  /** Its verdict is its own, then, and a person's to judge. */
  async #changesOwnCheck(patch: PatchRecord): Promise<boolean> {
    const { policy, emit, changedPaths } = this.#context;
    const path = ownCheck(policy.checks, await changedPaths(patch));
    if (path === null) return false;
    const message = `changes ${path}, which a check runs: a person has to approve it`;
    emit({ type: 'warning', task: patch.task, attempt: patch.id, message });
    return true;
  }

  /** As the patch is now: somebody may have decided, or amended it, meanwhile. Gives its verdict. */
  #decide(id: AttemptId, isLeftToPeople: boolean): CheckVerdict {
    const { state, policy, emit, onApproved } = this.#context;
    const patch = state.patch(id);
    if (patch === null) return 'none';
    const verdict = verdictOn(patch, policy.checks);
    if (verdict === 'passed') this.#red.delete(id);
    if (isLeftToPeople || !mayApprove(patch, policy) || refusalOf(state, patch, 'approved') !== null) return verdict;
    if (!state.approveChecked(id, patch.tree)) return verdict;
    emit({ type: 'patch.approved', task: patch.task, attempt: id, patch: id });
    onApproved?.(id);
    return verdict;
  }

  #failed({ id, task }: PatchRecord, error: unknown): void {
    if (this.#signal.aborted) return;
    if (!(error instanceof OrchestrateError)) {
      this.#faults.push(error);
      return;
    }
    this.#context.emit({ type: 'warning', task, attempt: id, message: `${id} was not checked: ${error.message}` });
  }
}
