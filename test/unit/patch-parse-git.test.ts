// What git writes is read, and means what git makes of it.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { emptyTree } from '../../src/git/bytes.ts';
import { binaryDiff } from '../../src/git/diff.ts';
import { importChanges } from '../../src/git/quarantine.ts';
import { findRepository, type Repository } from '../../src/git/repository.ts';
import { parsePatch } from '../../src/patch/parse.ts';
import { OUTSIDE_PATCH } from '../../src/patch/parsed.ts';
import type { ObjectId } from '../../src/types.ts';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';
import { applyParsed, serialise } from '../support/patches.ts';
import { changesBetween, type Tree, twoTrees } from '../support/trees.ts';

const KEEP = { ...OUTSIDE_PATCH, suspicious: 'keep' } as const;

/** Ways in which people ask git for a patch. */
const FORMS = [
  ['-M'],
  ['--no-renames'],
  ['-C', '-C'],
  ['-U0'],
  ['-U1', '--inter-hunk-context=3', '--patience'],
  ['-B', '--no-renames'],
  ['--function-context'],
];

let work: ScratchRepository;
let repo: Repository;
beforeAll(async () => {
  work = await scratchRepository();
  repo = await findRepository(work.root, work.env);
});
afterAll(() => work.remove());

async function importTree(base: ObjectId, before: Tree, after: Tree): Promise<ObjectId> {
  await using result = await importChanges(repo, { tree: base }, changesBetween(before, after));
  await result.publish();
  return result.tree;
}

/** The tree that `git apply` makes, or null when it refuses. */
async function gitApplied(base: ObjectId, patch: Buffer, options: readonly string[] = []): Promise<string | null> {
  const env = { ...work.env, GIT_INDEX_FILE: join(work.folder, 'index'), GIT_DIR: join(work.root, '.git') };
  const git = (args: readonly string[], input?: Buffer) =>
    new Promise<string>((resolve, reject) => {
      const child = execFile('git', [...args], { cwd: work.root, env }, (error, stdout) =>
        error ? reject(error) : resolve(stdout.trim()),
      );
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(input);
    });
  await git(['read-tree', base]);
  if (patch.length > 0) {
    const refused = await git(['apply', '--cached', '--whitespace=nowarn', ...options], patch).catch(() => null);
    if (refused === null) return null;
  }
  return git(['write-tree']);
}

function listed(tree: Tree): unknown {
  return [...tree].map(([name, entry]) => [name, entry.mode, entry.content.toString('latin1')]).sort();
}

describe('a patch that git made', () => {
  it('is read, and makes exactly the tree that git apply makes', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(twoTrees, async ([before, after]) => {
        const from = await importTree(emptyTree('sha1'), new Map(), before);
        const to = await importTree(from, before, after);
        const patch = await binaryDiff(repo, from, to);
        const parsed = parsePatch(patch, KEEP);
        expect(listed(applyParsed(parsed, before))).toEqual(listed(after));
        expect(await gitApplied(from, serialise(parsed))).toBe(to);
        expect(serialise(parsePatch(serialise(parsed), KEEP))).toEqual(serialise(parsed));
      }),
      { numRuns: 40 },
    );
  });

  it('is read in every form that people ask for', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(
        twoTrees,
        fc.constantFrom(...FORMS),
        fc.boolean(),
        fc.boolean(),
        async ([before, after], form, quote, blank) => {
          const from = await importTree(emptyTree('sha1'), new Map(), before);
          const to = await importTree(from, before, after);
          const config = ['-c', `core.quotePath=${quote}`, '-c', `diff.suppressBlankEmpty=${blank}`];
          const whole = ['--binary', '--full-index'];
          const patch = await work.bytes(...config, 'diff', ...whole, '--no-ext-diff', '--text', ...form, from, to);
          const parsed = parsePatch(patch, KEEP);
          expect(listed(applyParsed(parsed, before))).toEqual(listed(after));
          const options = form[0] === '-U0' ? ['--unidiff-zero'] : [];
          expect(await gitApplied(from, serialise(parsed), options)).toBe(to);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('is read with binary deltas, in both directions', async () => {
    const noise = Buffer.concat(
      Array.from({ length: 2200 }, (_one, n) => createHash('sha256').update(`${n}`).digest()),
    );
    const old = Buffer.concat([Buffer.alloc(4), noise]);
    const before: Tree = new Map([['bin', { mode: '100644', content: old }]]);
    const grown = Buffer.concat([old.subarray(500), Buffer.alloc(300), old]);
    const after: Tree = new Map([['bin', { mode: '100755', content: grown }]]);
    const from = await importTree(emptyTree('sha1'), new Map(), before);
    const to = await importTree(from, before, after);
    for (const [one, other, there, result] of [
      [from, to, before, after],
      [to, from, after, before],
    ] as const) {
      const parsed = parsePatch(await binaryDiff(repo, one, other), OUTSIDE_PATCH);
      const content = parsed.files[0]?.content;
      expect(content?.type === 'binary' && content.forward.method).toBe('delta');
      expect(listed(applyParsed(parsed, there))).toEqual(listed(result));
    }
  });

  it('is read with SHA-256 ids', async () => {
    await using other = await disposable(scratchRepository({ objectFormat: 'sha256' }));
    await other.write('a.txt', 'changed\n');
    await other.write('bin', Buffer.from([0, 1, 2]));
    await other.commit();
    const parsed = parsePatch(await other.bytes('diff', '--binary', '--full-index', 'HEAD~', 'HEAD'), OUTSIDE_PATCH);
    expect(parsed.files.map(({ kind, newId }) => [kind, newId?.length])).toEqual([
      ['modify', 64],
      ['add', 64],
    ]);
  });

  it('is read with a submodule, which is flagged', async () => {
    const commit = '1'.repeat(40);
    await work.git('update-index', '--add', '--cacheinfo', `160000,${commit},sub`);
    const patch = await work.bytes('diff', '--cached', '--full-index', '--submodule=short');
    await work.git('update-index', '--force-remove', 'sub');
    expect(parsePatch(patch, KEEP).files[0]).toMatchObject({ kind: 'add', newMode: '160000', newId: commit });
    expect(() => parsePatch(patch, OUTSIDE_PATCH)).toThrow('a submodule is changed');
  });
});

async function disposable(made: Promise<ScratchRepository>): Promise<ScratchRepository & AsyncDisposable> {
  const repository = await made;
  return { ...repository, [Symbol.asyncDispose]: () => repository.remove() };
}
