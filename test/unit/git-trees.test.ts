import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { emptyTree } from '../../src/git/bytes.ts';
import { rootCommit } from '../../src/git/commits.ts';
import { binaryDiff, binaryDiffStream, changedPaths, diffStat, sizedPatch } from '../../src/git/diff.ts';
import { mergeTrees } from '../../src/git/merge.ts';
import { packOfTree } from '../../src/git/objects.ts';
import { removeQuarantines } from '../../src/git/private-dir.ts';
import { importChanges, type TreeChange } from '../../src/git/quarantine.ts';
import { findRepository, type Repository } from '../../src/git/repository.ts';
import type { ObjectId } from '../../src/types.ts';
import { type ScratchOptions, type ScratchRepository, scratchRepository } from '../support/git.ts';

const made: ScratchRepository[] = [];
interface Scratch {
  readonly work: ScratchRepository;
  readonly repo: Repository;
}
async function scratch(options?: ScratchOptions): Promise<Scratch> {
  const work = await scratchRepository(options);
  made.push(work);
  return { work, repo: await findRepository(work.root, work.env) };
}
afterEach(async () => {
  for (const repository of made.splice(0)) await repository.remove();
});

/** In both places where git looks for attributes beside the tree. */
async function attributesOfTheUser(work: ScratchRepository, attributes: string): Promise<void> {
  await writeFile(join(work.folder, 'home', '.config', 'git', 'attributes'), attributes);
  await writeFile(join(work.root, '.git', 'info', 'attributes'), attributes);
}

const file = (path: string | Buffer, content: string | Buffer, mode: '100644' | '100755' = '100644'): TreeChange => {
  const bytes = Buffer.from(content as string);
  return { kind: 'file', path: Buffer.from(path as string), mode, size: bytes.length, content: pieces(bytes) };
};
const link = (path: string, target: string): TreeChange => {
  return { kind: 'symlink', path: Buffer.from(path), target: Buffer.from(target) };
};
const gone = (path: string): TreeChange => ({ kind: 'delete', path: Buffer.from(path) });
async function* pieces(...bytes: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* bytes;
}
async function* each(...changes: readonly TreeChange[]): AsyncGenerator<TreeChange> {
  yield* changes;
}

async function head(work: ScratchRepository): Promise<{ tree: ObjectId; commit: ObjectId }> {
  return { tree: (await work.id('HEAD^{tree}')) as ObjectId, commit: (await work.id('HEAD')) as ObjectId };
}

/** The tree after changes to HEAD, published. */
async function changed({ work, repo }: Scratch, ...changes: readonly TreeChange[]): Promise<ObjectId> {
  await using result = await importChanges(repo, await head(work), each(...changes));
  await result.publish();
  return result.tree;
}

/** The tree that git's own index makes of the work tree. */
async function stagedTree(work: ScratchRepository): Promise<string> {
  await work.git('add', '-A');
  return work.git('write-tree');
}

async function objectsOf(stream: Readable, work: ScratchRepository): Promise<string[]> {
  const receiver = join(work.folder, 'receiver.git');
  await rm(receiver, { recursive: true, force: true });
  const format = await work.git('rev-parse', '--show-object-format');
  await work.git('init', '-q', '--bare', `--object-format=${format}`, receiver);
  const indexing = execFile('git', ['index-pack', '--stdin', '--strict'], { cwd: receiver, env: work.env });
  if (indexing.stdin === null) throw new Error('no stdin');
  const ended = new Promise((resolve) => indexing.on('close', resolve));
  // It may close the pipe as soon as it has the pack's checksum.
  await pipeline(stream, indexing.stdin).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ERR_STREAM_PREMATURE_CLOSE' && error.code !== 'EPIPE') throw error;
  });
  expect(await ended).toBe(0);
  const all = ['cat-file', '--batch-check=%(objectname)', '--batch-all-objects', '--unordered'];
  return (await work.git('-C', receiver, ...all)).split('\n').sort();
}

describe('importChanges', () => {
  it.each(['sha1', 'sha256'] as const)(
    'makes the tree that git itself makes (%s), and only publishing writes it',
    async (objectFormat) => {
      const made = await scratch({ objectFormat });
      const { work, repo } = made;
      await work.write('old/deep/x', 'x');
      await work.write('turns/into/file', 'x');
      await work.write('becomes-folder', 'x');
      await work.write('stays', 'x');
      await work.commit();
      const odd = Buffer.from('odd "\\\n\t\xff\xfe\x01 name ', 'latin1');
      await using result = await importChanges(
        repo,
        await head(work),
        each(
          ...['old', 'turns', 'becomes-folder', 'never-was'].map(gone),
          file('a.txt', 'one\r\ntwo'),
          file('bin', Buffer.from([0, 1, 2, 255, 10]), '100755'),
          file(odd, ''),
          link('link', '/etc/passwd'),
          file('turns', 'file'),
          file('becomes-folder/x', 'y'),
          file('new/deep/er', 'x'),
        ),
      );
      await expect(work.git('cat-file', '-e', result.tree)).rejects.toThrow();
      await Promise.all(
        ['old', 'turns', 'becomes-folder'].map((name) => rm(join(work.root, name), { recursive: true })),
      );
      await work.write('a.txt', 'one\r\ntwo');
      await work.write('bin', Buffer.from([0, 1, 2, 255, 10]), 0o755);
      await work.write(odd, '');
      await work.link('link', '/etc/passwd');
      await work.write('turns', 'file');
      await work.write('becomes-folder/x', 'y');
      await work.write('new/deep/er', 'x');
      await result.publish();
      await result.publish();
      await work.git('fsck', '--strict', result.tree);
      expect(await stagedTree(work)).toBe(result.tree);
    },
  );

  it('takes paths of 4,000 bytes and no components that a checkout refuses', async () => {
    const made = await scratch();
    const long = `${'x'.repeat(200)}/`.repeat(19) + '\xff'.repeat(180);
    const path = Buffer.from(long, 'latin1');
    expect(path.length).toBeGreaterThan(3_990);
    const tree = await changed(made, file(path, 'deep'));
    const listed = await made.work.bytes('ls-tree', '-r', '-z', '--name-only', tree);
    expect(listed.includes(path)).toBe(true);
    for (const bad of [
      '',
      '/x',
      'x/',
      'a//b',
      './x',
      'a/../b',
      '.git/config',
      'a/.GIT/x',
      'git~1',
      '.git ./x',
      'a\0b',
    ]) {
      const refused = importChanges(made.repo, await head(made.work), each(file(bad, 'x')));
      await expect(refused, JSON.stringify(bad)).rejects.toMatchObject({ code: 'UNSAFE_PATH' });
    }
    for (const bad of ['.g\u200cit/x', 'x/.git::$INDEX_ALLOCATION/y', 'a\\.git\\config']) {
      const refused = importChanges(made.repo, await head(made.work), each(file(bad, 'x')));
      await expect(refused, bad).rejects.toMatchObject({ code: 'UNSAFE_PATH' });
    }
    const modules = importChanges(made.repo, await head(made.work), each(link('.gitmodules', 'x')));
    await expect(modules).rejects.toMatchObject({ code: 'UNSAFE_PATH' });
    expect(await readdir(join(made.repo.stateDir, 'quarantine'))).toEqual([]);
  });

  it('works from an empty base, to an empty result, and without a change', async () => {
    const { work, repo } = await scratch();
    await rm(join(work.root, 'a.txt'));
    await work.commit('empty');
    const base = await head(work);
    expect(base.tree).toBe(emptyTree('sha1'));
    await rm(join(repo.objectsDir, base.tree.slice(0, 2)), { recursive: true, force: true });
    const full = await changed({ work, repo }, file('x/y', 'z'));
    expect(await work.git('ls-tree', '-r', '--name-only', full)).toBe('x/y');
    await using none = await importChanges(repo, base, each());
    expect(none.tree).toBe(base.tree);
    await none.publish();
    await using emptied = await importChanges(repo, { tree: full }, each(gone('x/y')));
    expect(emptied.tree).toBe(emptyTree('sha1'));
    await emptied.publish();
    await using same = await importChanges(repo, { tree: full }, each(file('x/y', 'z')));
    expect(same.tree).toBe(full);
    await same.publish();
  });

  it.each([
    ['longer', 'abcdef', 5],
    ['shorter', 'abc', 5],
  ])('refuses content that is %s than announced and leaves nothing', async (_name, content, size) => {
    const { work, repo } = await scratch();
    const change: TreeChange = {
      kind: 'file',
      path: Buffer.from('x'),
      mode: '100644',
      size,
      content: pieces(Buffer.from(content)),
    };
    await expect(importChanges(repo, await head(work), each(change))).rejects.toMatchObject({ code: 'SIZE_MISMATCH' });
    expect(await readdir(join(repo.stateDir, 'quarantine'))).toEqual([]);
  });

  it("ends with the source's error when the source fails", async () => {
    const { work, repo } = await scratch();
    async function* failing(): AsyncGenerator<TreeChange> {
      yield file('x', 'y');
      throw new Error('the source is gone');
    }
    await expect(importChanges(repo, await head(work), failing())).rejects.toThrow('the source is gone');
    expect(await readdir(join(repo.stateDir, 'quarantine'))).toEqual([]);
  });

  it('fails clearly when the base is not there', async () => {
    const { work, repo } = await scratch();
    const base = { ...(await head(work)), tree: 'ab'.repeat(20) as ObjectId };
    await expect(importChanges(repo, base, each(file('x', 'y')))).rejects.toMatchObject({ name: 'OrchestrateError' });
  });

  it('streams 128 MB without holding it', async () => {
    const { work, repo } = await scratch();
    const chunk = Buffer.alloc(1 << 20, 'abcdefg');
    const hash = createHash('sha1').update(`blob ${128 * chunk.length}\0`);
    async function* content(): AsyncGenerator<Buffer> {
      for (let n = 0; n < 128; n += 1) {
        hash.update(chunk);
        yield chunk;
      }
    }
    const before = process.memoryUsage().rss;
    const change: TreeChange = {
      kind: 'file',
      path: Buffer.from('big'),
      mode: '100644',
      size: 128 * chunk.length,
      content: content(),
    };
    await using result = await importChanges(repo, await head(work), each(change));
    await result.publish();
    expect(process.memoryUsage().rss - before).toBeLessThan(64 << 20);
    expect(await work.id(`${result.tree}:big`)).toBe(hash.digest('hex'));
  });

  it('takes a file by the id of a blob that is there, and fails for one that is not', async () => {
    const made = await scratch();
    const { work, repo } = made;
    await work.write('before', 'moved\n');
    await work.commit();
    const id = (await work.id('HEAD:before')) as ObjectId;
    const moved: TreeChange = { path: Buffer.from('after'), kind: 'known', mode: '100755', id };
    const tree = await changed(made, gone('before'), moved);
    expect(await work.git('ls-tree', '-r', tree)).toContain(`100755 blob ${id}\tafter`);
    const unknown: TreeChange = { ...moved, id: '1'.repeat(40) as ObjectId };
    const importing = importChanges(repo, await head(work), each(unknown));
    await expect(importing).rejects.toMatchObject({ code: 'GIT_FAILED' });
  });

  it('publishes many objects as a pack, and nothing that is there already', async () => {
    const made = await scratch();
    const { work, repo } = made;
    const tree = await changed(made, ...Array.from({ length: 300 }, (_, n) => file(`d${n % 7}/f${n}`, `content ${n}`)));
    const stored = await readdir(join(repo.objectsDir, 'pack'));
    expect(stored.filter((name) => name.endsWith('.pack'))).toHaveLength(1);
    expect((await work.git('ls-tree', '-r', '--name-only', tree)).split('\n')).toHaveLength(301);
    expect(await work.git('count-objects', '-v')).toMatch(/in-pack: 308$/m);
  });

  it('sweeps what killed imports left', async () => {
    const { repo } = await scratch();
    await mkdir(join(repo.stateDir, 'quarantine', 'old', 'objects'), { recursive: true });
    await mkdir(join(repo.stateDir, 'quarantine', 'beside-now'), { recursive: true });
    await mkdir(join(repo.stateDir, 'quarantine', 'beside-old'), { recursive: true });
    await utimes(join(repo.stateDir, 'quarantine', 'beside-old'), 0, 0);
    await removeQuarantines(repo);
    await removeQuarantines(repo);
    // Somebody at another terminal may be making a tree at this moment.
    expect(await readdir(join(repo.stateDir, 'quarantine'))).toEqual(['beside-now']);
  });
});

describe('packOfTree', () => {
  it.each(['sha1', 'sha256'] as const)(
    'holds the commit and all objects, or only what the receiver lacks (%s)',
    async (objectFormat) => {
      const made = await scratch({ objectFormat });
      const { work, repo } = made;
      await work.write('d/same', 'same');
      await work.write('d/moves', 'moves');
      await work.commit();
      await work.git('gc', '-q');
      const base = await head(work);
      const tree = await changed(made, gone('d/moves'), file('e/moved', 'moves'), file('a.txt', 'changed'));
      const commit = await rootCommit(repo, tree);
      const whole = await objectsOf(packOfTree(repo, tree, { commit }), work);
      const expected = (await work.git('rev-list', '--objects', '--no-object-names', commit)).split('\n').sort();
      expect(whole).toEqual(expected);
      const ids = await Promise.all(
        [`${tree}`, `${tree}:d`, `${tree}:e`, `${tree}:a.txt`].map((name) => work.id(name)),
      );
      const delta = packOfTree(repo, tree, { commit, without: base.tree });
      const received: Buffer[] = [];
      for await (const chunk of delta) received.push(chunk as Buffer);
      await writeFile(join(work.folder, 'delta.pack'), Buffer.concat(received));
      await work.git('index-pack', '-o', join(work.folder, 'delta.idx'), join(work.folder, 'delta.pack'));
      const listed = await work.git('verify-pack', '-v', join(work.folder, 'delta.idx'));
      const inPack = listed.split('\n').filter((line) => /^[0-9a-f]{40,} (?:commit|tree|blob)/.test(line));
      expect(inPack.map((line) => line.split(' ')[0]).sort()).toEqual([...ids, commit].sort());
    },
  );

  it('works in a shallow clone', async () => {
    const { work } = await scratch();
    await work.commit('second');
    const clone = join(work.folder, 'clone');
    await work.git('clone', '-q', '--depth=1', `file://${work.root}`, clone);
    const repo = await findRepository(clone, work.env);
    const { tree } = await head(work);
    const commit = await rootCommit(repo, tree);
    expect(await objectsOf(packOfTree(repo, tree, { commit }), work)).toHaveLength(3);
  });

  it('fails on the stream with a hint when a partial clone lacks objects', async () => {
    const { work } = await scratch();
    await work.git('config', 'uploadpack.allowFilter', 'true');
    const clone = join(work.folder, 'clone');
    await work.git('clone', '-q', '--no-checkout', '--filter=blob:none', `file://${work.root}`, clone);
    const repo = await findRepository(clone, work.env);
    const { tree } = await head(work);
    const commit = await rootCommit(repo, tree);
    const reading = (async () => {
      for await (const _chunk of packOfTree(repo, tree, { commit }));
    })();
    await expect(reading).rejects.toMatchObject({ kind: 'environment', code: 'MISSING_OBJECTS' });
    const delta = packOfTree(repo, tree, { commit, without: emptyTree('sha1') });
    const error = await new Promise((resolve) => delta.on('error', resolve).resume());
    expect(error).toMatchObject({ code: 'MISSING_OBJECTS', hint: expect.stringContaining('git fetch --refetch') });
  });

  it('stops git when the reader goes away', async () => {
    const { work, repo } = await scratch();
    const { tree } = await head(work);
    const stream = packOfTree(repo, tree, { commit: await rootCommit(repo, tree) });
    for await (const _chunk of stream) break;
    expect(stream.destroyed).toBe(true);
  });
});

describe('diff', () => {
  it('shows text whatever attributes, settings and drivers say, and runs none of them', async () => {
    const made = await scratch();
    const { work, repo } = made;
    await work.write('.gitattributes', '* -diff -text diff=evil binary\n');
    await work.commit();
    await work.arm();
    await attributesOfTheUser(work, '* -diff\n');
    const base = await head(work);
    const tree = await changed(made, file('a.txt', 'one\nchanged\nthree\n'), file('.gitattributes', '* -diff\n'));
    const text = (await binaryDiff(repo, base.tree, tree)).toString('utf8');
    expect(text).toContain('-two\n+changed\n');
    expect(text).not.toContain('GIT binary patch');
    const { size } = await sizedPatch(repo, { from: base.tree, to: tree }, text.length);
    expect(size).toEqual({ files: 2, insertions: 2, deletions: 2 });
    expect(await diffStat(repo, base.tree, tree)).toContain('2 files changed, 2 insertions(+), 2 deletions(-)');
    expect(await work.markers()).toEqual([]);
  });

  it('lists every kind of change with printable and raw paths', async () => {
    const made = await scratch();
    const { work, repo } = made;
    await work.write('gone', '1');
    await work.write('run', '1');
    await work.write('kind', '1');
    await work.commit();
    const base = await head(work);
    const odd = Buffer.from('o\n\xff', 'latin1');
    const tree = await changed(made, gone('gone'), file('run', '1', '100755'), link('kind', 'a.txt'), file(odd, 'x'));
    expect(await changedPaths(repo, base.tree, tree)).toEqual([
      { status: 'D', path: 'gone', rawPath: Buffer.from('gone'), oldMode: '100644', newMode: '000000' },
      { status: 'T', path: 'kind', rawPath: Buffer.from('kind'), oldMode: '100644', newMode: '120000' },
      { status: 'A', path: 'o\\x0A\\xFF', rawPath: odd, oldMode: '000000', newMode: '100644' },
      { status: 'M', path: 'run', rawPath: Buffer.from('run'), oldMode: '100644', newMode: '100755' },
    ]);
  });

  it('counts a rename as one file, and binary files without lines', async () => {
    const made = await scratch();
    const { work, repo } = made;
    const text = Array.from({ length: 50 }, (_, n) => `line ${n}\n`).join('');
    await work.write('before', text);
    await work.commit();
    const base = await head(work);
    const tree = await changed(made, gone('before'), file('after', `${text}more\n`), file('bin', Buffer.from([0, 1])));
    const patch = await binaryDiff(repo, base.tree, tree);
    expect(patch.toString()).toContain('rename from before\nrename to after\n');
    const size = { files: 2, insertions: 1, deletions: 0 };
    expect(await sizedPatch(repo, { from: base.tree, to: tree }, patch.length)).toEqual({ size, patch });
    expect(await sizedPatch(repo, { from: base.tree, to: tree }, patch.length - 1)).toEqual({ size, patch: null });
    const none = { size: { files: 0, insertions: 0, deletions: 0 }, patch: Buffer.alloc(0) };
    expect(await sizedPatch(repo, { from: tree, to: tree }, 0)).toEqual(none);
    expect(await binaryDiff(repo, tree, tree)).toHaveLength(0);
  });

  it('streams the same patch', async () => {
    const made = await scratch();
    const base = await head(made.work);
    const tree = await changed(made, file('x', 'y\n'));
    const chunks: Buffer[] = [];
    for await (const chunk of binaryDiffStream(made.repo, base.tree, tree)) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks)).toEqual(await binaryDiff(made.repo, base.tree, tree));
  });
});

describe('mergeTrees', () => {
  it.each(['sha1', 'sha256'] as const)('merges what does not touch and names what does (%s)', async (objectFormat) => {
    const made = await scratch({ objectFormat });
    const { work, repo } = made;
    const base = (await head(work)).tree;
    const ours = await changed(made, file('a.txt', 'ONE\ntwo\nthree\n'), file('x', '1'), file('é"\n', '1'));
    const theirs = await changed(made, file('a.txt', 'one\ntwo\nTHREE\n'), file('y', '1'));
    const merged = await mergeTrees(repo, { base, ours, theirs });
    if (!merged.clean) throw new Error('conflict');
    expect(await work.git('show', `${merged.tree}:a.txt`)).toBe('ONE\ntwo\nTHREE');
    expect(await work.git('ls-tree', '--name-only', merged.tree)).toBe('a.txt\nx\ny\n"\\303\\251\\"\\n"');
    const clash = await changed(made, file('a.txt', 'uno\n'), file('x', '2'), file('é"\n', '2'));
    expect(await mergeTrees(repo, { base, ours, theirs: clash })).toEqual({
      clean: false,
      paths: ['a.txt', 'x', 'é"\\x0A'],
    });
    expect(await mergeTrees(repo, { base, ours, theirs: base })).toEqual({ clean: true, tree: ours });
    expect(await mergeTrees(repo, { base, ours: base, theirs })).toEqual({ clean: true, tree: theirs });
    expect(await mergeTrees(repo, { base, ours, theirs: ours })).toEqual({ clean: true, tree: ours });
    expect(await mergeTrees(repo, { base: emptyTree(objectFormat), ours, theirs: ours })).toMatchObject({
      clean: true,
    });
    expect((await readdir(join(repo.stateDir, 'git'))).filter((name) => name.startsWith('merge-'))).toEqual([]);
  });

  it('lets neither attributes nor settings choose a driver', async () => {
    const made = await scratch();
    const { work, repo } = made;
    await work.write('.gitattributes', '* merge=evil\n');
    await work.commit();
    await work.arm();
    const base = (await head(work)).tree;
    const ours = await changed(made, file('a.txt', 'ONE\ntwo\nthree\n'), file('.gitattributes', '* merge=ours\n'));
    const theirs = await changed(made, file('a.txt', 'uno\ntwo\nthree\n'));
    expect(await mergeTrees(repo, { base, ours, theirs })).toEqual({ clean: false, paths: ['a.txt'] });
    await attributesOfTheUser(work, '* -merge\n');
    const below = await changed(made, file('a.txt', 'one\ntwo\nTHREE\n'));
    expect(await mergeTrees(repo, { base, ours, theirs: below })).toMatchObject({ clean: true });
    expect(await work.markers()).toEqual([]);
  });

  it('works where the path of the repository needs quoting', async () => {
    const made = await scratch({ name: 'a:b "c"\n' });
    const base = (await head(made.work)).tree;
    const ours = await changed(made, file('x', '1'));
    const theirs = await changed(made, file('y', '1'));
    expect(await mergeTrees(made.repo, { base, ours, theirs })).toMatchObject({ clean: true });
  });

  it('says what an incomplete clone lacks', async () => {
    const made = await scratch();
    const base = (await head(made.work)).tree;
    const ours = await changed(made, file('a.txt', 'ONE\ntwo\nthree\n'));
    const theirs = await changed(made, file('a.txt', 'one\ntwo\nTHREE\n'));
    const blob = await made.work.id(`${base}:a.txt`);
    await rm(join(made.repo.objectsDir, blob.slice(0, 2), blob.slice(2)), { force: true });
    const merging = mergeTrees(made.repo, { base, ours, theirs });
    await expect(merging).rejects.toMatchObject({ code: 'MISSING_OBJECTS' });
  });
});

describe('private git directory', () => {
  it('is made once, by hand, without hooks, and survives two that make it at once', async () => {
    const { work, repo } = await scratch();
    await work.arm();
    const other = await findRepository(work.root, work.env);
    const { tree } = await head(work);
    await Promise.all([rootCommit(repo, tree), rootCommit(other, tree)]);
    expect(await readdir(repo.stateDir)).toEqual(['git']);
    expect(await readFile(join(repo.stateDir, 'git', 'config'), 'utf8')).toContain('bare = true');
    expect(await work.markers()).toEqual([]);
  });
});
