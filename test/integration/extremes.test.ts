// What agents can leave behind at the edges of what a file system can hold: reported, capped, never a hang, and gone again.
// ORCHESTRATE_LONG_TESTS=1 makes a million files of the fifty thousand.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ObjectId } from '../../src/types.ts';
import { type ScratchRepository, scratchRepository } from '../support/git.ts';
import { DockerKeeper, lay, readChanges } from '../support/keeper.ts';

const LONG = process.env.ORCHESTRATE_LONG_TESTS !== undefined;
const TIMEOUT_MS = LONG ? 1_200_000 : 120_000;

/** Everything that is no file, folder or symlink; a whiteout can be made by anybody where there is no overlay. */
const SPECIAL = `mkfifo fifo dir/x.txt.fifo; rm a.txt; mkfifo a.txt; mknod white c 0 0; rm dir/y.txt; mknod dir/y.txt c 0 0
python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('sock')"; echo s >suid; chmod 6755 suid; ln -s /dev/zero zero; true`;

describe.each(['overlay', 'copy'] as const)('the extremes of a workspace of kind %s', (workspace) => {
  /** Making them is what takes the time. */
  const FILES = LONG ? 1_000_000 : workspace === 'overlay' ? 50_000 : 10_000;
  let repository: ScratchRepository;
  let keeper: DockerKeeper;
  let tree: ObjectId;

  beforeAll(async () => {
    repository = await scratchRepository();
    for (const name of ['dir/x.txt', 'dir/y.txt']) await repository.write(name, `${name}\n`);
    await repository.commit();
    keeper = await DockerKeeper.start();
    keeper.workspace = workspace;
    tree = (await lay(keeper.client, repository, 'HEAD')).tree;
  });
  afterAll(async () => {
    await keeper?.[Symbol.asyncDispose]();
    await repository?.remove();
  });

  const collect = (attempt: string, limits: { maxEntries?: number; maxBytes?: number } = {}) =>
    keeper.client.collect({ attempt, tree, objectFormat: 'sha1', maxEntries: 2_000_000, maxBytes: 2 ** 31, ...limits });

  async function removed(attempt: string): Promise<void> {
    await keeper.client.removeAttempt(attempt);
    expect(await keeper.client.attempts()).not.toContain(attempt);
  }

  it('special files', async () => {
    await keeper.agent('special.1', tree, SPECIAL);
    const collection = await collect('special.1');
    const special = collection.flags.filter((flag) => flag.code === 'special-file').map((flag) => flag.path);
    const whiteouts = workspace === 'copy' ? ['dir/y.txt', 'white'] : [];
    expect(special.sort()).toEqual(['a.txt', 'dir/x.txt.fifo', 'fifo', 'sock', ...whiteouts].sort());
    expect(collection.flags.filter((flag) => flag.code === 'setuid').map((flag) => flag.path)).toEqual(['suid']);
    const changes = await readChanges(collection);
    expect(changes.map((change) => `${change.kind} ${change.path}`)).toEqual([
      ...['delete a.txt', 'delete dir/y.txt', 'file suid', 'symlink zero'],
    ]);
    await removed('special.1');
  });

  it('folders deeper than any path is long', async () => {
    const script = `python3 - <<'END'
import os
for name, levels in (('d', 3000), ('n' * 250, 100)):
    os.chdir('/workspace')
    for _ in range(levels):
        os.mkdir(name)
        os.chdir(name)
    open('deepest', 'w').close()
open('/workspace/end', 'w').close()
END`;
    await keeper.agent('deep.1', tree, script);
    const collection = await collect('deep.1');
    expect(new Set(collection.flags.map((flag) => flag.code))).toEqual(new Set(['unsupported-path']));
    expect((await readChanges(collection)).map((change) => change.path)).toEqual(['end']);
    await removed('deep.1');
  });

  it('a sparse file of 50 GB', async () => {
    await keeper.agent('sparse.1', tree, 'truncate -s 50G a.txt; truncate -s 50G sparse; echo end >end');
    const collection = await collect('sparse.1');
    expect(collection.flags.map((flag) => `${flag.code} ${flag.path}`)).toEqual([
      'too-large a.txt',
      'too-large sparse',
    ]);
    expect((await readChanges(collection)).map((change) => change.path)).toEqual(['end']);
    const written = (await keeper.client.written()).get('sparse.1') ?? Number.NaN;
    expect(written).toBeLessThan(1_000_000);
    await removed('sparse.1');
  });

  it(`${FILES} small files`, { timeout: TIMEOUT_MS }, async () => {
    const script = `python3 - <<'END'
import os
for folder in range(${FILES / 1000}):
    os.makedirs(f'many/{folder}')
    for file in range(1000):
        with open(f'many/{folder}/{file}', 'w') as out: out.write(str(file))
END`;
    await keeper.agent('many.1', tree, script);
    await expect(collect('many.1', { maxEntries: FILES / 2 })).rejects.toMatchObject({ code: 'COLLECT_TOO_LARGE' });
    const collection = await collect('many.1');
    expect([collection.count, collection.flags]).toEqual([FILES, []]);
    let seen = 0;
    for await (const change of collection.changes) {
      if (change.kind === 'file') for await (const _ of change.content) seen += 1;
    }
    expect(seen).toBe(FILES);
    expect(await collection.tree).toMatch(/^[0-9a-f]{40}$/);
    await removed('many.1');
  });
});
