/** What a finished task tells those that come after it, by itself. */

import { nameSome } from '../git/bytes.ts';
import { changedPaths } from '../git/diff.ts';
import type { Repository } from '../git/repository.ts';
import { revealLine, sanitiseLine } from '../sanitise.ts';
import type { AttemptEnd } from '../state/records.ts';
import type { State } from '../state/state.ts';
import type { PatchSize, TaskId } from '../types.ts';
import { noteText } from './leave.ts';

const MOST_PATHS = 20;

export interface Finished {
  readonly title: string;
  /** The agent's own words. */
  readonly summary: string | null;
  /** Null: nothing was changed. */
  readonly changes: { readonly size: PatchSize; readonly paths: readonly string[] } | null;
}

/** The note of a task that ends so; null where it is not done. */
export async function summaryOf(
  { repository, state }: { readonly repository: Repository; readonly state: State },
  task: TaskId,
  { taskState, summary, patch }: AttemptEnd,
): Promise<string | null> {
  if (taskState !== 'succeeded') return null;
  // Its paths are the last thing that anybody would lose a result for.
  const changed = patch === null ? [] : await changedPaths(repository, patch.baseTree, patch.tree).catch(() => []);
  const changes = patch === null ? null : { size: patch.size, paths: changed.map(({ path }) => path) };
  return summaryNote({ title: state.task(task).title, summary, changes });
}

/** The agent's words, else what it changed: `Add a login: 3 files, +10 −2: a, b, c`. */
export function summaryNote({ title, summary, changes }: Finished): string {
  const said = summary === null ? null : noteText(summary);
  const did = `${sanitiseLine(title)}: ${changes === null ? 'nothing was changed' : changesText(changes)}`;
  return said ?? noteText(did) ?? '';
}

function changesText({ size, paths }: NonNullable<Finished['changes']>): string {
  const files = `${size.files} ${size.files === 1 ? 'file' : 'files'}, +${size.insertions} −${size.deletions}`;
  return paths.length === 0 ? files : `${files}: ${nameSome(paths.map(revealLine), MOST_PATHS)}`;
}
