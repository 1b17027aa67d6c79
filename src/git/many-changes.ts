/** What differs between many pairs of trees, by one process. */

import type { ObjectId } from '../types.ts';
import { git } from './git.ts';
import { privateGit } from './private-dir.ts';
import type { Repository } from './repository.ts';

export interface TreePair {
  readonly from: ObjectId;
  readonly to: ObjectId;
}

export interface PathChange {
  readonly status: 'A' | 'M' | 'D' | 'T';
  /** One character for each byte. */
  readonly path: string;
}

/** In the order of the pairs; null where a tree is not there. Renames are a deletion and an addition. */
export async function manyChanges(
  repo: Repository,
  pairs: readonly TreePair[],
): Promise<(readonly PathChange[] | null)[]> {
  if (pairs.length === 0) return [];
  const args = ['diff-tree', '--stdin', '-r', '-z', '--raw', '--no-abbrev', '--no-renames'];
  const input = pairs.map(({ from, to }) => `${from} ${to}\n`).join('');
  const found = parse((await git(await privateGit(repo), args, { input })).stdout);
  return pairs.map(({ from, to }) => found.get(`${from} ${to}`) ?? null);
}

/** For each pair a line with its ids, then `:<modes> <ids> <status>\0<path>\0` for each entry. */
function parse(output: Buffer): Map<string, PathChange[]> {
  const found = new Map<string, PathChange[]>();
  let changes: PathChange[] = [];
  for (let at = 0; at < output.length; ) {
    const isEntry = output[at] === COLON;
    const end = output.indexOf(isEntry ? 0 : NEWLINE, at);
    const line = output.toString('latin1', at, end);
    at = end + 1;
    if (isEntry) {
      const pathEnd = output.indexOf(0, at);
      changes.push({ status: line.at(-1) as PathChange['status'], path: output.toString('latin1', at, pathEnd) });
      at = pathEnd + 1;
    } else {
      changes = [];
      found.set(line, changes);
    }
  }
  return found;
}

const COLON = 0x3a;
const NEWLINE = 0x0a;
