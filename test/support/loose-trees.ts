/** Trees written as loose objects, without a process for each: for tests that need thousands. SHA-1 repositories alone. */

import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import type { ObjectId } from '../../src/types.ts';

/** Paths to contents. */
export type Files = Readonly<Record<string, string>>;

/** Writes a tree of these files; a path must not lie below another one. */
export async function looseTree(root: string, files: Files): Promise<ObjectId> {
  const entries: { name: string; mode: string; id: string }[] = [];
  const folders = new Map<string, Record<string, string>>();
  for (const [path, content] of Object.entries(files)) {
    const slash = path.indexOf('/');
    if (slash < 0) {
      entries.push({ name: path, mode: '100644', id: await loose(root, 'blob', Buffer.from(content)) });
      continue;
    }
    const folder = folders.get(path.slice(0, slash)) ?? {};
    folder[path.slice(slash + 1)] = content;
    folders.set(path.slice(0, slash), folder);
  }
  for (const [name, below] of folders) entries.push({ name, mode: '40000', id: await looseTree(root, below) });
  const sortName = (entry: (typeof entries)[number]): string =>
    entry.mode === '40000' ? `${entry.name}/` : entry.name;
  entries.sort((a, b) => Buffer.compare(Buffer.from(sortName(a)), Buffer.from(sortName(b))));
  const bytes = entries.flatMap(({ mode, name, id }) => [Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')]);
  return loose(root, 'tree', Buffer.concat(bytes));
}

/** Most trees of a test hold what others hold. */
const written = new Set<string>();

async function loose(root: string, type: 'blob' | 'tree', content: Buffer): Promise<ObjectId> {
  const object = Buffer.concat([Buffer.from(`${type} ${content.length}\0`), content]);
  const id = createHash('sha1').update(object).digest('hex');
  const folder = join(root, '.git', 'objects', id.slice(0, 2));
  const file = join(folder, id.slice(2));
  if (!written.has(file)) {
    await mkdir(folder, { recursive: true });
    await writeFile(file, deflateSync(object));
    written.add(file);
  }
  return id as ObjectId;
}
