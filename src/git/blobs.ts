/** Contents of blobs by id, as many as fit under a limit. */

import type { ObjectId } from '../types.ts';
import { git } from './git.ts';
import { privateGit } from './private-dir.ts';
import type { Repository } from './repository.ts';

/**
 * The contents of those ids that are blobs of at most `maxBytes`, in their order until `maxTotalBytes` are reached; the
 * others are not in the answer.
 */
export async function readBlobs(
  repo: Repository,
  ids: readonly ObjectId[],
  limits: { readonly maxBytes: number; readonly maxTotalBytes: number },
): Promise<ReadonlyMap<ObjectId, Buffer>> {
  const blobs = new Map<ObjectId, Buffer>();
  if (ids.length === 0) return blobs;
  const where = await privateGit(repo);
  const wanted = [...new Set(ids)];
  const check = ['cat-file', '--batch-check=%(objectname) %(objecttype) %(objectsize)'];
  const sizes = await git(where, check, { input: `${wanted.join('\n')}\n` });
  let left = limits.maxTotalBytes;
  const chosen: { readonly id: ObjectId; readonly size: number }[] = [];
  for (const line of sizes.stdout.toString('latin1').split('\n')) {
    const [id = '', type, written] = line.split(' ');
    const size = Number(written);
    if (type !== 'blob' || size > limits.maxBytes || size > left) continue;
    left -= size;
    chosen.push({ id: id as ObjectId, size });
  }
  if (chosen.length === 0) return blobs;
  const input = `${chosen.map(({ id }) => id).join('\n')}\n`;
  const { stdout } = await git(where, ['cat-file', '--batch'], { input });
  let at = 0;
  for (const { id, size } of chosen) {
    at = stdout.indexOf(0x0a, at) + 1;
    blobs.set(id, stdout.subarray(at, at + size));
    at += size + 1;
  }
  return blobs;
}
