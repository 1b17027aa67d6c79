// The toolbox's text editor: what it changes, what it leaves alone, and what it is not held up by.

import { chmod, link, mkdir, mkdtemp, readFile, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { edit } from '../../src/toolbox/tools/edit.ts';

let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(path.join(tmpdir(), 'edit-')));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const at = (...parts: string[]) => path.join(folder, ...parts);
const run = (command: string, input: Readonly<Record<string, unknown>>) => edit({ command, ...input }, folder);
const textOf = (name: string) => readFile(at(name), 'utf8');

async function refused(command: string, input: Readonly<Record<string, unknown>>): Promise<string> {
  const { text, isError } = await run(command, input);
  expect(isError).toBe(true);
  return text;
}

describe('view', () => {
  it('numbers lines, of the whole file or of a range', async () => {
    await writeFile(at('a.txt'), 'one\ntwo\nthree\n');
    expect((await run('view', { path: at('a.txt') })).text).toBe('     1\tone\n     2\ttwo\n     3\tthree');
    expect((await run('view', { path: 'a.txt', view_range: [2, -1] })).text).toBe('     2\ttwo\n     3\tthree');
    expect((await run('view', { path: 'a.txt', view_range: [2, 99] })).text).toContain('three');
    for (const range of [[0, 1], [4, 5], [3, 2], ['1', 2], [1], 'all']) {
      expect(await refused('view', { path: 'a.txt', view_range: range })).toContain('view_range');
    }
  });

  it('lists a folder two levels deep, without what is hidden', async () => {
    await mkdir(at('src/deep/deeper'), { recursive: true });
    for (const name of ['src/a.ts', 'src/deep/b.ts', '.hidden', 'top.md']) await writeFile(at(name), '');
    const { text } = await run('view', { path: folder });
    expect(text.split('\n').slice(1)).toEqual([at('src/'), at('src/a.ts'), at('src/deep/'), at('top.md')]);
  });

  it('cuts what is too long and says how to see it', async () => {
    await writeFile(at('long.txt'), 'x'.repeat(99).concat('\n').repeat(5_000));
    const { text } = await run('view', { path: 'long.txt' });
    expect(text.length).toBeLessThan(101_000);
    expect(text).toContain('ask for less with view_range');
  });
});

describe('str_replace', () => {
  it('changes the one place, and shows it', async () => {
    await writeFile(at('a.ts'), 'let a = 1;\nlet b = 2;\n');
    const { text, isError } = await run('str_replace', { path: 'a.ts', old_str: 'b = 2', new_str: 'c = 3' });
    expect([isError, await textOf('a.ts')]).toEqual([false, 'let a = 1;\nlet c = 3;\n']);
    expect(text).toContain('     2\tlet c = 3;');
    await run('str_replace', { path: 'a.ts', old_str: 'let a = 1;\n' });
    expect(await textOf('a.ts')).toBe('let c = 3;\n');
  });

  it('refuses a text that is not there, or there more than once, and says where to look', async () => {
    await writeFile(at('a.ts'), 'same\n  if (x) {\nsame\n');
    expect(await refused('str_replace', { path: 'a.ts', old_str: 'same', new_str: '' })).toContain(
      '2 times (lines 1, 3)',
    );
    expect(await refused('str_replace', { path: 'a.ts', old_str: 'other', new_str: '' })).toContain('is not in');
    expect(await refused('str_replace', { path: 'a.ts', old_str: 'if(x){', new_str: '' })).toContain('lines 2 to 2');
    expect(await refused('str_replace', { path: 'a.ts', old_str: '', new_str: '' })).toContain('empty');
    expect(await textOf('a.ts')).toBe('same\n  if (x) {\nsame\n');
  });

  it('leaves every other byte as it is, whatever the encoding', async () => {
    const bytes = fc.uint8Array({ maxLength: 200 }).map((one) => Buffer.from(one));
    await fc.assert(
      fc.asyncProperty(bytes, bytes, async (before, after) => {
        const mark = 'UNIQUE\u00e9MARK';
        fc.pre(!before.includes(mark) && !after.includes(mark));
        await writeFile(at('x'), Buffer.concat([before, Buffer.from(mark), after]));
        expect((await run('str_replace', { path: 'x', old_str: mark, new_str: 'new' })).isError).toBe(false);
        expect(await readFile(at('x'))).toEqual(Buffer.concat([before, Buffer.from('new'), after]));
      }),
      { numRuns: 50 },
    );
  });

  it('keeps CRLF, in what is replaced and in what is new', async () => {
    await writeFile(at('dos.txt'), 'one\r\ntwo\r\nthree\r\n');
    await run('str_replace', { path: 'dos.txt', old_str: 'one\ntwo', new_str: '1\n2\n2.5' });
    expect(await textOf('dos.txt')).toBe('1\r\n2\r\n2.5\r\nthree\r\n');
    await run('insert', { path: 'dos.txt', insert_line: 1, insert_text: 'a\nb' });
    expect(await textOf('dos.txt')).toBe('1\r\na\r\nb\r\n2\r\n2.5\r\nthree\r\n');
  });

  it('keeps mode, hard links and the target of a symlink', async () => {
    await writeFile(at('real.sh'), 'echo old\n');
    await chmod(at('real.sh'), 0o755);
    await link(at('real.sh'), at('hard.sh'));
    await symlink('real.sh', at('soft.sh'));
    await run('str_replace', { path: 'soft.sh', old_str: 'old', new_str: 'new' });
    expect([await textOf('real.sh'), await textOf('hard.sh')]).toEqual(['echo new\n', 'echo new\n']);
    expect((await stat(at('real.sh'))).mode & 0o777).toBe(0o755);
  });
});

describe('create and insert', () => {
  it('create makes a file with the folders above it, and replaces one that is there', async () => {
    expect((await run('create', { path: 'new/deep/a.txt', file_text: 'hällo\n' })).isError).toBe(false);
    expect(await textOf('new/deep/a.txt')).toBe('hällo\n');
    await run('create', { path: 'new/deep/a.txt', file_text: 'x' });
    expect(await textOf('new/deep/a.txt')).toBe('x');
  });

  it.each([
    [0, 'a\nb\n', 'new\na\nb\n'],
    [1, 'a\nb\n', 'a\nnew\nb\n'],
    [2, 'a\nb\n', 'a\nb\nnew\n'],
    [2, 'a\nb', 'a\nb\nnew'],
    [0, '', 'new\n'],
  ])('insert after line %i of %j gives %j', async (insert_line, before, after) => {
    await writeFile(at('a.txt'), before);
    expect((await run('insert', { path: 'a.txt', insert_line, insert_text: 'new' })).isError).toBe(false);
    expect(await textOf('a.txt')).toBe(after);
  });

  it('insert refuses a line that the file does not have', async () => {
    await writeFile(at('a.txt'), 'a\n');
    for (const insert_line of [-1, 2, 1.5, '1', undefined]) {
      expect(await refused('insert', { path: 'a.txt', insert_line, insert_text: 'x' })).toContain('from 0 to 1');
    }
  });
});

describe('what is no ordinary file', () => {
  it('is refused at once, never waited for', async () => {
    await execa('mkfifo', [at('fifo')]);
    await symlink('fifo', at('to-fifo'));
    await symlink('circle', at('circle'));
    await writeFile(at('binary'), Buffer.from([1, 0, 2]));
    for (const name of ['fifo', 'to-fifo', '/dev/zero', '/dev/tty']) {
      await refused('view', { path: name });
      await refused('str_replace', { path: name, old_str: 'a', new_str: 'b' });
      await refused('create', { path: name, file_text: 'x' });
      await refused('insert', { path: name, insert_line: 0, insert_text: 'x' });
    }
    expect(await refused('view', { path: 'circle' })).toContain('circle');
    expect(await refused('view', { path: 'binary' })).toContain('binary file of 3 bytes');
    expect(await refused('view', { path: 'missing' })).toContain('does not exist');
    expect(await refused('create', { path: folder, file_text: 'x' })).toContain('is a folder');
  });

  it('is refused when it is too big', async () => {
    await execa('truncate', ['--size', '11M', at('big')]);
    expect(await refused('view', { path: 'big' })).toContain('too big');
  });

  it.each([
    [{ command: 'undo_edit', path: 'a' }, 'there is no command "undo_edit"'],
    [{ command: 'view' }, 'path is missing'],
    [{ command: 'create', path: 'a', file_text: 7 }, 'file_text is missing or not a text'],
    [{ command: 'view', path: 'a\0b' }, 'NUL'],
    [{}, 'path is missing'],
  ])('nor is an input like %j taken', async (input, message) => {
    const answer = await edit(input, folder);
    expect(answer.isError).toBe(true);
    expect(answer.text).toContain(message);
  });
});
