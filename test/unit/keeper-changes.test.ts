// Reading an overlay's upper folder: made by hand here, in all the shapes that the kernel leaves behind. Needs root.
import { execFileSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, readFile, realpath, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CollectOptions, findChanges, sendChanges } from '../../src/keeper/collect.ts';
import { readCollection } from '../../src/keeper/collection.ts';
import { ReadRoot } from '../../src/keeper/files.ts';
import { IgnoreRules } from '../../src/keeper/ignore.ts';
import { ObjectReader } from '../../src/keeper/objects.ts';
import type { Tree } from '../../src/keeper/tree.ts';
import { Inbound, Outbound } from '../../src/session/streams.ts';
import type { Flag } from '../../src/types.ts';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';
import { applied, type ReadChange, readChanges } from '../support/keeper.ts';

let repository: ScratchRepository;
let scratch: string;
let whiteout: string;
beforeEach(async () => {
  repository = await scratchRepository({ empty: true });
  scratch = await realpath(await mkdtemp(path.join(tmpdir(), 'keeper-upper-')));
  whiteout = path.join(scratch, 'whiteout');
  execFileSync('mknod', [whiteout, 'c', '0', '0']);
});
afterEach(async () => {
  await repository.remove();
  await rm(scratch, { recursive: true, force: true });
});

/** Remembers which trees were read. */
class WatchedReader extends ObjectReader {
  readonly trees: string[] = [];
  override tree(id: string): Promise<Tree> {
    this.trees.push(id);
    return super.tree(id);
  }
}

interface Limits {
  readonly maxEntries?: number;
  readonly maxBytes?: number;
  readonly opaque?: readonly string[];
  /** What a set-up left, like the entries of an upper. */
  readonly made?: Readonly<Record<string, string>>;
  /** Called between listing and reading. */
  between?(): Promise<void>;
}

interface Collected {
  readonly changes: readonly ReadChange[];
  readonly tree: string;
  readonly flags: readonly Flag[];
  readonly ignored: number;
  readonly treesRead: number;
}

async function collect(upper: string, tree: string, limits: Limits = {}): Promise<Collected> {
  const { signal } = new AbortController();
  using objects = new WatchedReader({ gitDir: `${repository.root}/.git`, alternates: [] }, { format: 'sha1', signal });
  using rules = new IgnoreRules(scratch, signal);
  const options: CollectOptions = {
    tree,
    format: 'sha1',
    objects,
    rules,
    made: limits.made === undefined ? null : new ReadRoot(folderOf('made', limits.made)),
    view: {
      kind: 'upper',
      opaque: async (asked) => new Set(asked.filter((folder) => limits.opaque?.includes(folder))),
    },
    maxEntries: limits.maxEntries ?? 1000,
    maxBytes: limits.maxBytes ?? 1e9,
  };
  const found = await findChanges(upper, options);
  await limits.between?.();
  const stream = new Inbound((bytes) => out.credit(bytes));
  const out = new Outbound(async (chunk) => stream.push(chunk));
  const sending = sendChanges(upper, found, options, out).then(
    () => stream.end(),
    (error) => stream.fail(error),
  );
  const result = Promise.resolve({ flags: 0 });
  const call = { result, stream, send: async () => {}, cancel: () => {} };
  const collection = await readCollection(call, (error) => error);
  const changes = await readChanges(collection);
  await sending;
  return {
    changes,
    tree: await collection.tree,
    flags: found.flags,
    ignored: found.ignored,
    treesRead: new Set(objects.trees).size,
  };
}

/** An upper folder made of paths: text is a file, null a whiteout, `/` an empty folder. */
function upperOf(entries: Readonly<Record<string, string | null>>): string {
  return folderOf('upper', entries);
}

function folderOf(folder: string, entries: Readonly<Record<string, string | null>>): string {
  const upper = path.join(scratch, folder);
  mkdirSync(upper, { recursive: true });
  for (const [name, content] of Object.entries(entries)) {
    const at = path.join(upper, name);
    mkdirSync(path.dirname(at), { recursive: true });
    if (content === null) linkSync(whiteout, at);
    else if (content === '/') mkdirSync(at, { recursive: true });
    else writeFileSync(at, content);
  }
  return upper;
}

async function baseOf(files: Readonly<Record<string, string>>): Promise<string> {
  for (const [name, content] of Object.entries(files)) await repository.write(name, content);
  await repository.git('add', '-A', '-f');
  return repository.git('write-tree');
}

const paths = (collected: Collected) =>
  collected.changes.map((one) => `${one.kind === 'delete' ? '-' : '+'}${one.path}`);

describe('changes', () => {
  type Files = ReadonlyMap<string, string>;
  const name = fc.constantFrom('a', 'b', 'c');
  const anyFiles = fc
    .array(fc.tuple(fc.array(name, { minLength: 1, maxLength: 3 }), fc.constantFrom('1', '2', 'long', '->1')), {
      maxLength: 10,
    })
    .map((entries) => withoutClashes(entries.map(([parts, content]) => [parts.join('/'), content])));

  /** A path below a file cannot be: the first one wins. */
  function withoutClashes(entries: readonly (readonly [string, string])[]): Files {
    const files = new Map<string, string>();
    for (const [at, content] of entries) {
      const clash = [...files.keys()].some(
        (one) => one !== at && (one.startsWith(`${at}/`) || at.startsWith(`${one}/`)),
      );
      if (!clash) files.set(at, content);
    }
    return files;
  }

  function put(at: string, content: string): void {
    if (content.startsWith('->')) symlinkSync(content.slice(2), at);
    else writeFileSync(at, content);
  }

  /** Writes an upper that turns `before` into `after`, choosing among what a kernel may leave by `choose`. */
  function makeUpper(folder: string, before: Files, after: Files, choose: () => boolean): string[] {
    const opaque: string[] = [];
    const build = (at: string, hidden: boolean) => {
      mkdirSync(path.join(folder, at));
      const isOpaque = at !== '' && !hidden && choose();
      if (isOpaque) opaque.push(at);
      const nothingBelow = hidden || isOpaque;
      for (const one of ['a', 'b', 'c']) {
        const child = at === '' ? one : `${at}/${one}`;
        const was = { file: before.get(child), folder: hasBelow(before, child) };
        const is = { file: after.get(child), folder: hasBelow(after, child) };
        const seenBefore = !nothingBelow && (was.file !== undefined || was.folder);
        if (is.folder) {
          const merged = was.folder && !nothingBelow;
          if (!merged || !sameBelow(before, after, child) || choose()) build(child, !merged);
        } else if (is.file !== undefined) {
          if (nothingBelow || is.file !== was.file || choose()) put(path.join(folder, child), is.file);
        } else if (seenBefore || (nothingBelow && choose())) linkSync(whiteout, path.join(folder, child));
      }
    };
    build('', false);
    return opaque;
  }
  const below = (files: Files, folder: string) => [...files].filter(([at]) => at.startsWith(`${folder}/`));
  const hasBelow = (files: Files, folder: string) => below(files, folder).length > 0;
  const sameBelow = (one: Files, two: Files, folder: string) =>
    JSON.stringify(below(one, folder).sort()) === JSON.stringify(below(two, folder).sort());

  async function treeOf(files: Files): Promise<string> {
    return applied(
      repository,
      await baseOf({}),
      [...files].map(([at, content]) =>
        content.startsWith('->')
          ? { path: at, kind: 'symlink', target: content.slice(2) }
          : { path: at, kind: 'file', mode: '100644', content: Buffer.from(content) },
      ),
    );
  }

  it('are those between two trees, in whatever way the upper folder says it', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(anyFiles, anyFiles, fc.infiniteStream(fc.boolean()), async (before, after, choices) => {
        run += 1;
        const upper = path.join(scratch, `upper-${run}`);
        const opaque = makeUpper(upper, before, after, () => choices.next().value === true);
        const [base, wanted] = [await treeOf(before), await treeOf(after)];
        const collected = await collect(upper, base, { opaque });
        expect(collected.tree).toBe(wanted);
        expect(await applied(repository, base, collected.changes)).toBe(wanted);
        if (base === wanted) expect(collected.changes).toEqual([]);
      }),
      { numRuns: 40 },
    );
  }, 120_000);

  it('cost what changed, not what there is', async () => {
    const files = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`d${at}/e/f`, 'f']));
    const base = await baseOf({ ...files, 'd1/e/in': 'x' });
    const collected = await collect(upperOf({ 'd1/e/in': 'y', new: 'n', 'more/new': 'n' }), base);
    expect(paths(collected)).toEqual(['+d1/e/in', '+more/new', '+new']);
    expect(collected.treesRead).toBe(3);
  });

  it('are none where a file was only touched, whatever old mode the base has for it', async () => {
    await baseOf({ a: 'a' });
    const blob = await repository.git('hash-object', '-w', 'a');
    const odd = Buffer.concat([Buffer.from('100664 a\0'), Buffer.from(blob, 'hex')]);
    await writeFile(path.join(scratch, 'tree'), odd);
    const base = await repository.git('hash-object', '-t', 'tree', '--literally', '-w', path.join(scratch, 'tree'));
    const collected = await collect(upperOf({ a: 'a' }), base);
    expect([collected.changes, collected.tree]).toEqual([[], base]);
  });

  it('that move a file name its content, which the base has, and do not send it', async () => {
    const big = 'b'.repeat(1 << 19);
    const base = await baseOf({
      'dir/deep/one': 'one',
      'dir/big': big,
      'dir/link': 'x',
      'swapped/a': 'a',
      'swapped/b': 'b',
    });
    const moved = { 'new/deep/one': 'one', 'new/big': big, 'new/own': 'own', 'swapped/a': 'b', 'swapped/b': 'a' };
    const upper = upperOf({ dir: null, ...moved });
    chmodSync(path.join(upper, 'new/deep/one'), 0o755);
    const collected = await collect(upper, base);
    const kinds = collected.changes.map((one) => `${one.path} ${one.kind}${'mode' in one ? ` ${one.mode}` : ''}`);
    expect(kinds).toEqual([
      'dir delete',
      'new/big known 100644',
      'new/deep/one known 100755',
      'new/own file 100644',
      'swapped/a known 100644',
      'swapped/b known 100644',
    ]);
    expect(await applied(repository, base, collected.changes)).toBe(collected.tree);
  });

  it('of the mode are changes', async () => {
    const base = await baseOf({ a: 'a', b: 'b' });
    const upper = upperOf({ a: 'a', b: 'b' });
    chmodSync(path.join(upper, 'a'), 0o100);
    chmodSync(path.join(upper, 'b'), 0o677);
    expect((await collect(upper, base)).changes).toMatchObject([{ path: 'a', mode: '100755' }]);
  });

  it('leave submodules as they are until they are deleted', async () => {
    await baseOf({ a: 'a' });
    for (const one of ['kept', 'filled', 'gone', 'file', 'in/remade', 'in/lost']) {
      await repository.git('update-index', '--add', '--cacheinfo', `160000,${'12'.repeat(20)},${one}`);
    }
    const base = await repository.git('write-tree');
    const upper = upperOf({ 'filled/x': 'x', kept: '/', gone: null, file: 'now', 'in/remade': '/' });
    const collected = await collect(upper, base, { opaque: ['in'] });
    expect(paths(collected)).toEqual(['-gone', '-in/lost', '+file']);
    expect(collected.flags).toMatchObject([{ code: 'submodule', path: 'filled' }]);
  });

  it('are held against the rules that the agent sees, not those it deleted', async () => {
    const base = await baseOf({
      '.gitignore': '*.o\n',
      'sub/.gitignore': '*.x\n',
      'opaque/.gitignore': '*.y\n',
      'opaque/f': 'f',
    });
    const upper = upperOf({
      'a.o': '',
      'sub/.gitignore': null,
      'sub/a.x': '',
      'sub/a.o': '',
      'opaque/a.y': '',
      'opaque/a.o': '',
    });
    const collected = await collect(upper, base, { opaque: ['opaque'] });
    expect(paths(collected)).toEqual(['-opaque/.gitignore', '-opaque/f', '-sub/.gitignore', '+opaque/a.y', '+sub/a.x']);
    expect(collected.ignored).toBe(3);
  });

  it('in ignored folders are not even looked at, but for what the base has there', async () => {
    const base = await baseOf({ '.gitignore': 'build/\n', 'build/tracked': 't' });
    const entries = Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`sub/build/deep/${at}`, '']));
    const upper = upperOf({ ...entries, 'build/tracked': 'changed', 'build/new': '', 'sub/build/.git': '/' });
    const collected = await collect(upper, base, { maxEntries: 20 });
    expect(paths(collected)).toEqual(['+build/tracked']);
    expect([collected.ignored, collected.flags]).toEqual([2, []]);
  });

  it('are not ignored by rules that are too large to be rules', async () => {
    const base = await baseOf({ a: 'a' });
    const collected = await collect(upperOf({ '.gitignore': `*.o\n${'#'.repeat(1 << 20)}`, 'x.o': '' }), base);
    expect(paths(collected)).toEqual(['+.gitignore', '+x.o']);
    expect(collected.flags).toMatchObject([{ code: 'ignore-rules', path: '.gitignore' }]);
  });
});

describe('caps', () => {
  it('stop the listing at too many entries', async () => {
    const base = await baseOf({ a: 'a' });
    const upper = upperOf(Object.fromEntries(Array.from({ length: 11 }, (_, at) => [`f${at}`, ''])));
    const tooLarge = { code: 'COLLECT_TOO_LARGE', detail: { limit: 10 } };
    await expect(collect(upper, base, { maxEntries: 10 })).rejects.toMatchObject(tooLarge);
    expect((await collect(upper, base, { maxEntries: 11 })).changes).toHaveLength(11);
  });

  it('count a sparse file as big as it looks, and an unchanged one not at all', async () => {
    const base = await baseOf({ same: 'x'.repeat(1000) });
    const upper = upperOf({ same: 'x'.repeat(1000), sparse: '' });
    execFileSync('truncate', ['-s', '1T', path.join(upper, 'sparse')]);
    const { changes, flags } = await collect(upper, base, { maxBytes: 500 });
    expect(changes).toEqual([]);
    expect(flags.map((flag) => [flag.code, flag.path])).toEqual([['too-large', 'sparse']]);
    execFileSync('truncate', ['-s', '500', path.join(upper, 'sparse')]);
    expect((await collect(upper, base, { maxBytes: 500 })).changes).toHaveLength(1);
  });
});

describe('a cap on bytes', () => {
  it('leaves out the largest files only, as many as it takes', async () => {
    const base = await baseOf({ b: 'small' });
    const upper = upperOf({ a: 'x'.repeat(300), b: 'x'.repeat(400), c: 'x'.repeat(200), d: 'x'.repeat(100) });
    const { changes, flags } = await collect(upper, base, { maxBytes: 350 });
    expect(flags.map((flag) => [flag.code, flag.path])).toEqual([
      ['too-large', 'a'],
      ['too-large', 'b'],
    ]);
    expect(changes.map((change) => change.path)).toEqual(['c', 'd']);
  });
});

describe('a file that is not what was listed any more', () => {
  const secret = 'the secret of another attempt';
  const cases: readonly [string, (upper: string) => Promise<unknown>][] = [
    ['is written to', (upper) => writeFile(`${upper}/d/file`, 'other content')],
    ['grew', (upper) => writeFile(`${upper}/d/file`, 'x', { flag: 'a' })],
    ['is touched', (upper) => utimes(`${upper}/d/file`, 5, 5)],
    ['is gone', (upper) => rm(`${upper}/d/file`)],
    [
      'is a symlink',
      async (upper) => {
        await rm(`${upper}/d/file`);
        await symlink(path.join(scratch, 'secret/file'), `${upper}/d/file`);
      },
    ],
    [
      'lies beyond a symlink',
      async (upper) => {
        await rename(`${upper}/d`, `${upper}/away`);
        await symlink(path.join(scratch, 'secret'), `${upper}/d`);
      },
    ],
    [
      'lies beyond a symlink to the very same file',
      async (upper) => {
        await rename(`${upper}/d`, path.join(scratch, 'moved'));
        await symlink(path.join(scratch, 'moved'), `${upper}/d`);
      },
    ],
  ];

  it.each(cases)('because it %s is not collected', async (_, change) => {
    const base = await baseOf({ a: 'a' });
    mkdirSync(path.join(scratch, 'secret'));
    await writeFile(path.join(scratch, 'secret/file'), secret);
    const upper = upperOf({ 'd/file': 'content' });
    const collecting = collect(upper, base, { between: async () => void (await change(upper)) });
    await expect(collecting).rejects.toMatchObject({ code: 'KEEPER_CHANGED_WHILE_READ' });
    expect(await readFile(path.join(scratch, 'secret/file'), 'utf8')).toBe(secret);
  });
});

describe('what a set-up made', () => {
  const made = { 'made/m.txt': 'm', 'made/.gitignore': '*.log\n', 'src/made.txt': 'm', file: 'f', 'folder/x': 'x' };
  const collectOver = async (entries: Readonly<Record<string, string | null>>, limits: Limits = {}) => {
    const base = await baseOf({ 'a.txt': 'a', 'src/b.txt': 'b' });
    const collected = await collect(upperOf(entries), base, { made, ...limits });
    return { paths: paths(collected), flags: collected.flags.map((flag) => `${flag.code} ${flag.path}`) };
  };

  it('is left out, whatever became of it', async () => {
    const touched = { 'made/m.txt': 'changed', 'src/made.txt': null, folder: 'now a file', 'made/.gitignore': null };
    expect(await collectOver(touched)).toEqual({ paths: [], flags: ['set-up folder', 'set-up made'] });
  });

  it("does not hide the agent's own beside it, but by the ignore rules that the agent sees", async () => {
    const own = { 'made/own.txt': 'o', 'made/own.log': 'ignored', 'made/deep/own.log': 'ignored', 'src/own.log': 'o' };
    expect(await collectOver(own)).toEqual({ paths: ['+made/own.txt', '+src/own.log'], flags: [] });
  });

  it('has no ignore rules in a folder that the agent made again, or took them out of', async () => {
    const own = { 'made/own.log': 'o' };
    expect(await collectOver(own, { opaque: ['made'] })).toEqual({ paths: ['+made/own.log'], flags: [] });
    const emptied = { 'made/own.log': 'o', 'made/.gitignore': null };
    expect(await collectOver(emptied)).toEqual({ paths: ['+made/own.log'], flags: [] });
  });

  it('can have been a file where the agent made a folder', async () => {
    expect(await collectOver({ 'file/own.txt': 'o' })).toEqual({ paths: ['+file/own.txt'], flags: [] });
  });

  it('is tracked where the tree has it', async () => {
    const base = await baseOf({ 'src/made.txt': 'tracked' });
    const upper = upperOf({ 'src/made.txt': 'changed', 'made/m.txt': 'changed' });
    expect(paths(await collect(upper, base, { made }))).toEqual(['+src/made.txt']);
  });

  it('is no nested repository of the agent', async () => {
    const nested = { made: { 'nested/.git/HEAD': 'x' } };
    expect(await collectOver({ 'nested/.git/HEAD': 'changed' }, nested)).toEqual({ paths: [], flags: [] });
  });
});
