/** In which order a person looks at patches. Pure. */

import type { AttemptId } from '../../src/types.ts';

export interface Waiting {
  readonly id: AttemptId;
  /** Patches that it stands on; those that are not in the list do not count. */
  readonly foundations: readonly AttemptId[];
  readonly isRed: boolean;
  readonly isInConflict: boolean;
  readonly isFlagged: boolean;
}

/**
 * What something else stands on comes before that. Otherwise red and conflicting ones first, then flagged ones (each with
 * what it stands on), then in the order given.
 */
export function reviewOrder(patches: readonly Waiting[]): AttemptId[] {
  const known = new Map(patches.map((patch) => [patch.id, patch]));
  const ordered = new Set<AttemptId>();
  const begun = new Set<AttemptId>();
  const add = (patch: Waiting): void => {
    if (begun.has(patch.id)) return;
    begun.add(patch.id);
    for (const below of inTurn(patch.foundations.flatMap((id) => known.get(id) ?? []))) add(below);
    ordered.add(patch.id);
  };
  for (const patch of inTurn(patches)) add(patch);
  return [...ordered];
}

function inTurn(patches: readonly Waiting[]): Waiting[] {
  return [...patches].sort((a, b) => concern(a) - concern(b));
}

function concern({ isRed, isInConflict, isFlagged }: Waiting): number {
  if (isRed || isInConflict) return 0;
  return isFlagged ? 1 : 2;
}

/** The order in words. */
export const ORDER_IN_WORDS =
  'what others stand on first, then red or conflicting ones, then flagged ones, then by age';
