/** Which results will not merge with each other: every two that can conflict at all are merged in memory, once. */

import { manyChanges, type PathChange, type TreePair } from '../git/many-changes.ts';
import type { TreeMerge } from '../git/merge.ts';
import { type Merger, openMerger } from '../git/merger.ts';
import type { Repository } from '../git/repository.ts';
import { type Conflict, type Forecast, type Result, treesOf } from '../state/forecasts.ts';
import type { State } from '../state/state.ts';
import type { AttemptId, ObjectId } from '../types.ts';
import { canConflict, mayRename, type Touched, touchedBy } from './touches.ts';

/** More patches than this nobody reviews in a day; their pairs would be 125,000. */
export const MOST_RESULTS = 500;

export interface ForecastOptions {
  /** Snapshots of attempts under way; they are looked at beside the patches. */
  readonly underWay?: readonly Result[];
  /** Aborted: nothing more is looked at, and nothing of what was is written down. */
  readonly signal?: AbortSignal;
}

export interface ForecastUpdate {
  /** Those that nobody knew of. */
  readonly found: readonly Conflict[];
  /** More patches wait than are looked at. */
  readonly isCut: boolean;
}

/**
 * Looks at what is new since the last time beside all that may still be merged, and writes down what conflicts. Quick where
 * nothing is new. What it makes on the way leaves nothing in the repository. Errors as `mergeTrees`.
 */
export async function updateForecast(
  repository: Repository,
  state: State,
  options: ForecastOptions = {},
): Promise<ForecastUpdate> {
  const { underWay = [], signal } = options;
  const patches = state.mergeableResults(MOST_RESULTS + 1);
  const results = [...patches.slice(0, MOST_RESULTS), ...underWay];
  const fresh = freshOf(state, results);
  const isCut = patches.length > MOST_RESULTS;
  if (fresh.length === 0) return { found: [], isCut };
  const known = new Set(state.conflicts().map(nameOf));
  const forecast = await lookAt(repository, state, { results, fresh, signal });
  if (forecast === null) return { found: [], isCut };
  state.addForecast(forecast);
  return { found: forecast.conflicts.filter((conflict) => !known.has(nameOf(conflict))), isCut };
}

/** Whether `updateForecast` has something to do. */
export function isForecastOld(state: State): boolean {
  const looked = state.lookedAt();
  return state.mergeableResults(MOST_RESULTS).some((result) => looked.get(result.id) !== treesOf(result));
}

/** Those that were not looked at as they are. What is out of sight now was not looked at beside what comes after it. */
function freshOf(state: State, results: readonly Result[]): Result[] {
  const looked = state.lookedAt();
  const present = new Set(results.map(({ id }) => id));
  const running = new Set(state.unendedAttempts().map(({ id }) => id));
  state.forgetForecast([...looked.keys()].filter((id) => !present.has(id) && !running.has(id)));
  return results.filter((result) => looked.get(result.id) !== treesOf(result));
}

function nameOf({ left, right }: Conflict): string {
  return `${left} ${right}`;
}

interface Beside {
  readonly results: readonly Result[];
  readonly fresh: readonly Result[];
  readonly signal: AbortSignal | undefined;
}

type Pair = readonly [left: Result, right: Result];

/** Merges are asked for by so many at once. */
const AT_ONCE = 256;

async function lookAt(repository: Repository, state: State, beside: Beside): Promise<Forecast | null> {
  const { fresh, signal } = beside;
  const pairs = await pairsOf(repository, state, beside);
  const conflicts: Forecast['conflicts'][number][] = [];
  if (pairs.length === 0) return { looked: fresh, conflicts };
  await using merger = await openMerger(repository, 'dropped');
  for (let at = 0; at < pairs.length; at += AT_ONCE) {
    if (signal?.aborted === true) return null;
    const some = pairs.slice(at, at + AT_ONCE);
    const merges = await Promise.all(some.map((pair) => mergePair(merger, pair)));
    for (const [n, merge] of merges.entries()) {
      const [left, right] = some[n] ?? [];
      if (left === undefined || right === undefined || merge.clean) continue;
      conflicts.push({ left: left.id, right: right.id, paths: merge.paths, results: [left, right] });
    }
  }
  return { looked: fresh, conflicts };
}

/** Every fresh result with every other one, where they can conflict. */
async function pairsOf(repository: Repository, state: State, { results, fresh }: Beside): Promise<Pair[]> {
  const isFresh = new Set(fresh);
  const foundations = new Map<AttemptId, ReadonlySet<AttemptId>>();
  const standsOn = ({ id }: Result, below: Result): boolean => {
    const known = foundations.get(id) ?? new Set(state.foundationsOf(id));
    foundations.set(id, known);
    return known.has(below.id);
  };
  const open: Pair[] = [];
  for (const [at, one] of results.entries()) {
    for (const other of results.slice(at + 1)) {
      if ((isFresh.has(one) || isFresh.has(other)) && one.task !== other.task) {
        open.push(one.id < other.id ? [one, other] : [other, one]);
      }
    }
  }
  if (open.length === 0) return [];
  const [touched, renames] = await Promise.all([touchedByEach(repository, results), renamesBetween(repository, open)]);
  return open.filter(([left, right]) => {
    const [a, b] = [touched.get(left), touched.get(right)];
    // A tree that is gone merges with nothing, and says so where it is needed.
    if (a === undefined || b === undefined) return false;
    return (renames(left, right) || canConflict(a, b)) && !standsOn(left, right) && !standsOn(right, left);
  });
}

async function touchedByEach(repository: Repository, results: readonly Result[]): Promise<Map<Result, Touched>> {
  const changes = await manyChanges(
    repository,
    results.map(({ baseTree, tree }) => ({ from: baseTree, to: tree })),
  );
  const found = new Map<Result, Touched>();
  for (const [at, result] of results.entries()) {
    const made = changes[at];
    if (made !== null && made !== undefined) found.set(result, touchedBy(made));
  }
  return found;
}

/** Whether paths of one result may be other paths on the base of the other: then they say nothing. */
async function renamesBetween(
  repository: Repository,
  pairs: readonly Pair[],
): Promise<(left: Result, right: Result) => boolean> {
  const bases = new Map<string, TreePair>();
  const key = (left: Result, right: Result): string => `${left.baseTree} ${right.baseTree}`;
  for (const [left, right] of pairs) {
    if (left.baseTree !== right.baseTree) bases.set(key(left, right), { from: left.baseTree, to: right.baseTree });
  }
  const changes: readonly (readonly PathChange[] | null)[] = await manyChanges(repository, [...bases.values()]);
  const answers = new Map<string, boolean>();
  for (const [at, name] of [...bases.keys()].entries()) answers.set(name, mayRename(changes[at] ?? []));
  return (left, right) => answers.get(key(left, right)) ?? false;
}

/**
 * From one base: as they are. Else the change of one is put onto the base of the other first. Where neither goes there,
 * the conflict is not between them but with what a base has, and is told there.
 */
async function mergePair(merger: Merger, [left, right]: Pair): Promise<TreeMerge> {
  const onto = (upper: Result, base: ObjectId): Promise<TreeMerge> =>
    merger.merge({ base: upper.baseTree, ours: base, theirs: upper.tree });
  const moved = await onto(left, right.baseTree);
  if (moved.clean) return merger.merge({ base: right.baseTree, ours: moved.tree, theirs: right.tree });
  const back = await onto(right, left.baseTree);
  if (back.clean) return merger.merge({ base: left.baseTree, ours: back.tree, theirs: left.tree });
  return { clean: true, tree: left.tree };
}
