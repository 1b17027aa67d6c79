import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import path from 'node:path';
import Docker from 'dockerode';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Scratch } from '../support/scratch.ts';

const SAMPLE = {
  'README.md': '# Sample\n',
  '.gitignore': '*.log\n/build/\n',
  'src/keep.txt': 'kept\n',
  'src/edit.txt': 'one\ntwo\nthree\n',
  'src/remove.txt': 'to be removed\n',
  'src/old-name.txt': 'a file that gets another name\n',
  'src/folder/inner.txt': 'inner\n',
  'tool.sh': '#!/bin/sh\necho tool\n',
  'crlf.txt': 'windows\r\nlines\r\n',
};

/** What the first agent does; deterministic, so that the test can do the same to a copy. */
const FIRST = `set -e
printf 'zwei\\n' >> src/edit.txt
mkdir -p new/deep && printf 'added' > new/deep/added.txt
rm src/remove.txt
mv src/old-name.txt src/new-name.txt
chmod +x tool.sh
head -c 5000 /dev/zero | tr '\\0' '\\377' > binary.bin
ln -s ../src/keep.txt new/link
mkdir -p build && echo ignored > build/out.o && echo ignored > trace.log
mkdir nested && cd nested && git init -q . && echo inside > file.txt && cd ..
: > 'name with space'
printf 'x' > "$(printf 'new\\nline')"
printf 'more\\r\\n' >> crlf.txt
`;
const SECOND = `set -e
test ! -e src/old-name.txt
printf 'from the second\\n' >> src/new-name.txt
rm -rf src/folder
`;
const THIRD = `set -e
rm -rf .git
printf 'third\\n' > third.txt
`;

let scratch: Scratch;

beforeAll(async () => {
  scratch = await Scratch.create(SAMPLE);
});
afterAll(() => scratch[Symbol.asyncDispose]());

describe('queue → container → patch → approve → branch', () => {
  /** Runs the task's own text, which is a script; the title stands above it. */
  const command = 'sed 1,2d "$ORCHESTRATE_PROMPT_FILE" | sh';

  it('leaves everything of the user as it was while agents work', async () => {
    const markers = await scratch.setMarkerHooks();
    await scratch.write({ 'src/keep.txt': 'changed by the user\n', 'untracked.txt': 'mine\n' });
    await scratch.must(['submit', FIRST, '--title', 'first']);
    await scratch.must(['submit', SECOND, '--title', 'second', '--depends-on', 'first']);
    await scratch.must(['submit', THIRD, '--title', 'third']);
    const before = await snapshot(scratch.repository);

    await scratch.must(['run', '--engine-command', command]);

    expect(await snapshot(scratch.repository)).toEqual(before);
    expect(await readdir(markers)).toEqual([]);
    const status = await scratch.json<{ counts: Record<string, number> }>(['status']);
    expect(status.counts).toMatchObject({ succeeded: 3, failed: 0, queued: 0, blocked: 0, running: 0 });
  });

  it('leaves no container and no attempt volume behind', async () => {
    const docker = new Docker();
    const filters = { label: [`orchestrate=${await scratch.installation()}`] };
    const containers = await docker.listContainers({ all: true, filters });
    const { Volumes: volumes } = await docker.listVolumes({ filters });
    expect(containers.map((container) => container.Names)).toEqual([]);
    expect(volumes.map((volume) => volume.Labels['orchestrate.kind'])).toEqual(['store']);
  });

  it('gives patches that git takes', async () => {
    const { stdout } = await execa('node', [path.resolve('dist/cli/main.js'), 'patch', 'show', 'third'], {
      cwd: scratch.repository,
      env: scratch.env,
    });
    await execa('git', ['apply', '--check', '-'], { cwd: scratch.repository, input: `${stdout}\n` });
    const file = path.join(scratch.folder, 'first.patch');
    await scratch.must(['patch', 'show', 'first', '--output', file]);
    await execa('git', ['apply', '--check', file], { cwd: scratch.repository });
  });

  it('refuses what was not approved, and a patch to a locally changed file by its name', async () => {
    const unapproved = await scratch.orchestrate(['patch', 'apply', 'first']);
    expect(unapproved.exitCode).not.toBe(0);
    await scratch.must(['patch', 'approve', 'first']);
    await scratch.write({ 'src/edit.txt': 'the user was here\n' });
    const refused = await scratch.orchestrate(['patch', 'apply', 'first']);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain('src/edit.txt');
    await scratch.git('checkout', '--quiet', 'src/edit.txt');
  });

  it('puts one commit per patch on the branch, byte for byte what the agents left', async () => {
    const copy = path.join(scratch.folder, 'copy');
    await execa('git', ['clone', '--quiet', scratch.repository, copy]);
    for (const script of [FIRST, SECOND, THIRD]) await execa('sh', ['-c', script], { cwd: copy });
    for (const task of ['first', 'second', 'third']) {
      await scratch.must(['patch', 'approve', task]).catch(() => {});
      await scratch.must(['patch', 'apply', task]);
    }
    const subjects = await scratch.git('log', '--format=%s', 'HEAD');
    expect(subjects.split('\n')).toEqual(['third', 'second', 'first', 'start']);
    const wanted = path.join(scratch.folder, 'wanted');
    await execa('git', ['clone', '--quiet', scratch.repository, wanted]);
    expect(await contents(wanted)).toEqual(await contents(copy, ['build', 'trace.log']));
    expect(await scratch.git('log', '-1', '--format=%b%an')).toContain('Orchestrate-Task: third');
  });

  it("keeps the user's other local changes", async () => {
    expect(await readFile(path.join(scratch.repository, 'src/keep.txt'), 'utf8')).toBe('changed by the user\n');
    expect((await scratch.git('status', '--porcelain')).split('\n').sort()).toEqual(
      [' M src/keep.txt', '?? untracked.txt'].sort(),
    );
    expect(await readdir(path.join(scratch.folder, 'markers'))).toEqual([]);
  });
});

/** Everything of the repository that a run must not touch. */
async function snapshot(repository: string): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const name of ['HEAD', 'index', 'config', 'packed-refs']) {
    hashes[name] = await hashOf(path.join(repository, '.git', name));
  }
  const { stdout } = await execa('git', ['for-each-ref', '--format=%(refname) %(objectname)'], { cwd: repository });
  hashes.refs = stdout
    .split('\n')
    .filter((line) => !line.startsWith('refs/orchestrate/'))
    .join('\n');
  return { ...hashes, ...(await contents(repository)), ...(await contents(path.join(repository, '.git/hooks'))) };
}

async function hashOf(file: string): Promise<string> {
  const bytes = await readFile(file).catch(() => Buffer.from('missing'));
  return createHash('sha256').update(bytes).digest('hex');
}

/** Path → kind, executable bit and content of every file, `.git`s and `left` aside. */
async function contents(folder: string, left: readonly string[] = [], below = ''): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(path.join(folder, below), { withFileTypes: true })) {
    const name = path.join(below, entry.name);
    if (entry.name === '.git' || left.includes(name)) continue;
    const full = path.join(folder, name);
    if (entry.isDirectory()) Object.assign(found, await contents(folder, left, name));
    else if (entry.isSymbolicLink()) found[name] = `link ${await readlink(full)}`;
    else found[name] = `${(await lstat(full)).mode & 0o100 ? 'x' : '-'} ${await hashOf(full)}`;
  }
  return found;
}
