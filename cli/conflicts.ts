/** What the forecast says: which results will not merge with which. */

import { nameSome } from '../src/git/bytes.ts';
import { revealLine } from '../src/sanitise.ts';
import type { Conflict } from '../src/state/forecasts.ts';
import type { State } from '../src/state/state.ts';
import type { AttemptId } from '../src/types.ts';
import type { Context } from './context.ts';

/** Nobody waits longer for a list; the next look goes on where this one ended. */
const LONGEST_MS = 3_000;

/** Looks at patches that nobody has looked at beside the others. Where that cannot be done, a warning says so. */
export async function updateConflicts(context: Context): Promise<void> {
  const { isForecastOld, MOST_RESULTS, updateForecast } = await import('../src/merge/forecast.ts');
  const known = await context.readState();
  if (known === null || !isForecastOld(known)) return;
  try {
    const signal = AbortSignal.timeout(LONGEST_MS);
    const { isCut } = await updateForecast(await context.repository(), await context.state(), { signal });
    if (isCut) context.note(`not all patches were looked at for conflicts (at most ${MOST_RESULTS}, for a moment)`);
  } catch (error) {
    context.warn(`no forecast of conflicts: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Of each result that conflicts the ids of the others; results that are in no conflict are not in it. */
export function conflictsById(conflicts: readonly Conflict[]): ReadonlyMap<AttemptId, readonly AttemptId[]> {
  const found = new Map<AttemptId, AttemptId[]>();
  const add = (id: AttemptId, other: AttemptId): void => {
    const others = found.get(id) ?? [];
    others.push(other);
    found.set(id, others);
  };
  for (const { left, right } of conflicts) {
    add(left, right);
    add(right, left);
  }
  return found;
}

/** Ids of what a patch will not merge with, as far as it was looked at. */
export function conflictsOf(state: State, id: AttemptId): readonly AttemptId[] {
  return conflictsById(state.conflicts()).get(id) ?? [];
}

/** `a.1 will not merge with b.1 (src/x.ts)` */
export function conflictLine({ left, right, paths }: Conflict): string {
  return `${left} will not merge with ${right} (${revealLine(nameSome(paths))})`;
}
