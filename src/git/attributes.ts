/** Which of some paths a filter would convert, by the attributes that a tree itself holds; no filter ever runs. */

import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ObjectId } from '../types.ts';
import { splitNul } from './bytes.ts';
import { git } from './git.ts';
import { privateGit } from './private-dir.ts';
import type { Repository } from './repository.ts';

const FILE = '.gitattributes';

/**
 * The name of the filter (`lfs`) by path, for those of `paths` that have one. Costs what the paths' folders cost: an
 * index of nothing but the attributes on the way is made and asked.
 */
export async function filtersOf(
  repo: Repository,
  tree: ObjectId,
  paths: readonly Buffer[],
): Promise<{ readonly path: Buffer; readonly filter: string }[]> {
  const files = await attributeFiles(repo, tree, paths);
  if (files.length === 0) return [];
  const where = await privateGit(repo);
  const index = join(where.cwd, `index.${randomBytes(6).toString('hex')}`);
  const env = { GIT_INDEX_FILE: index };
  try {
    const entries = files.map(({ path, id }) => Buffer.concat([Buffer.from(`100644 ${id}\t`), path, Buffer.of(0)]));
    await git(where, ['update-index', '-z', '--index-info'], { env, input: Buffer.concat(entries) });
    const asked = Buffer.concat(paths.flatMap((path) => [path, Buffer.of(0)]));
    const answer = await git(where, ['check-attr', '--cached', '-z', '--stdin', 'filter'], { env, input: asked });
    const fields = splitNul(answer.stdout);
    const found: { path: Buffer; filter: string }[] = [];
    for (let at = 0; at + 2 < fields.length; at += 3) {
      const filter = fields[at + 2]?.toString('utf8') ?? '';
      const path = fields[at];
      if (path !== undefined && !['unspecified', 'unset', 'set'].includes(filter)) found.push({ path, filter });
    }
    return found;
  } finally {
    await rm(index, { force: true });
  }
}

interface AttributeFile {
  readonly path: Buffer;
  readonly id: string;
}

/** The `.gitattributes` in the folders of these paths and in all above them. */
async function attributeFiles(repo: Repository, tree: ObjectId, paths: readonly Buffer[]): Promise<AttributeFile[]> {
  const wanted = new Map<string, Buffer>([['', Buffer.from(FILE)]]);
  for (const path of paths) {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const folder = path.toString('latin1', 0, end);
      if (wanted.has(folder)) break;
      wanted.set(folder, Buffer.concat([path.subarray(0, end + 1), Buffer.from(FILE)]));
    }
  }
  const files = [...wanted.values()];
  const input = Buffer.concat(files.flatMap((path) => [Buffer.from(`${tree}:`), path, Buffer.of(0)]));
  const args = ['cat-file', '-z', '--batch-check=%(objectname) %(objecttype)'];
  return found((await git(await privateGit(repo), args, { input })).stdout, tree, files);
}

/** What is missing is answered by its name, which may hold newlines: it is looked for as a whole. */
function found(answers: Buffer, tree: ObjectId, files: readonly Buffer[]): AttributeFile[] {
  const there: AttributeFile[] = [];
  let at = 0;
  for (const path of files) {
    const missing = Buffer.concat([Buffer.from(`${tree}:`), path, Buffer.from(' missing\n')]);
    if (answers.subarray(at, at + missing.length).equals(missing)) {
      at += missing.length;
      continue;
    }
    const end = answers.indexOf(0x0a, at);
    const [id = '', type] = answers.toString('latin1', at, end).split(' ');
    if (type === 'blob') there.push({ path, id });
    at = end + 1;
  }
  return there;
}
