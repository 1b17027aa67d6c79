/** `merge`: everything approved into a branch, through checks; says what landed, what did not and why, and what to type next. */

import { EXIT_CODES, failure } from '../../src/errors.ts';
import type { Repository } from '../../src/git/repository.ts';
import type { MergeReport } from '../../src/merge/merge.ts';
import type { State } from '../../src/state/state.ts';
import type { Context } from '../context.ts';
import { onInterrupt } from '../interrupt.ts';
import type { MergeOptions } from '../options.ts';
import { mergeJson, mergeText, planJson, planText } from '../render/merge.ts';

/** Resolves to the exit code: 0 where all landed or nothing was to do, 1 where some were set aside or conflict, 130. */
export async function merge(context: Context, options: MergeOptions): Promise<number> {
  const { settings } = await context.settings(options.settings, { trust: options.trust });
  const commands = [...new Set(settings.checks)];
  const repository = await context.repository();
  // Nothing is made where nothing was ever queued.
  if ((await context.knownState()) === null) return nothing(context, repository, options.into);
  const state = await context.state();
  if (options.dryRun) {
    const { planMerge } = await import('../../src/merge/merge.ts');
    const plan = await planMerge(repository, state, options.into);
    if (context.json) context.printJson(planJson(plan, commands));
    else context.print(planText(plan, commands));
    return plan.conflicts.length > 0 ? EXIT_CODES.failure : 0;
  }
  const [{ mergeApproved }, { tryMergeLock }] = await Promise.all([
    import('../../src/merge/merge.ts'),
    import('../../src/merge/landing-lock.ts'),
  ]);
  const lock = tryMergeLock(state);
  if (lock === null) {
    throw failure('MERGE_RUNNING', 'Another `orchestrate merge` is at work in this repository.', {
      hint: 'Wait for it to end: what it merges need not be merged twice.',
    });
  }
  const leaving = new AbortController();
  const release = onInterrupt(leaving, () => context.warn('ending the merge; once more to leave at once'));
  const { signal } = leaving;
  const checking = new LazyChecking(async () => {
    const { openChecker } = await import('../checking.ts');
    return openChecker(context, settings, { command: 'orchestrate merge', signal });
  });
  try {
    const report = await mergeApproved(repository, state, {
      ...{ into: options.into, commands, signal, openChecker: () => checking.open() },
      onProgress: (line) => context.note(line),
      onWarning: (line) => context.warn(line),
    });
    await tell(context, state, report, { commands, resolve: options.resolve });
    return report.setAside.length > 0 || report.conflicts.length > 0 ? EXIT_CODES.failure : 0;
  } catch (error) {
    if (signal.aborted) return EXIT_CODES.interrupted;
    throw error;
  } finally {
    await checking.close();
    release();
    lock.release();
  }
}

async function nothing(context: Context, repository: Repository, into: string | null): Promise<number> {
  const { targetOf } = await import('../../src/merge/target.ts');
  const target = await targetOf(repository, into);
  const from = target.tip.commit;
  const lists = { merged: [], setAside: [], conflicts: [], leftOut: [], flaky: [] };
  const none: MergeReport = { target, from, to: from, ...lists, checked: 0, undo: '' };
  if (context.json) context.printJson(mergeJson(none));
  else context.print(mergeText(none, repository.stateDir));
  return 0;
}

type Opened = Awaited<ReturnType<typeof import('../checking.ts').openChecker>>;

/** Docker is not needed where there is nothing to check. */
class LazyChecking {
  #opened: Promise<Opened> | null = null;

  constructor(readonly make: () => Promise<Opened>) {}

  async open() {
    this.#opened ??= this.make();
    return (await this.#opened).checker;
  }

  async close(): Promise<void> {
    const opened = await this.#opened?.catch(() => null);
    await opened?.[Symbol.asyncDispose]();
  }
}

interface Telling {
  readonly commands: readonly string[];
  readonly resolve: boolean;
}

async function tell(context: Context, state: State, report: MergeReport, telling: Telling): Promise<void> {
  const { commands } = telling;
  if (commands.length === 0 && report.merged.length > 0) {
    context.warn('nothing was checked: there are no checks (--check, or checks in orchestrate.yaml)');
  }
  for (const command of report.flaky) context.warn(`\`${command}\` is flaky: it failed and passed on the same files`);
  if (!context.json) context.print(mergeText(report, state.directory));
  const queued = await resolveConflicts(context, state, report, telling.resolve);
  if (context.json) context.printJson({ ...mergeJson(report), tasks: queued });
}

/** Queues a task for each conflict of its own. Returns their ids. */
async function resolveConflicts(
  context: Context,
  state: State,
  report: MergeReport,
  wanted: boolean,
): Promise<readonly string[]> {
  const conflicts = report.conflicts.filter(({ paths }) => paths.length > 0);
  if (conflicts.length === 0) return [];
  const what = conflicts.length === 1 ? 'the conflict' : `each of the ${conflicts.length} conflicts`;
  if (!wanted && !(await context.confirm(`Queue a task that resolves ${what}?`))) return [];
  const { conflictTask } = await import('../../src/merge/conflict-task.ts');
  const { OrchestrateError } = await import('../../src/errors.ts');
  const queued: string[] = [];
  for (const { id, with: other, paths } of conflicts) {
    try {
      const [task] = state.addTasks([conflictTask(state, { patch: id, with: other, paths })]);
      if (task !== undefined) queued.push(task.id);
    } catch (error) {
      // One that is being resolved already.
      if (!(error instanceof OrchestrateError) || error.kind !== 'usage') throw error;
      context.warn(error.message);
    }
  }
  if (!context.json && queued.length > 0) context.print(`Queued: ${queued.join(', ')}\nNext: orchestrate run\n`);
  return queued;
}
