/** Contents of blobs, many for the price of one process. */

import type { ObjectId } from '../types.ts';
import { git, gitError } from './git.ts';
import { privateGit } from './private-dir.ts';
import type { Repository } from './repository.ts';

/**
 * In the order of `ids`; all of them are held in memory. Environment error MISSING_OBJECTS where this clone does not have
 * one.
 */
export async function readBlobs(repo: Repository, ids: readonly ObjectId[]): Promise<Buffer[]> {
  if (ids.length === 0) return [];
  const args = ['cat-file', '--batch'];
  const { stdout } = await git(await privateGit(repo), args, { input: ids.map((id) => `${id}\n`).join('') });
  let at = 0;
  return ids.map((id) => {
    const end = stdout.indexOf(0x0a, at);
    const size = /^[0-9a-f]+ blob (\d+)$/.exec(stdout.toString('latin1', at, end))?.[1];
    if (size === undefined) throw gitError(args, { stderr: `fatal: missing blob ${id}`, exitCode: 128 });
    const from = end + 1;
    at = from + Number(size) + 1;
    return stdout.subarray(from, at - 1);
  });
}
