// What agents find at /context, and what is read from their outbox: the keeper's program on a store in a temporary folder.
import { execFileSync } from 'node:child_process';
import { link, lstat, mkdir, readdir, readFile, rename, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OutboxNews } from '../../src/keeper/client.ts';
import { LocalKeeper } from '../support/keeper.ts';

const AGENT = 61_000;

let keeper: LocalKeeper;
beforeEach(async () => {
  keeper = await LocalKeeper.start();
  const task = { name: 'task.md', content: Buffer.from('# Task\n') };
  await keeper.client.prepareAttempt({ id: 'a.1', homeFiles: [], context: [task] });
});
afterEach(() => keeper[Symbol.asyncDispose]());

const context = (...parts: string[]) => keeper.at('a', 'a.1', 'c', ...parts);
const outbox = (...parts: string[]) => context('outbox', ...parts);

async function take(options: { final?: boolean; most?: number } = {}): Promise<OutboxNews> {
  const news = await keeper.client.takeNotes([{ id: 'a.1', most: options.most ?? 50 }], options.final ?? true);
  return news.get('a.1') as OutboxNews;
}

/** As the agents' user, with the attempt's context as the folder it works in. */
function asAgent(command: string) {
  return execa('/bin/sh', ['-c', command], { cwd: context(), uid: AGENT, gid: AGENT, reject: false });
}

describe('a context', () => {
  it('can be read by its agent, and not be changed, replaced or deleted', async () => {
    const note = { name: 'notes.md', content: Buffer.from('hello\n') };
    await keeper.client.putContext([{ id: 'a.1', files: [note] }]);
    expect((await asAgent('cat task.md notes.md')).stdout).toBe('# Task\nhello');
    for (const attack of [
      'echo x > notes.md',
      'rm notes.md',
      'mv notes.md outbox/',
      'rmdir outbox',
      'mv outbox outbox2',
      'echo x > more.md',
      'chmod 666 notes.md',
      'ln -s /etc/passwd .notes.md.new',
    ]) {
      expect([attack, (await asAgent(attack)).exitCode === 0]).toEqual([attack, false]);
    }
    expect(await readFile(context('notes.md'), 'utf8')).toBe('hello\n');
  });

  it('has each file in one piece at any time', async () => {
    const content = Buffer.alloc(200_000, 'x');
    const put = () => keeper.client.putContext([{ id: 'a.1', files: [{ name: 'notes.md', content }] }]);
    await put();
    const reading = asAgent('for i in $(seq 300); do wc -c < notes.md; done');
    for (let round = 0; round < 40; round += 1) await put();
    expect(new Set((await reading).stdout.split('\n'))).toEqual(new Set(['200000']));
    expect(await readdir(context())).toEqual(['notes.md', 'outbox', 'task.md']);
  });

  it('is passed over where the attempt is gone, and has files of its kind alone', async () => {
    const content = Buffer.from('x');
    await keeper.client.putContext([{ id: 'gone.1', files: [{ name: 'notes.md', content }] }]);
    for (const name of ['../x.md', 'outbox', '.hidden.md', 'a/b.md', '']) {
      const putting = keeper.client.putContext([{ id: 'a.1', files: [{ name, content }] }]);
      await expect(putting).rejects.toMatchObject({ code: 'KEEPER_BAD_CALL' });
    }
  });

  it('goes with its attempt, and what is in the outbox counts as written', async () => {
    await writeFile(outbox('big'), Buffer.alloc(3_000_000, 'x'));
    expect((await keeper.client.written()).get('a.1')).toBeGreaterThan(3_000_000);
    await asAgent('cd outbox && mkdir -p d/e && chmod 0 d/e d');
    await keeper.client.removeAttempt('a.1');
    await expect(lstat(keeper.at('a', 'a.1'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is not there for those who get none', async () => {
    await keeper.client.prepareAttempt({ id: 'b.1', homeFiles: [] });
    expect(await readdir(keeper.at('a', 'b.1'))).not.toContain('c');
    const news = await keeper.client.takeNotes([{ id: 'b.1', most: 50 }], true);
    expect(news.get('b.1')).toEqual({ files: [], refused: [], left: 0, more: false });
  });
});

describe('an outbox', () => {
  it('is told once for each state of a file, as soon as two looks found it the same', async () => {
    await writeFile(outbox('api.md'), 'the API is at /v2\n');
    expect((await take({ final: false })).files).toEqual([]);
    const { files } = await take({ final: false });
    expect(files).toEqual([{ name: 'api.md', size: 18, text: 'the API is at /v2\n' }]);
    expect((await take({ final: false })).files).toEqual([]);
    await writeFile(outbox('api.md'), 'the API is at /v3\n');
    expect((await take({ final: false })).files).toEqual([]);
    expect((await take({ final: false })).files).toMatchObject([{ text: 'the API is at /v3\n' }]);
    expect((await take()).files).toEqual([]);
  });

  it('is not read while a file grows, but for the last look', async () => {
    for (const text of ['a', 'ab', 'abc']) {
      await writeFile(outbox('grows'), text);
      expect((await take({ final: false })).files).toEqual([]);
    }
    expect((await take()).files).toMatchObject([{ text: 'abc' }]);
  });

  it('is told oldest first', async () => {
    for (const [name, at] of [
      ['a', 300],
      ['b', 100],
      ['c', 200],
    ] as const) {
      await writeFile(outbox(name), name);
      await utimes(outbox(name), at, at);
    }
    expect((await take()).files.map(({ name }) => name)).toEqual(['b', 'c', 'a']);
  });

  it('gives the beginning of a huge file and its size, in characters that are whole', async () => {
    await writeFile(outbox('huge'), 'ä€'.repeat(10_000_000));
    const { files } = await take();
    expect(files).toMatchObject([{ name: 'huge', size: 50_000_000 }]);
    const text = files[0]?.text ?? '';
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(16_384);
    expect(text).toMatch(/^(?:ä€)+ä?$/);
  });

  it('refuses what is no text file of its own, with the reason, and follows nothing', async () => {
    await writeFile(keeper.at('a', 'secret'), 'root alone may read this', { mode: 0o600 });
    await symlink(keeper.at('a', 'secret'), outbox('link'));
    await symlink('/etc', outbox('folder-link'));
    await mkdir(outbox('folder'));
    execFileSync('mkfifo', [outbox('fifo')]);
    execFileSync('mknod', [outbox('device'), 'c', '1', '5']);
    await writeFile(outbox('one-name'), 'x');
    await link(outbox('one-name'), outbox('other-name'));
    await writeFile(outbox('empty'), '');
    await writeFile(outbox('binary'), Buffer.from([1, 2, 0, 3]));
    await writeFile(outbox('latin1'), Buffer.from('caf\xe9', 'latin1'));
    await writeFile(outbox('sparse'), '');
    await truncate(outbox('sparse'), 2 ** 40);
    const server = createServer().listen(outbox('socket'));
    const { files, refused } = await take();
    server.close();
    expect(files).toEqual([]);
    const reasons = Object.fromEntries(refused.map(({ name, reason }) => [name, reason]));
    const link2 = 'has another name elsewhere (a hard link)';
    expect(reasons).toEqual({
      ...{ link: 'is a symbolic link', 'folder-link': 'is a symbolic link', folder: 'is a folder: a note is a file' },
      ...{ fifo: 'is a special file', device: 'is a special file', socket: 'is a special file' },
      ...{ 'one-name': link2, 'other-name': link2, empty: 'is empty' },
      ...{ binary: 'is not UTF-8 text', latin1: 'is not UTF-8 text', sparse: 'is not UTF-8 text' },
    });
    expect((await take()).refused).toEqual([]);
  });

  it('waits with an empty file for what will be written into it', async () => {
    await writeFile(outbox('later'), '');
    await take({ final: false });
    expect(await take({ final: false })).toMatchObject({ files: [], refused: [] });
    await writeFile(outbox('later'), 'now');
    expect((await take()).files).toMatchObject([{ text: 'now' }]);
  });

  it('leaves names with a dot to the agent, so that a note can be renamed into place', async () => {
    await writeFile(outbox('.unfinished'), 'half');
    expect(await take()).toMatchObject({ files: [], refused: [] });
    await rename(outbox('.unfinished'), outbox('whole'));
    expect((await take()).files).toMatchObject([{ name: 'whole' }]);
  });

  it('shows names in printable characters', async () => {
    await writeFile(Buffer.concat([Buffer.from(`${outbox()}/`), Buffer.from('\n\x1b[2J\xff', 'latin1')]), 'x');
    expect((await take()).files).toMatchObject([{ name: '\\x0a\\x1b[2J\\xff' }]);
  });

  it('is bounded, however many files there are', async () => {
    await asAgent('cd outbox && seq 10000 | while read n; do echo $n > $n; done');
    const first = await take({ most: 50 });
    expect(first).toMatchObject({ refused: [], left: 950, more: false });
    expect(first.files).toHaveLength(50);
    expect((await take({ most: 0 })).files).toEqual([]);
    expect((await take({ most: 5 })).files).toHaveLength(5);
  });

  it('tells what does not fit into one answer in the next', async () => {
    // Each of these takes six bytes in JSON.
    for (let n = 0; n < 40; n += 1) await writeFile(outbox(`n${n}`), `${n}${'\x01'.repeat(16_000)}`);
    const seen: string[] = [];
    let answers = 0;
    for (let more = true; more; answers += 1) {
      const news = await take();
      seen.push(...news.files.map(({ name }) => name));
      more = news.more;
    }
    expect(new Set(seen).size).toBe(40);
    expect(seen).toHaveLength(40);
    expect(answers).toBeGreaterThan(3);
  });

  it('can be made unreadable by its agent, and is read all the same', async () => {
    await writeFile(outbox('note'), 'x', { mode: 0 });
    await asAgent('chmod 0 outbox');
    expect((await take()).files).toMatchObject([{ text: 'x' }]);
  });
});
