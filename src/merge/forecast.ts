/** Which results will not merge with each other: every two that can conflict at all are merged in memory, once. */

import { manyChanges, type TreePair } from '../git/many-changes.ts';
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
  /** Aborted: nothing more is looked at. What was is written down; the next time goes on from there. */
  readonly signal?: AbortSignal;
}

export interface ForecastUpdate {
  /** Those that nobody knew of. */
  readonly found: readonly Conflict[];
  /** There are patches that were not looked at: more than MOST_RESULTS, or the signal was aborted. */
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
  const found: Conflict[] = [];
  for await (const forecast of looks(repository, state, { results, fresh })) {
    state.addForecast(forecast);
    found.push(...forecast.conflicts.filter((conflict) => !known.has(nameOf(conflict))));
    if (signal?.aborted === true) break;
  }
  return { found, isCut: isCut || freshOf(state, results).length > 0 };
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
}

type Pair = readonly [left: Result, right: Result];

/** Merges that are asked for at once, about. */
const AT_ONCE = 256;

/** Fresh results by the group, each beside those that were looked at before: of two fresh ones the later one has the pair. */
async function* looks(repository: Repository, state: State, { results, fresh }: Beside): AsyncGenerator<Forecast> {
  const looked = new Set(results);
  for (const result of fresh) looked.delete(result);
  if (results.length === 1) return yield { looked: fresh, conflicts: [] };
  const canMeet = await meetings(repository, state, results);
  let group: Result[] = [];
  let pairs: Pair[] = [];
  for (const [at, result] of fresh.entries()) {
    pairs.push(...(await canMeet(result, [...looked])));
    looked.add(result);
    group.push(result);
    if (pairs.length < AT_ONCE && at < fresh.length - 1) continue;
    yield { looked: group, conflicts: await conflictsOf(repository, pairs) };
    group = [];
    pairs = [];
  }
}

/** With a merger of their own: what merges make stays on the disk as long as that. */
async function conflictsOf(repository: Repository, pairs: readonly Pair[]): Promise<Forecast['conflicts']> {
  if (pairs.length === 0) return [];
  await using merger = await openMerger(repository, 'dropped');
  const merges = await Promise.all(
    pairs.map(async ([left, right]) => ({ left, right, merge: await mergePair(merger, [left, right]) })),
  );
  return merges.flatMap(({ left, right, merge }) =>
    merge.clean ? [] : [{ left: left.id, right: right.id, paths: merge.paths, results: [left, right] as const }],
  );
}

type Meetings = (result: Result, others: readonly Result[]) => Promise<Pair[]>;

/** The pairs of a result that can conflict. */
async function meetings(repository: Repository, state: State, results: readonly Result[]): Promise<Meetings> {
  const touched = await touchedByEach(repository, results);
  const renames = new Map<string, boolean>();
  const foundations = new Map<Result, ReadonlySet<AttemptId>>();
  const standsOn = (above: Result, below: Result): boolean => {
    const known = foundations.get(above) ?? new Set(state.foundationsOf(above.id));
    foundations.set(above, known);
    return known.has(below.id);
  };
  return async (result, others) => {
    await lookForRenames(repository, renames, [result, others]);
    const met = others.filter((other) => {
      const [a, b] = [touched.get(result), touched.get(other)];
      // A tree that is gone merges with nothing, and says so where it is needed.
      if (a === undefined || b === undefined || result.task === other.task) return false;
      if (renames.get(basesOf(result, other)) !== true && !canConflict(a, b)) return false;
      return !standsOn(result, other) && !standsOn(other, result);
    });
    return met.map((other) => (result.id < other.id ? [result, other] : [other, result]));
  };
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

function basesOf(one: Result, other: Result): string {
  return `${one.baseTree} ${other.baseTree}`;
}

/** Whether paths of one result may be other paths on the base of another one: then they say nothing. */
async function lookForRenames(
  repository: Repository,
  known: Map<string, boolean>,
  [result, others]: readonly [Result, readonly Result[]],
): Promise<void> {
  const bases = new Map<string, TreePair>();
  for (const other of others) {
    const name = basesOf(result, other);
    if (result.baseTree === other.baseTree || known.has(name)) continue;
    bases.set(name, { from: result.baseTree, to: other.baseTree });
  }
  const changes = await manyChanges(repository, [...bases.values()]);
  for (const [at, name] of [...bases.keys()].entries()) known.set(name, mayRename(changes[at] ?? []));
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
