// What a set-up left, kept by the real keeper's program on a temporary store. Needs root, as the keeper does.
import { execFileSync } from 'node:child_process';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';
import { applied, type LaidTree, LocalKeeper, lay, readChanges } from '../support/keeper.ts';

const ID = 'aaaaaaaaaaaa';
const OTHER = 'bbbbbbbbbbbb';

let repository: ScratchRepository;
let keeper: LocalKeeper;
let base: LaidTree;
beforeEach(async () => {
  repository = await scratchRepository({ empty: true });
  keeper = await LocalKeeper.start();
  base = await commit({ '.gitignore': 'ignored/\n', 'a.txt': 'a\n', 'src/b.txt': 'b\n', 'gone/c.txt': 'c\n' });
});
afterEach(async () => {
  await keeper[Symbol.asyncDispose]();
  await repository.remove();
});

/** Lays out a commit of the files on top of what is there. */
async function commit(files: Readonly<Record<string, string>>, from?: LaidTree): Promise<LaidTree> {
  for (const [name, content] of Object.entries(files)) await repository.write(name, content);
  await repository.commit();
  return lay(keeper.client, repository, 'HEAD', from?.tree);
}

/** Files of an upper folder: text is a file, null a whiteout, `/` a folder. */
function write(folder: string, entries: Readonly<Record<string, string | null>>): void {
  const whiteout = path.join(keeper.store, 'whiteout');
  if (!existsSync(whiteout)) execFileSync('mknod', [whiteout, 'c', '0', '0']);
  for (const [name, content] of Object.entries(entries)) {
    const at = path.join(folder, name);
    mkdirSync(path.dirname(at), { recursive: true });
    if (content === null) linkSync(whiteout, at);
    else if (content === '/') mkdirSync(at, { recursive: true });
    else writeFileSync(at, content);
  }
}

/** Sets up by writing into an upper folder, as a container would have. */
async function setUp(id: string, entries: Readonly<Record<string, string | null>>): Promise<readonly string[]> {
  const attempt = `setup-${id}`;
  const { upper } = await keeper.client.prepareAttempt({ id: attempt, homeFiles: [] });
  write(keeper.at(upper), entries);
  const request = {
    attempt,
    tree: base.tree,
    objectFormat: 'sha1',
    id,
    key: `key of ${id}`,
    image: 'sha256:x',
  } as const;
  const { changed, count } = await keeper.client.keepSetUp(request);
  expect(count).toBe(changed.length);
  await keeper.client.removeAttempt(attempt);
  return changed;
}

async function collected(attempt: string, tree = base.tree) {
  const request = { attempt, tree, objectFormat: 'sha1', maxEntries: 1000, maxBytes: 1e9 } as const;
  const collection = await keeper.client.collect(request);
  const changes = await readChanges(collection);
  expect(await collection.tree).toBe(await applied(repository, tree, changes));
  return {
    paths: changes.map((change) => change.path),
    flags: collection.flags.map((flag) => `${flag.code} ${flag.path}`),
  };
}

describe('keeping a set-up', () => {
  it('takes what the tree does not have, and names what was done to the rest', async () => {
    const changed = await setUp(ID, {
      ...{ 'a.txt': 'changed\n', '.gitignore': 'ignored/\n', 'made.txt': 'm', gone: null, 'ignored/deep/x': 'x' },
      ...{ '.git/config': 'evil', 'new/.git/HEAD': 'nested' },
    });
    expect(changed).toEqual(['a.txt', 'gone']);
    const files = execFileSync('find', ['.', '-type', 'f'], { cwd: keeper.at('s', ID, 'f') })
      .toString()
      .split('\n');
    expect(files.sort()).toEqual(['', './ignored/deep/x', './made.txt', './new/.git/HEAD']);
    expect(await keeper.client.setUps()).toMatchObject([{ id: ID, key: `key of ${ID}`, image: 'sha256:x' }]);
    expect(await keeper.client.attempts()).toEqual([]);
  });

  it('is not there until it is finished, and what is unfinished goes', async () => {
    mkdirSync(keeper.at('s', OTHER, 'f'), { recursive: true });
    writeFileSync(keeper.at('s', OTHER, 'meta.json.new'), '{}');
    expect(await keeper.client.setUps()).toEqual([]);
    await expect(keeper.client.prepareAttempt({ id: 'x.1', homeFiles: [], setUp: OTHER })).rejects.toMatchObject({
      code: 'KEEPER_NO_SET_UP',
    });
    await setUp(ID, { made: 'x' });
    expect(existsSync(keeper.at('s', OTHER))).toBe(false);
  });

  it('follows no link of a hostile set-up', async () => {
    const attempt = `setup-${ID}`;
    const { upper, homeUpper } = await keeper.client.prepareAttempt({ id: attempt, homeFiles: [] });
    const outside = keeper.at('outside');
    mkdirSync(outside, { mode: 0o700 });
    writeFileSync(path.join(outside, 'file'), 'untouched', { mode: 0o600 });
    for (const folder of [upper, homeUpper]) symlinkSync(outside, keeper.at(folder, 'link'));
    // In place of tracked folders, too.
    symlinkSync(outside, keeper.at(upper, 'src'));
    const request = { attempt, tree: base.tree, objectFormat: 'sha1', id: ID, key: 'k', image: 'i' } as const;
    expect((await keeper.client.keepSetUp(request)).changed).toEqual(['src']);
    for (const at of [outside, path.join(outside, 'file')]) expect(statSync(at).uid).toBe(0);
    expect(statSync(path.join(outside, 'file')).mode & 0o777).toBe(0o600);
    expect(readFileSync(path.join(outside, 'file'), 'utf8')).toBe('untouched');
  });

  it('is not removed while an attempt stands on it', async () => {
    await setUp(ID, { made: 'x' });
    await keeper.client.prepareAttempt({ id: 'x.1', homeFiles: [], setUp: ID });
    await expect(keeper.client.removeSetUp(ID)).rejects.toMatchObject({ code: 'KEEPER_SET_UP_IN_USE' });
    await keeper.client.removeAttempt('x.1');
    await keeper.client.removeSetUp(ID);
    expect(existsSync(keeper.at('s', ID))).toBe(false);
  });
});

describe('a copy of a tree and a set-up', () => {
  it('has what is in both from the tree, whatever kinds they are of', async () => {
    await setUp(ID, { both: 'set-up', 'folder/x': 'set-up', 'file-then-folder': 'set-up', 'only/here': 'set-up' });
    rmSync(keeper.at('s', ID, 'f', 'only/here'));
    symlinkSync(keeper.at('outside'), keeper.at('s', ID, 'f', 'link'));
    const { tree } = await commit({ both: 'tree', folder: 'tree', 'file-then-folder/y': 'tree', link: 'tree' }, base);
    const homeFiles = [{ path: '.own/prompt', content: Buffer.from('p'), mode: 0o644 }];
    writeFileSync(keeper.at('s', ID, 'h', 'made'), 'home');
    mkdirSync(keeper.at('s', ID, 'h', '.own'));
    writeFileSync(keeper.at('s', ID, 'h', '.own', 'prompt'), 'earlier');
    execFileSync('chown', ['-hR', '61000:61000', keeper.at('s', ID)]);
    const { workspace, home } = await keeper.client.prepareCopy({ id: 'x.1', tree, homeFiles, setUp: ID });
    const read = (...at: string[]) => readFileSync(keeper.at(...at), 'utf8');
    expect(['both', 'folder', 'file-then-folder/y', 'link'].map((name) => read(workspace, name))).toEqual(
      Array(4).fill('tree'),
    );
    expect([read(home, 'made'), read(home, '.own/prompt')]).toEqual(['home', 'p']);
    expect(existsSync(keeper.at('outside'))).toBe(false);
    expect(await collected('x.1', tree)).toEqual({ paths: [], flags: [] });
  });
});
