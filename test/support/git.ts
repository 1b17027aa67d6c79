/** Scratch repositories for tests: real git, an environment of their own, a throw-away HOME, and traps that leave markers. */

import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface ScratchRepository {
  /** Top of the work tree. */
  readonly root: string;
  /** Folder that holds everything of this repository (work tree, HOME, markers); removed by `remove`. */
  readonly folder: string;
  /** The user's environment: PATH, HOME, identity; nothing of the machine's git configuration. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs git with hooks and fsmonitor off; returns stdout as UTF-8 without the last newline. */
  git(...args: readonly string[]): Promise<string>;
  /** The same with raw bytes. */
  bytes(...args: readonly string[]): Promise<Buffer>;
  write(path: string | Buffer, content: string | Buffer, mode?: number): Promise<void>;
  link(path: string, target: string): Promise<void>;
  /** Stages everything and commits; returns the commit's id. */
  commit(message?: string): Promise<string>;
  /** Id of what a revision names. */
  id(revision: string): Promise<string>;
  /** Installs every hook, fsmonitor, diff, merge and textconv drivers and filters of the user, each leaving a marker. */
  arm(): Promise<void>;
  /** Names of the traps that fired since `arm`. */
  markers(): Promise<string[]>;
  remove(): Promise<void>;
}

export interface ScratchOptions {
  readonly objectFormat?: 'sha1' | 'sha256';
  /** Name of the work tree's folder. */
  readonly name?: string;
  /** Without a first commit the repository is unborn. */
  readonly empty?: boolean;
}

const HOOKS = [
  ...['applypatch-msg', 'pre-applypatch', 'post-applypatch', 'pre-commit', 'pre-merge-commit', 'prepare-commit-msg'],
  ...['commit-msg', 'post-commit', 'pre-rebase', 'post-checkout', 'post-merge', 'pre-push', 'pre-receive', 'update'],
  ...['proc-receive', 'post-receive', 'post-update', 'reference-transaction', 'push-to-checkout', 'pre-auto-gc'],
  ...['post-rewrite', 'fsmonitor-watchman', 'post-index-change'],
];

/** A repository with one commit (`a.txt`), on branch main. */
export async function scratchRepository(options: ScratchOptions = {}): Promise<ScratchRepository> {
  const folder = await mkdtemp(join(tmpdir(), 'orchestrate-git-'));
  const root = join(folder, options.name ?? 'work');
  const home = join(folder, 'home');
  const markers = join(folder, 'markers');
  await Promise.all([mkdir(root, { recursive: true }), mkdir(home), mkdir(markers)]);
  const env = {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    HOME: home,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'Ada',
    GIT_AUTHOR_EMAIL: 'ada@example.com',
    GIT_COMMITTER_NAME: 'Ada',
    GIT_COMMITTER_EMAIL: 'ada@example.com',
  };
  const quiet = ['-c', 'core.hooksPath=/dev/null', '-c', 'core.fsmonitor=false', '-c', 'core.attributesFile=/dev/null'];
  const repository: ScratchRepository = {
    root,
    folder,
    env,
    bytes: async (...args) => {
      const answer = await run('git', [...quiet, ...args], { cwd: root, env, encoding: 'buffer', maxBuffer: 1 << 28 });
      return answer.stdout;
    },
    git: async (...args) => (await repository.bytes(...args)).toString('utf8').replace(/\n$/, ''),
    write: async (path, content, mode = 0o644) => {
      const file = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path)]);
      await mkdir(file.subarray(0, file.lastIndexOf('/')), { recursive: true });
      await writeFile(file, content);
      await chmod(file, mode);
    },
    link: async (path, target) => {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await symlink(target, join(root, path));
    },
    commit: async (message = 'change') => {
      await repository.git('add', '-A');
      await repository.git('commit', '-q', '--allow-empty', '-m', message);
      return repository.id('HEAD');
    },
    id: (revision) => repository.git('rev-parse', '--verify', revision),
    arm: () => arm({ root, home, markers, git: repository.git }),
    markers: async () => (await readdir(markers)).sort(),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
  await repository.git('init', '-q', '-b', 'main', `--object-format=${options.objectFormat ?? 'sha1'}`);
  if (options.empty !== true) {
    await repository.write('a.txt', 'one\ntwo\nthree\n');
    await repository.commit('first');
  }
  return repository;
}

async function arm(traps: {
  root: string;
  home: string;
  markers: string;
  git: ScratchRepository['git'];
}): Promise<void> {
  const { home, markers } = traps;
  const hooks = join(await traps.git('rev-parse', '--path-format=absolute', '--git-common-dir'), 'hooks');
  await mkdir(hooks, { recursive: true });
  for (const name of HOOKS) await script(join(hooks, name), `: > '${markers}/hook-${name}'\nexit 1`);
  const trap = async (name: string) => {
    const path = join(home, name);
    await script(path, `: > '${markers}/${name}'\nexit 1`);
    return path;
  };
  const config = [
    '[core]',
    `\tfsmonitor = ${await trap('fsmonitor')}`,
    `\tattributesFile = ${home}/attributes`,
    '[diff]',
    `\texternal = ${await trap('diff-external')}`,
    '[diff "evil"]',
    `\tcommand = ${await trap('diff-command')}`,
    `\ttextconv = ${await trap('textconv')}`,
    '[merge "evil"]',
    `\tdriver = ${await trap('merge-driver')}`,
    '[merge]',
    '\tdefault = evil',
    '[filter "evil"]',
    `\tsmudge = ${await trap('smudge')}`,
    `\tclean = ${await trap('clean')}`,
    '\trequired = true',
    '[filter "evil=two.x"]',
    `\tprocess = ${await trap('process')}`,
    '\trequired = true',
    '[submodule]',
    '\trecurse = true',
  ];
  await writeFile(join(home, '.gitconfig'), `${config.join('\n')}\n`);
  const attributes = '* diff=evil merge=evil\n';
  await writeFile(join(home, 'attributes'), attributes);
  await mkdir(join(home, '.config', 'git'), { recursive: true });
  await writeFile(join(home, '.config', 'git', 'attributes'), attributes);
  await mkdir(join(dirname(hooks), 'info'), { recursive: true });
  await writeFile(join(dirname(hooks), 'info', 'attributes'), attributes);
}

async function script(path: string, body: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
}
