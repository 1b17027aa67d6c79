import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { manyChanges } from '../../src/git/many-changes.ts';
import { openMerger } from '../../src/git/merger.ts';
import { findRepository, type Repository } from '../../src/git/repository.ts';
import { canConflict, touchedBy } from '../../src/merge/touches.ts';
import type { ObjectId } from '../../src/types.ts';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';
import { type Files, looseTree } from '../support/loose-trees.ts';

let scratch: ScratchRepository;
let repository: Repository;

beforeAll(async () => {
  scratch = await scratchRepository();
  repository = await findRepository(scratch.root, scratch.env);
});

afterAll(() => scratch.remove());

const name = fc.constantFrom('a', 'b', 'c', 'x', 'y');
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
/** Long enough for git to see what was renamed and changed as well. */
const content = fc.integer({ min: 0, max: 9 }).map((n) => `file ${n}\n${`line of ${n}\n`.repeat(8)}`);

type Change = (files: Map<string, string>) => void;

/** Without what lies in the way: a file where a folder is to be, or the other way round. */
function put(files: Map<string, string>, at: string, text: string): void {
  for (const known of [...files.keys()]) {
    if (known.startsWith(`${at}/`) || at.startsWith(`${known}/`)) files.delete(known);
  }
  files.set(at, text);
}

function pick(files: Map<string, string>, n: number): string {
  const names = [...files.keys()];
  return names[n % Math.max(names.length, 1)] ?? '';
}

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(path, content).map(
    ([at, text]): Change =>
      (files) =>
        put(files, at, text),
  ),
  fc.nat().map(
    (n): Change =>
      (files) =>
        void files.delete(pick(files, n)),
  ),
  fc.tuple(fc.nat(), fc.boolean()).map(
    ([n, atTop]): Change =>
      (files) => {
        const at = pick(files, n);
        const text = files.get(at);
        if (text !== undefined) files.set(at, atTop ? `top ${n}\n${text}` : `${text}end ${n}\n`);
      },
  ),
  fc.tuple(fc.nat(), path).map(
    ([n, to]): Change =>
      (files) => {
        const from = pick(files, n);
        const text = files.get(from);
        files.delete(from);
        if (text !== undefined) put(files, to, text);
      },
  ),
  fc.tuple(fc.nat(), path).map(
    ([n, to]): Change =>
      (files) => {
        // A whole folder.
        const [folder = ''] = pick(files, n).split('/');
        const moved = [...files].filter(([each]) => each.startsWith(`${folder}/`));
        for (const [each] of moved) files.delete(each);
        for (const [each, text] of moved) put(files, `${to}${each.slice(folder.length)}`, text);
      },
  ),
);

const changes = fc.array(change, { minLength: 1, maxLength: 3 });
const base = fc.array(fc.tuple(path, content), { minLength: 2, maxLength: 7 });

function treeWith(files: ReadonlyMap<string, string>): Promise<ObjectId> {
  return looseTree(scratch.root, Object.fromEntries(files) satisfies Files);
}

function changed(files: ReadonlyMap<string, string>, by: readonly Change[]): Map<string, string> {
  const copy = new Map(files);
  for (const each of by) each(copy);
  return copy;
}

describe('what can conflict', () => {
  it('is everything that git finds in conflict, renamed folders included', async () => {
    await using merger = await openMerger(repository, 'dropped');
    let conflicts = 0;
    let apart = 0;
    await fc.assert(
      fc.asyncProperty(base, changes, changes, async (made, left, right) => {
        const files = new Map<string, string>();
        for (const [at, text] of made) put(files, at, text);
        const [from, ours, theirs] = await Promise.all([
          treeWith(files),
          treeWith(changed(files, left)),
          treeWith(changed(files, right)),
        ]);
        const [a, b] = await manyChanges(repository, [
          { from, to: ours },
          { from, to: theirs },
        ]);
        const can = canConflict(touchedBy(a ?? []), touchedBy(b ?? []));
        const merge = await merger.merge({ base: from, ours, theirs });
        if (!merge.clean) conflicts += 1;
        if (!can) apart += 1;
        expect(merge.clean || can).toBe(true);
      }),
      { numRuns: 600 },
    );
    // It would hold for a merge that never conflicts, and for a filter that lets all through.
    expect(conflicts).toBeGreaterThan(50);
    expect(apart).toBeGreaterThan(20);
  }, 120_000);

  it('is a file added to a folder that the other side renamed', () => {
    const renamed = touchedBy([
      { status: 'D', path: 'old/a' },
      { status: 'A', path: 'new/a' },
    ]);
    expect(canConflict(renamed, touchedBy([{ status: 'A', path: 'old/b' }]))).toBe(true);
    expect(canConflict(renamed, touchedBy([{ status: 'A', path: 'else/b' }]))).toBe(false);
    const deleted = touchedBy([{ status: 'D', path: 'old/a' }]);
    expect(canConflict(deleted, touchedBy([{ status: 'A', path: 'old/b' }]))).toBe(false);
  });

  it('is a file where the other side has a folder', () => {
    expect(canConflict(touchedBy([{ status: 'A', path: 'a' }]), touchedBy([{ status: 'A', path: 'a/b/c' }]))).toBe(
      true,
    );
    expect(canConflict(touchedBy([{ status: 'A', path: 'a' }]), touchedBy([{ status: 'A', path: 'ab' }]))).toBe(false);
  });
});
