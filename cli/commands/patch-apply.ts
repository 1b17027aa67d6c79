/** `patch apply`: patches, now, onto a branch, each as a commit; everything is checked before the first one. */

import { failure, OrchestrateError, usageError } from '../../src/errors.ts';
import { type Applied, conflictWithBranch, refuseUnfinished } from '../../src/git/apply.ts';
import type { Repository } from '../../src/git/repository.ts';
import { commitMessage } from '../../src/merge/commit-message.ts';
import type { Landing } from '../../src/merge/land.ts';
import { revealLine } from '../../src/sanitise.ts';
import type { PatchRecord } from '../../src/state/records.ts';
import type { State } from '../../src/state/state.ts';
import type { AttemptId } from '../../src/types.ts';
import { mergedAmong, type Selection, selectPatches } from '../apply-order.ts';
import type { Context } from '../context.ts';
import { someState } from '../find.ts';
import type { PatchApplyOptions } from '../options.ts';

/** One patch that was put on a branch. `to` is null without a commit, and `from` where the branch had all of it. */
export interface AppliedPatch {
  readonly id: string;
  readonly task: string;
  readonly from: string;
  readonly to: string | null;
  readonly branch: string | null;
  readonly undo: string;
  /** The commit that it was merged as before, which the branch does not have; null: it was not merged before. */
  readonly before: string | null;
}

export interface ApplyReport {
  readonly applied: readonly AppliedPatch[];
  readonly alreadyMerged: readonly string[];
  /** What stopped it after some patches were applied. */
  readonly stopped: OrchestrateError | null;
}

/** The command: applies and tells. */
export async function apply(context: Context, typed: readonly string[], options: PatchApplyOptions): Promise<number> {
  const report = await applyAll(context, typed, options);
  const first = report.applied.find((patch) => patch.undo !== '');
  if (context.json && report.stopped === null) context.printJson(reportJson(report, first));
  if (!context.json) context.print(reportText(report, first, options));
  if (report.stopped !== null) throw report.stopped;
  return 0;
}

/** Applies without telling. */
export async function applyAll(
  context: Context,
  typed: readonly string[],
  options: PatchApplyOptions,
): Promise<ApplyReport> {
  if (!options.commit && options.branch !== null) {
    throw usageError('BAD_USAGE', '--no-commit changes the work tree here, so it does not go with --branch');
  }
  const known = someState(await context.knownState(), typed[0] ?? '');
  const first = await select(context, known, typed, options);
  if (first.patches.length === 0) return { applied: [], alreadyMerged: first.alreadyMerged, stopped: null };
  const [repository, state] = await Promise.all([context.repository(), context.state()]);
  const { whileLanding } = await import('../../src/merge/landing-lock.ts');
  return whileLanding(
    repository,
    state,
    (line) => context.warn(line),
    async () => {
      // Another terminal may have landed, amended or rejected some of them while this one waited for its turn.
      const { patches, alreadyMerged } = await select(context, state, typed, options);
      if (!options.commit)
        return { applied: await applyUncommitted(repository, patches), alreadyMerged, stopped: null };
      return { ...(await applyCommitted(repository, state, { patches, branch: options.branch })), alreadyMerged };
    },
  );
}

async function select(
  context: Context,
  state: State,
  typed: readonly string[],
  options: PatchApplyOptions,
): Promise<Selection> {
  const missing = await missingOf(context, mergedAmong(state, typed), options.branch);
  return selectPatches(state, typed, { ...options, missing });
}

/** Which merged patches the target does not have: their commit is not in its history, and their change would do something. */
async function missingOf(
  context: Context,
  merged: readonly PatchRecord[],
  branch: string | null,
): Promise<ReadonlySet<AttemptId>> {
  if (merged.length === 0) return new Set();
  const [{ hasChange, isAncestor }, { listRefs }, repository] = await Promise.all([
    import('../../src/git/ancestry.ts'),
    import('../../src/git/refs.ts'),
    context.repository(),
  ]);
  const ref = `refs/heads/${branch ?? ''}`;
  // A branch that is new begins at HEAD.
  const isNew = branch === null || !(await listRefs(repository, ref)).some((each) => each.name === ref);
  const target = isNew ? 'HEAD' : ref;
  const missing = new Set<AttemptId>();
  for (const { id, mergedAs, baseTree, tree } of merged) {
    if (mergedAs === null || (await isAncestor(repository, mergedAs, target))) continue;
    if (!(await hasChange(repository, target, { base: baseTree, result: tree }))) missing.add(id);
  }
  return missing;
}

interface CommittedWork {
  readonly patches: readonly PatchRecord[];
  readonly branch: string | null;
}

async function applyCommitted(
  repository: Repository,
  state: State,
  work: CommittedWork,
): Promise<Omit<ApplyReport, 'alreadyMerged'>> {
  const { userIdentity } = await import('../../src/git/commits.ts');
  const identity = await userIdentity(repository);
  const applied: AppliedPatch[] = [];
  for (const patch of work.patches) {
    try {
      const done = await landOne(repository, state, { patch, branch: work.branch, ...identity });
      applied.push({ id: patch.id, task: patch.task, ...done, before: patch.mergedAs });
    } catch (error) {
      if (!(error instanceof OrchestrateError) || applied.length === 0) throw named(patch, error);
      return { applied, stopped: named(patch, error) };
    }
  }
  return { applied, stopped: null };
}

interface OnePatch extends Pick<Landing, 'author' | 'committer'> {
  readonly patch: PatchRecord;
  readonly branch: string | null;
}

/** As `merge` does: killed in between, the next command that lands finishes it or takes it back. */
async function landOne(repository: Repository, state: State, { patch, branch, ...people }: OnePatch): Promise<Applied> {
  const [{ mergeTrees }, { land }, { undoOf }, { targetOf }, { changedMeanwhile }] = await Promise.all([
    import('../../src/git/merge.ts'),
    import('../../src/merge/land.ts'),
    import('../../src/merge/merge.ts'),
    import('../../src/merge/target.ts'),
    import('../../src/review/amend.ts'),
  ]);
  const target = await targetOf(repository, branch);
  if (target.isHere) await refuseUnfinished(repository);
  const { commit: from, tree: ours } = target.tip;
  const merged = await mergeTrees(repository, { base: patch.baseTree, ours, theirs: patch.tree });
  if (!merged.clean) throw conflictWithBranch(merged.paths);
  const attempt = state.attemptsOf(patch.task).find((each) => each.id === patch.id) ?? null;
  const message = commitMessage(state.task(patch.task), attempt);
  const patches = [{ patch, tree: merged.tree, message }];
  const end = await land(repository, state, { target, patches, verb: 'apply', ...people });
  if (end === 'changed') throw changedMeanwhile(patch);
  if (end === 'elsewhere') {
    throw failure('HEAD_MOVED', 'The branch moved meanwhile; nothing was changed.', { hint: 'Apply again.' });
  }
  return { from, to: end.landed, branch: target.branch, undo: undoOf(target, end.landed) };
}

/** Which of several patches an error is about. */
function named<Thrown>(patch: PatchRecord, error: Thrown): Thrown | OrchestrateError {
  if (!(error instanceof OrchestrateError)) return error;
  return new OrchestrateError(error.kind, error.code, `${patch.id}: ${error.message}`, {
    hint: error.hint,
    cause: error,
  });
}

/** All patches as one change of index and work tree; none of them counts as merged. */
async function applyUncommitted(repository: Repository, patches: readonly PatchRecord[]): Promise<AppliedPatch[]> {
  const [{ applyToCheckout }, { resolveBase }, { mergeTrees }] = await Promise.all([
    import('../../src/git/apply.ts'),
    import('../../src/git/base.ts'),
    import('../../src/git/merge.ts'),
  ]);
  const head = await resolveBase(repository, { includeDirty: false });
  let result = head.tree;
  for (const patch of patches) {
    const merge = await mergeTrees(repository, { base: patch.baseTree, ours: result, theirs: patch.tree });
    if (!merge.clean) {
      const paths = merge.paths.map(revealLine).join(', ');
      throw new OrchestrateError('failure', 'PATCH_CONFLICT', `${patch.id} conflicts with what is there in ${paths}`, {
        hint: 'Nothing was changed.',
      });
    }
    result = merge.tree;
  }
  const done = await applyToCheckout(repository, { base: head.tree, result });
  return patches.map((patch) => ({ id: patch.id, task: patch.task, ...done, before: patch.mergedAs }));
}

function reportJson(report: ApplyReport, first: AppliedPatch | undefined) {
  const last = report.applied.at(-1);
  return {
    target: last?.branch ?? null,
    from: report.applied[0]?.from ?? null,
    to: last?.to ?? null,
    merged: report.applied.filter((patch) => patch.to !== null).map((patch) => patch.id),
    applied: report.applied,
    alreadyMerged: report.alreadyMerged,
    undo: first?.undo ?? null,
  };
}

function reportText(report: ApplyReport, first: AppliedPatch | undefined, options: PatchApplyOptions): string {
  const lines = report.alreadyMerged.map((id) => `${id} is merged already`);
  for (const patch of report.applied) {
    if (patch.before !== null) lines.push(beforeLine(patch));
    lines.push(lineOf(patch, options));
  }
  if (first !== undefined) lines.push(`Undo: ${revealLine(first.undo)}`);
  return lines.map((line) => `${line}\n`).join('');
}

function beforeLine(patch: AppliedPatch): string {
  const where = revealLine(patch.branch ?? 'the detached HEAD');
  return `${patch.id} was merged as ${(patch.before ?? '').slice(0, 12)} before, which ${where} does not have: applied again`;
}

function lineOf(patch: AppliedPatch, options: PatchApplyOptions): string {
  const where = revealLine(patch.branch ?? 'the detached HEAD');
  if (patch.undo === '') return `${patch.id}: ${where} had all of it already`;
  if (!options.commit) return `${patch.id} is in the index and the work tree, not committed`;
  return `${patch.id} merged into ${where} as ${(patch.to ?? '').slice(0, 12)}`;
}
