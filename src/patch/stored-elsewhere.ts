/** What of a patch git keeps elsewhere: files under a filter (Git LFS) and submodules. A person should look at these. */

import { filtersOf } from '../git/attributes.ts';
import { printablePath } from '../git/bytes.ts';
import { changedPaths } from '../git/diff.ts';
import type { Repository } from '../git/repository.ts';
import type { Flag, ObjectId } from '../types.ts';

const GITLINK = '160000';

/**
 * A flag `filtered` for every changed path that is under a filter before or after, because the patch holds what the agent
 * left and not what the filter would have made of it; a flag `submodule` for every gitlink that changed.
 */
export async function storedElsewhere(repo: Repository, from: ObjectId, to: ObjectId): Promise<Flag[]> {
  const changes = await changedPaths(repo, from, to);
  const paths = changes.map((change) => change.rawPath);
  const filters = new Map<string, string>();
  for (const tree of [from, to]) {
    for (const { path, filter } of await filtersOf(repo, tree, paths)) {
      filters.set(printablePath(path), printablePath(Buffer.from(filter)));
    }
  }
  const filtered = [...filters].map(([path, filter]) => ({
    code: 'filtered',
    path,
    detail: `under the filter ${filter}: taken as the agent left it, nothing was converted or uploaded`,
  }));
  const links = changes
    .filter(({ oldMode, newMode }) => oldMode === GITLINK || newMode === GITLINK)
    .map(({ path, newMode }) => ({
      code: 'submodule',
      path,
      detail: newMode === GITLINK ? 'the submodule stands at another commit' : 'the submodule is gone',
    }));
  return [...filtered, ...links];
}
