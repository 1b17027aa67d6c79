/** Whether a patch still merges into the branch that is checked out, by a merge in memory. */

import type { readHead } from '../../src/git/apply.ts';
import type { TreeMerge } from '../../src/git/merge.ts';

export interface TargetForecast {
  /** Short name; null: a detached HEAD. */
  readonly branch: string | null;
  /** With all that it stands on. `there`: the target has all of it already. */
  readonly outcome: 'merges' | 'conflicts' | 'there';
  /** Printable paths in conflict. */
  readonly paths: readonly string[];
}

export function targetForecast(head: Awaited<ReturnType<typeof readHead>>, merge: TreeMerge): TargetForecast {
  const { branch } = head;
  if (!merge.clean) return { branch, outcome: 'conflicts', paths: merge.paths };
  return { branch, outcome: merge.tree === head.tree ? 'there' : 'merges', paths: [] };
}
