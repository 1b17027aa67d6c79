/** What becomes of patches while a run works: they are checked beside the agents, and policy decides on what passed. */

import { OrchestrateError } from '../errors.ts';
import type { EventBody } from '../events.ts';
import type { Checker } from '../review/checker.ts';
import { mayApprove, type ReviewPolicy } from '../review/policy.ts';
import { uncheckedBy, verdictOn } from '../review/verdict.ts';
import type { PatchRecord } from '../state/records.ts';
import type { State } from '../state/state.ts';
import type { AttemptId, ObjectId } from '../types.ts';

export interface ReviewsContext {
  readonly state: State;
  readonly policy: ReviewPolicy;
  readonly checker: Checker;
  /** Aborted: checks under way end, and their patches stay without a verdict. */
  readonly signal: AbortSignal;
  emit(event: EventBody): void;
  /** Whether what was set up would be the same on this tree. */
  isSetUpFor(tree: ObjectId): Promise<boolean>;
  /** Policy approved a patch. Not given: nobody waits for that. */
  onApproved?(patch: AttemptId): void;
}

/** Nothing is taken before `open`, when sandboxes start from what was set up. What is passed over the next run takes. */
export class Reviews {
  readonly #context: ReviewsContext;
  readonly #cancelling = new AbortController();
  readonly #underWay = new Set<Promise<void>>();
  readonly #red = new Set<AttemptId>();
  readonly #faults: unknown[] = [];
  #isOpen = false;

  constructor(context: ReviewsContext) {
    this.#context = context;
  }

  /** Patches are being checked. */
  get isBusy(): boolean {
    return this.#underWay.size > 0;
  }

  /** How many of the patches that were taken have a check that failed. */
  get red(): number {
    return this.#red.size;
  }

  /** From now on patches are taken, these first: whatever was decided on them meanwhile. */
  open(waiting: readonly PatchRecord[]): void {
    this.#isOpen = true;
    for (const patch of waiting) this.take(patch.id);
  }

  /** Has a pending patch checked, as far as it was not, and decided on. Returns at once. */
  take(id: AttemptId): void {
    const { state, policy } = this.#context;
    const patch = state.patch(id);
    if (!this.#isOpen || patch?.state !== 'pending' || policy.checks.length === 0) return;
    const work: Promise<void> = this.#review(patch)
      .catch((error) => this.#failed(patch, error))
      .finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }

  /** Ends what is under way. */
  cancel(): void {
    this.#cancelling.abort();
  }

  /** Resolves when nothing is under way any more. Rejects with what was not foreseen. */
  async done(): Promise<void> {
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
    this.#decide(patch.id);
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

  /** As the patch is now: somebody may have decided, or amended it, meanwhile. */
  #decide(id: AttemptId): void {
    const { state, policy, emit, onApproved } = this.#context;
    const patch = state.patch(id);
    if (patch === null) return;
    if (verdictOn(patch, policy.checks) === 'failed') this.#red.add(id);
    if (!mayApprove(patch, policy) || !state.approveChecked(id, patch.tree)) return;
    emit({ type: 'patch.approved', task: patch.task, attempt: id, patch: id });
    onApproved?.(id);
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
