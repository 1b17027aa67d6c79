/** Objects on their way out: packs for the keeper, read from the user's store and never through the user's configuration. */

import type { Readable } from 'node:stream';
import type { ObjectId } from '../types.ts';
import { rawChanges } from './diff.ts';
import { type GitEnvironment, git, gitStream } from './git.ts';
import { privateGit } from './private-dir.ts';
import { type Repository, userGit } from './repository.ts';

/**
 * A self-contained (not thin) pack of all objects of `tree` and of the synthetic root commit `commit` of that tree (see
 * `rootCommit`), minus what a receiver of the tree `without` has already; then cost follows the difference.
 * Gitlinks are not followed. A failure is the stream's error: environment MISSING_OBJECTS in an incomplete clone.
 * Destroying the stream stops git.
 */
export function packOfTree(
  repo: Repository,
  tree: ObjectId,
  options: { readonly commit: ObjectId; readonly without?: ObjectId },
): Readable {
  return gitStream(async () => {
    const where = await privateGit(repo);
    if (options.without === undefined) {
      return { where, args: packArguments('--revs'), input: `${options.commit}\n` };
    }
    const objects = [options.commit, ...(await newObjects(where, options.without, tree))];
    return { where, args: packArguments(), input: `${objects.join('\n')}\n` };
  });
}

/** No search for new deltas and little compression: what is packed is reused, and the way to the receiver is a pipe. */
export function packArguments(...more: readonly string[]): string[] {
  return ['pack-objects', '--stdout', '-q', '--window=0', '--compression=1', '--delta-base-offset', ...more];
}

/** Ids of the objects that tree `to` has and `from` has not: trees, blobs, no gitlinks. */
export async function newObjects(where: GitEnvironment, from: ObjectId, to: ObjectId): Promise<ObjectId[]> {
  if (from === to) return [];
  const changes = await rawChanges(where, from, to, { trees: true });
  const added = new Set([to]);
  for (const change of changes) if (change.status !== 'D' && change.newMode !== '160000') added.add(change.newId);
  for (const change of changes) if (change.status !== 'A') added.delete(change.oldId);
  return [...added];
}

/**
 * What git itself does after a commit or a fetch: packs loose objects and drops unreachable old ones where there are many,
 * as the user's `gc.*` says. Runs merge and commit by plumbing, which never does. A failure is for git's own log.
 */
export async function collectGarbage(repo: Repository): Promise<void> {
  await git(userGit(repo, 'write'), ['gc', '--auto', '--quiet']).catch(() => undefined);
}
