import { execFile } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { emptyTree } from '../../src/git/bytes.ts';
import { binaryDiff, diffSize } from '../../src/git/diff.ts';
import { importChanges, type TreeChange } from '../../src/git/quarantine.ts';
import { findRepository, type Repository } from '../../src/git/repository.ts';
import type { ObjectId } from '../../src/types.ts';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';

/** A tree as a flat list: path (latin1) to what is there. */
type Entry = { readonly mode: '100644' | '100755' | '120000'; readonly content: Buffer };
type Tree = ReadonlyMap<string, Entry>;

const component = fc
  .oneof(
    fc.constantFrom(
      'a',
      'b',
      'c',
      'dir',
      'README',
      '.gitattributes',
      '.gitignore',
      'a b',
      '-x',
      '"',
      '\\',
      'x\ny',
      'é',
    ),
    fc.uint8Array({ minLength: 1, maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
  )
  .filter((name) => !/[/\0]/.test(name) && name !== '.' && name !== '..' && !/^(?:\.git|git~1)(?![a-z])/i.test(name));
const path = fc.array(component, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const lines = fc
  .array(
    fc.constantFrom('one', 'two', '', 'three\r', '-- ', '+++ b/x', '\\ No newline', '\xff\xfe', '* -diff binary'),
    { maxLength: 12 },
  )
  .map((all) => Buffer.from(all.join('\n'), 'latin1'));
const content = fc.oneof(
  { weight: 4, arbitrary: lines },
  { weight: 2, arbitrary: lines.map((text) => Buffer.concat([text, Buffer.from('\n')])) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
);
const target = fc.constantFrom('a', '../..', '/etc/passwd', 'x\ny', 'no newline').map((text) => Buffer.from(text));
const entry: fc.Arbitrary<Entry> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ mode: fc.constantFrom('100644' as const, '100755' as const), content }) },
  { weight: 1, arbitrary: fc.record({ mode: fc.constant('120000' as const), content: target }) },
);
const tree: fc.Arbitrary<Tree> = fc.array(fc.tuple(path, entry), { maxLength: 10 }).map(consistent);
/** A second tree that shares much with the first: entries dropped, changed, moved, added. */
const edited = fc.tuple(
  tree,
  fc.array(fc.constantFrom('keep', 'keep', 'drop', 'chmod', 'append', 'move'), { minLength: 10, maxLength: 10 }),
  fc.array(fc.tuple(path, entry), { maxLength: 4 }),
);

/** Later entries win; what cannot exist beside them (a file that is also a folder) goes. */
function consistent(entries: readonly (readonly [string, Entry])[]): Tree {
  const all = new Map<string, Entry>();
  for (const [name, value] of entries) {
    for (const other of [...all.keys()]) {
      if (other.startsWith(`${name}/`) || name.startsWith(`${other}/`)) all.delete(other);
    }
    all.set(name, value);
  }
  return all;
}

function edit(before: Tree, edits: readonly string[], added: readonly (readonly [string, Entry])[]): Tree {
  const after: [string, Entry][] = [];
  for (const [n, [name, value]] of [...before].entries()) {
    const kind = edits[n % edits.length];
    if (kind === 'drop') continue;
    if (kind === 'chmod' && value.mode !== '120000') {
      after.push([name, { ...value, mode: value.mode === '100644' ? '100755' : '100644' }]);
    } else if (kind === 'append' && value.mode !== '120000') {
      after.push([name, { ...value, content: Buffer.concat([value.content, Buffer.from('more')]) }]);
    } else if (kind === 'move') after.push([`moved-${n}`, value]);
    else after.push([name, value]);
  }
  return consistent([...after, ...added]);
}

async function* changesBetween(before: Tree, after: Tree): AsyncGenerator<TreeChange> {
  const differs = (name: string) => {
    const [old, now] = [before.get(name), after.get(name)];
    return old?.mode !== now?.mode || !old?.content.equals(now?.content ?? Buffer.alloc(0));
  };
  for (const name of before.keys()) if (!after.has(name)) yield { kind: 'delete', path: Buffer.from(name, 'latin1') };
  for (const [name, { mode, content: bytes }] of after) {
    const at = Buffer.from(name, 'latin1');
    if (before.has(name) && !differs(name)) continue;
    if (mode === '120000') yield { kind: 'symlink', path: at, target: bytes };
    else yield { kind: 'file', path: at, mode, size: bytes.length, content: once(bytes) };
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let from = 0; from < bytes.length; from += 7) yield bytes.subarray(from, from + 7);
}

let work: ScratchRepository;
let repo: Repository;
beforeAll(async () => {
  work = await scratchRepository();
  repo = await findRepository(work.root, work.env);
});
afterAll(() => work.remove());

async function importTree(base: ObjectId, before: Tree, after: Tree): Promise<ObjectId> {
  await using result = await importChanges(repo, { tree: base, commit: base }, changesBetween(before, after));
  await result.publish();
  return result.tree;
}

/** Applies a patch to a checkout of a tree in a folder of its own, and returns the tree of what is then there. */
async function applied(base: ObjectId, patch: Buffer): Promise<string> {
  const folder = join(work.folder, 'checkout');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  const index = { GIT_INDEX_FILE: join(work.folder, 'index'), GIT_WORK_TREE: folder, GIT_DIR: join(work.root, '.git') };
  const env = { ...work.env, ...index };
  const git = (args: readonly string[], input?: Buffer) =>
    new Promise<string>((resolve, reject) => {
      const child = execFile('git', [...args], { cwd: folder, env }, (error, stdout) =>
        error ? reject(error) : resolve(stdout),
      );
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(input);
    });
  await rm(index.GIT_INDEX_FILE, { force: true });
  await git(['read-tree', '-m', '-u', base]);
  if (patch.length > 0) {
    await git(['apply', '--check', '--binary', '--whitespace=nowarn'], patch);
    await git(['apply', '--index', '--binary', '--whitespace=nowarn'], patch);
  }
  // From the bytes on the disk, not from what apply put into the index.
  await git(['read-tree', '--empty']);
  await git(['add', '-A', '-f']);
  return (await git(['write-tree'])).trim();
}

describe('a patch', () => {
  it('takes any tree to any other, byte for byte', { timeout: 120_000 }, async () => {
    const empty = emptyTree('sha1');
    await fc.assert(
      fc.asyncProperty(edited, async ([before, edits, added]) => {
        const after = edit(before, edits, added);
        const from = await importTree(empty, new Map(), before);
        const to = await importTree(from, before, after);
        expect(await importTree(empty, new Map(), after)).toBe(to);
        const patch = await binaryDiff(repo, from, to);
        expect(patch.length > 0).toBe(from !== to);
        expect((await diffSize(repo, from, to)).files > 0).toBe(from !== to);
        expect(await applied(from, patch)).toBe(to);
      }),
      { numRuns: 40 },
    );
  });
});
