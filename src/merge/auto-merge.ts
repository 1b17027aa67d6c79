/** `--auto-merge`: during a run what is approved is merged into a branch that nobody has checked out, one merge at a time. */

import { OrchestrateError, usageError } from '../errors.ts';
import type { EventBody } from '../events.ts';
import { userIdentity } from '../git/commits.ts';
import type { Repository } from '../git/repository.ts';
import type { Checker } from '../review/checker.ts';
import type { State } from '../state/state.ts';
import { tryMergeLock } from './landing-lock.ts';
import { type MergeReport, mergeApproved } from './merge.ts';
import { nameOf, targetOf } from './target.ts';

export interface AutoMergeContext {
  readonly repository: Repository;
  readonly state: State;
  /** As typed. */
  readonly branch: string;
  /** None: what is approved is merged without a check. */
  readonly commands: readonly string[];
  readonly checker: Checker;
  /** Aborted: the merge under way ends, and none begins. */
  readonly signal: AbortSignal;
  emit(event: EventBody): void;
}

/** How often it is looked whether people approved something. */
const LOOK_EVERY_MS = 2_000;

/** What is better known before a run starts: usage errors AUTO_MERGE_CHECKED_OUT, BAD_BRANCH_NAME; environment NO_IDENTITY. */
export async function refuseAutoMerge(repository: Repository, branch: string): Promise<void> {
  const target = await targetOf(repository, branch).catch((error: unknown) => {
    if (!(error instanceof OrchestrateError) || error.code !== 'BRANCH_CHECKED_OUT') throw error;
    throw checkedOut(error.message);
  });
  if (target.isHere) throw checkedOut(`The branch ${branch} is checked out here.`);
  await userIdentity(repository);
}

function checkedOut(message: string): Error {
  return usageError('AUTO_MERGE_CHECKED_OUT', message, {
    hint: 'Name a branch that nobody has checked out for --auto-merge, a new one for instance.',
  });
}

export class AutoMerge {
  readonly #context: AutoMergeContext;
  #timer: NodeJS.Timeout | null = null;
  readonly #said = new Set<string>();
  #work: Promise<void> = Promise.resolve();
  #isAsked = false;
  /** The approved patches that the last merge left as they were. */
  #seen = '';

  constructor(context: AutoMergeContext) {
    this.#context = context;
  }

  /** From now on it merges: sandboxes start from what was set up. */
  open(): void {
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
    this.#look();
  }

  /** Something was approved: merges soon. What is approved while a merge is under way waits for the next. */
  poke(): void {
    if (this.#timer === null || this.#isAsked || this.#context.signal.aborted) return;
    this.#isAsked = true;
    this.#work = this.#work.then(async () => {
      this.#isAsked = false;
      await this.#merge().catch((error: unknown) => this.#tell(error));
    });
  }

  /** Merges a last time, and resolves when that is done. Nothing merges after that. */
  async end(): Promise<void> {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    this.#look();
    await this.#work;
    this.#timer = null;
  }

  #look(): void {
    const approved = this.#context.state.approvedPatches().join(' ');
    if (approved !== '' && approved !== this.#seen) this.poke();
  }

  async #merge(): Promise<void> {
    const { repository, state, branch, commands, checker, signal } = this.#context;
    if (signal.aborted) return;
    const lock = tryMergeLock(state);
    if (lock === null) {
      this.#warnOnce(`another merge is at work: what is approved is merged into ${branch} later`);
      return;
    }
    try {
      const before = state.approvedPatches().join(' ');
      this.#seen = before;
      if (before === '') return;
      await refuseAutoMerge(repository, branch);
      const report = await mergeApproved(repository, state, {
        ...{ into: branch, commands, signal, openChecker: async () => checker, onProgress: () => {} },
        onWarning: (message) => this.#context.emit({ type: 'warning', message }),
      });
      if (commands.length === 0 && report.merged.length > 0)
        this.#warnOnce(`nothing is checked before it is merged into ${branch}`);
      this.#report(report);
      this.#seen = state.approvedPatches().join(' ');
    } finally {
      lock.release();
    }
  }

  #report(report: MergeReport): void {
    const { from, to, merged, setAside, conflicts, flaky } = report;
    for (const command of flaky) this.#warnOnce(`\`${command}\` is flaky: it failed and passed on the same files`);
    if (merged.length + setAside.length + conflicts.length === 0) return;
    const target = nameOf(report.target);
    this.#context.emit({
      ...{ type: 'merge.ended', target, from, to, merged },
      setAside: setAside.map(({ id, reason }) => ({ id, reason })),
      conflicts: conflicts.map(({ id, with: other, paths }) => ({ id, with: other ?? target, paths })),
    });
  }

  /** A merge that cannot be is not the run's trouble: what was approved stays so. */
  #tell(error: unknown): void {
    if (this.#context.signal.aborted) return;
    const why = error instanceof Error ? error.message : String(error);
    this.#warnOnce(`nothing was merged into ${this.#context.branch}: ${why}`);
  }

  #warnOnce(message: string): void {
    if (this.#said.has(message)) return;
    this.#said.add(message);
    this.#context.emit({ type: 'warning', message });
  }
}
