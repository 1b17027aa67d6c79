import { chmod, mkdir, mkdtemp, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hashContext, packContext, readContext } from '../../src/sandbox/docker/build-context.ts';

let folder: string;
let dockerfile: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'orchestrate-context-'));
  dockerfile = path.join(folder, 'Dockerfile');
  await write({ Dockerfile: 'FROM scratch\n' });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), content);
  }
}

async function names(): Promise<string[]> {
  return (await readContext(dockerfile)).entries.map((entry) => entry.name);
}

async function hash(file = dockerfile): Promise<string> {
  return hashContext(await readContext(file));
}

describe('what belongs to the context of a Dockerfile', () => {
  it('is its folder, empty folders and links included, without the data of git', async () => {
    await write({ 'src/a.txt': 'a', '.git/HEAD': 'x', 'sub/.git': 'gitdir: x', '.hidden': 'h' });
    await mkdir(path.join(folder, 'empty'));
    await symlink('nowhere', path.join(folder, 'link'));
    await execa('mkfifo', [path.join(folder, 'pipe')]);
    expect(await names()).toEqual(['.hidden', 'Dockerfile', 'empty', 'link', 'src', 'src/a.txt', 'sub']);
  });

  it('leaves out what .dockerignore names, with its exceptions', async () => {
    await write({
      '.dockerignore': '# what is made\nnode_modules\n**/*.log\nbuild/*\n!build/keep\nDockerfile\n',
      'node_modules/x/index.js': '',
      'a.log': '',
      'src/deep/b.log': '',
      'src/deep/b.txt': '',
      'build/out': '',
      'build/keep/this': '',
    });
    expect(await names()).toEqual([
      '.dockerignore',
      'Dockerfile',
      'build',
      'build/keep',
      'build/keep/this',
      'src',
      'src/deep',
      'src/deep/b.txt',
    ]);
  });

  it('takes in again what lies below an ignored folder', async () => {
    await write({ '.dockerignore': '*\n!src/deep/wanted\n', 'src/deep/wanted': '', 'src/deep/other': '', 'src/x': '' });
    expect(await names()).toEqual(['.dockerignore', 'Dockerfile', 'src', 'src/deep', 'src/deep/wanted']);
  });

  it('takes the rules that belong to this Dockerfile alone before the ones of the folder', async () => {
    await write({ '.dockerignore': 'a', 'Dockerfile.dockerignore': 'b', a: '', b: '' });
    expect(await names()).toEqual(['.dockerignore', 'Dockerfile', 'Dockerfile.dockerignore', 'a']);
  });

  it('reads rules with the signs of regular expressions as they stand', async () => {
    await write({ '.dockerignore': '(x\na+b\n[^c]d\n', '(x': '', 'a+b': '', aab: '', ed: '', cd: '' });
    expect(await names()).toEqual(['.dockerignore', 'Dockerfile', 'aab', 'cd']);
  });

  it('is refused when it is absurdly big, naming where most of it is', async () => {
    await write({ 'data/huge': '', 'src/small': 'x' });
    await truncate(path.join(folder, 'data/huge'), 1024 ** 3 + 1);
    await expect(readContext(dockerfile)).rejects.toMatchObject({
      ...{ kind: 'usage', code: 'CONTEXT_TOO_LARGE' },
      message: expect.stringContaining('data (1024 MiB)'),
    });
    await write({ '.dockerignore': 'data\n' });
    expect(await names()).toEqual(['.dockerignore', 'Dockerfile', 'src', 'src/small']);
  });
});

describe('the hash of a context', () => {
  it('changes with content, names, modes, links and the Dockerfile that is meant, and with nothing else', async () => {
    await write({ 'a.txt': 'a', 'Dockerfile.other': 'FROM scratch\n', '.git/HEAD': 'x' });
    await symlink('a.txt', path.join(folder, 'link'));
    const before = await hash();
    await write({ '.git/HEAD': 'y' });
    await utimes(path.join(folder, 'a.txt'), 1, 1);
    expect(await hash()).toBe(before);
    const seen = [before, await hash(path.join(folder, 'Dockerfile.other'))];
    const change = async (act: () => Promise<unknown>): Promise<void> => {
      await act();
      seen.push(await hash());
    };
    await change(() => write({ 'a.txt': 'b' }));
    await change(() => chmod(path.join(folder, 'a.txt'), 0o755));
    await change(() => write({ 'b.txt': '' }));
    await change(async () => {
      await rm(path.join(folder, 'link'));
      await symlink('b.txt', path.join(folder, 'link'));
    });
    expect(new Set(seen).size).toBe(seen.length);
  });
});

describe('the archive of a context', () => {
  it('holds just that, owned by nobody of this machine', async () => {
    await write({ '.dockerignore': 'secret\n', secret: 's', 'src/secret': 'kept', 'src/run.sh': 'x' });
    await chmod(path.join(folder, 'src/run.sh'), 0o755);
    const archive = packContext(await readContext(dockerfile));
    const { stdout } = await execa('tar', ['--list', '--verbose', '--numeric-owner'], { input: archive });
    const lines = stdout.split('\n').map((line) => line.split(/ +/));
    expect(lines.map((fields) => fields.at(-1)).sort()).toEqual(
      ['.', '.dockerignore', 'Dockerfile', 'src', 'src/run.sh', 'src/secret'].sort(),
    );
    expect(new Set(lines.map((fields) => fields[1]))).toEqual(new Set(['0/0']));
    expect(lines.find((fields) => fields.at(-1) === 'src/run.sh')?.[0]).toBe('-rwxr-xr-x');
  });
});
