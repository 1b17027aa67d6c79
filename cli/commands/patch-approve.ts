/** `patch approve` of parts of a patch, and of all patches that passed their checks. */

import { OrchestrateError, usageError } from '../../src/errors.ts';
import { isSensitive } from '../../src/patch/inspect/codes.ts';
import type { Decided } from '../../src/review/decide.ts';
import { ownCheck } from '../../src/review/policy.ts';
import { verdictOf, verdictOn } from '../../src/review/verdict.ts';
import { revealLine } from '../../src/sanitise.ts';
import type { PatchRecord } from '../../src/state/records.ts';
import type { AttemptId } from '../../src/types.ts';
import type { Context } from '../context.ts';
import { patchOf, someState } from '../find.ts';
import type { PatchApproveOptions } from '../options.ts';
import { tellDecided } from '../render/decided.ts';
import { approvePatches, open } from './patch-decide.ts';

export async function approve(
  context: Context,
  typed: readonly string[],
  options: PatchApproveOptions,
): Promise<number> {
  const { only, except, allPassing } = options;
  const ways = [only.length > 0, except.length > 0, allPassing].filter(Boolean).length;
  if (ways > 1) {
    throw usageError('BAD_USAGE', 'only one of --only, --except and --all-passing can be given');
  }
  if (allPassing && typed.length > 0) {
    throw usageError('BAD_USAGE', '--all-passing takes no patches: it looks at all that are pending');
  }
  if (allPassing) return approvePassing(context);
  const [id] = typed;
  if (id === undefined) {
    throw usageError('BAD_USAGE', 'no patch is named', { hint: 'orchestrate patch approve <patch>, or --all-passing' });
  }
  if (ways === 0) return approvePatches(context, typed);
  if (typed.length > 1) throw usageError('BAD_USAGE', 'parts can be approved of one patch at a time');
  return approveParts(context, id, options);
}

/** The rest becomes the rejected part: the patch is what was approved, to be checked anew. */
async function approveParts(context: Context, typed: string, { only, except }: PatchApproveOptions): Promise<number> {
  const patch = patchOf(someState(await context.knownState(), typed), typed);
  const [{ listParts, treeOfChoice }, { decideTree }, { chosenParts, partsWithout }, bench] = await Promise.all([
    import('../../src/review/parts.ts'),
    import('../../src/review/decide.ts'),
    import('../choice.ts'),
    open(context),
  ]);
  const trees = { base: patch.baseTree, tree: patch.tree };
  const files = await listParts(bench.repository, trees.base, trees.tree);
  const choice = only.length > 0 ? chosenParts(files, only) : partsWithout(files, except);
  const decided = await decideTree(bench, patch, await treeOfChoice(bench.repository, trees, choice), 'person');
  await tellDecided(context, decided, 'approved');
  if (!context.json) context.print(`Next: orchestrate merge\n`);
  return 0;
}

interface Left {
  readonly id: AttemptId;
  readonly reason: string;
}

async function approvePassing(context: Context): Promise<number> {
  const pending = ((await context.knownState())?.patches() ?? []).filter((patch) => patch.state === 'pending');
  // What is configured counts; without that, whatever was run.
  const { checks } = (await context.settings({}, { trust: false })).settings;
  const left: Left[] = [];
  const all: Decided[] = [];
  if (pending.length > 0) {
    const [{ approvePatches: approveSome }, { changedPaths }, bench] = await Promise.all([
      import('../../src/review/decide.ts'),
      import('../../src/git/diff.ts'),
      open(context),
    ]);
    for (const patch of pending) {
      const changed = await changedPaths(bench.repository, patch.baseTree, patch.tree);
      const paths = changed.map(({ path }) => path);
      const reason = whyLeft(patch, { checks, paths });
      if (reason !== null) left.push({ id: patch.id, reason });
      else {
        // Each for itself: what somebody else decides meanwhile concerns no other.
        const decided = await approveSome(bench, [patch.id], 'person').catch((error: unknown) => error);
        if (!(decided instanceof Error)) all.push(decided as Decided);
        else if (decided instanceof OrchestrateError && decided.kind === 'usage') {
          left.push({ id: patch.id, reason: decided.message });
        } else throw decided;
      }
    }
  }
  const { patches, unchanged, alsoChanged, restacked } = joined(all);
  await tellDecided(context, { patches, unchanged, alsoChanged, restacked }, 'approved', { left });
  if (context.json) return 0;
  for (const { id, reason } of left) context.print(`${id} was left: ${revealLine(reason)}\n`);
  if (pending.length === 0) context.print('No patch is pending.\n');
  else if (patches.length > 0) context.print(`Next: orchestrate merge\n`);
  return 0;
}

/** Null: it passed, and nothing in it has to wait for a person's eyes. */
function whyLeft(
  patch: PatchRecord,
  { checks, paths }: { readonly checks: readonly string[]; readonly paths: readonly string[] },
): string | null {
  const verdict = checks.length > 0 ? verdictOn(patch, checks) : verdictOf(patch);
  const own = ownCheck(
    patch.checks.map(({ command }) => command),
    paths,
  );
  const flagged = [...new Set(patch.flags.map(({ code }) => code).filter(isSensitive))];
  const why = [
    ...(verdict === 'failed' ? ['its checks failed'] : []),
    ...(verdict === 'none' ? ['it was not checked'] : []),
    ...(own === null ? [] : [`it changes ${own}, which a check runs`]),
    ...(flagged.length > 0 ? [`to be looked at: ${flagged.join(', ')}`] : []),
  ];
  return why.length === 0 ? null : why.join('; ');
}

function joined(all: readonly Decided[]): Decided {
  return {
    patches: all.flatMap(({ patches }) => patches),
    unchanged: all.flatMap(({ unchanged }) => unchanged),
    alsoChanged: all.flatMap(({ alsoChanged }) => alsoChanged),
    restacked: all.flatMap(({ restacked }) => restacked),
  };
}
