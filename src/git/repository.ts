/** Finds the user's repository, and says how git runs in it (hooks and fsmonitor off, nothing inherited but who the user is). */

import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { environmentError, type OrchestrateError } from '../errors.ts';
import type { ObjectFormat } from './bytes.ts';
import { type GitEnvironment, type GitResult, git } from './git.ts';

export interface Repository {
  /** Top of the work tree. */
  readonly root: string;
  /** Git directory of this work tree. */
  readonly gitDir: string;
  /** Git directory shared by linked work trees. */
  readonly commonDir: string;
  readonly objectsDir: string;
  /** `<commonDir>/orchestrate`; made by whoever writes into it first. */
  readonly stateDir: string;
  readonly objectFormat: ObjectFormat;
  /** The environment of the person at the keyboard (PATH, HOME, …), as the command line handed it in. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What a git process inherits of the user's `GIT_*`: who they are and which configuration counts, never which repository. */
const KEPT = /^GIT_(?:AUTHOR|COMMITTER|CONFIG|EXEC_PATH$|CEILING_DIRECTORIES$|DISCOVERY_ACROSS_FILESYSTEM$|SSL_)/;

const EVERYWHERE = {
  LC_ALL: 'C',
  GIT_TERMINAL_PROMPT: '0',
  GIT_NO_LAZY_FETCH: '1',
  GIT_NO_REPLACE_OBJECTS: '1',
};

const MINIMUM = [2, 38] as const;

/**
 * The repository that `directory` is in: a work tree's top or any folder below, linked work trees, shallow clones and
 * detached HEADs included. `env` is the environment that git runs with later (minus what names a repository).
 * Environment errors: NO_GIT, GIT_TOO_OLD, NO_REPOSITORY, BARE_REPOSITORY, NO_COMMIT, REPOSITORY_NOT_YOURS, UNSUPPORTED_PATH.
 */
export async function findRepository(
  directory: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Repository> {
  const found = await stat(directory).catch(() => null);
  if (found?.isDirectory() !== true) throw environmentError('NO_REPOSITORY', `There is no folder ${directory}.`);
  const where: GitEnvironment = {
    cwd: directory,
    env: { ...userEnvironment(env), GIT_OPTIONAL_LOCKS: '0' },
    config: [],
  };
  // rev-parse prints options that it does not know: separators that no path can imitate (paths may hold newlines).
  const mark = `--${randomBytes(12).toString('hex')}`;
  const [version, answer] = await Promise.all([
    git(where, ['version']),
    git(where, ['rev-parse', '--path-format=absolute', ...QUESTIONS.flatMap((question) => [...question, mark])], {
      accept: [128],
    }),
  ]);
  checkVersion(version.stdout.toString('utf8'));
  const text = answer.stdout.toString('utf8');
  const [bare, objectFormat, gitDir, commonDir, objectsDir, root, head] = text
    .split(`${mark}\n`)
    .map((part) => part.replace(/\n$/, ''));
  if (answer.exitCode !== 0 || !root || !gitDir || !commonDir || !objectsDir || !head) {
    throw whyNot(directory, answer, { bare, gitDir, root });
  }
  if (text.includes('\ufffd')) {
    throw environmentError('UNSUPPORTED_PATH', 'The path of this repository is not valid UTF-8.', {
      hint: 'Move the repository to a folder with an ordinary name.',
    });
  }
  return {
    root,
    gitDir,
    commonDir,
    objectsDir,
    stateDir: join(commonDir, 'orchestrate'),
    objectFormat: objectFormat === 'sha256' ? 'sha256' : 'sha1',
    env,
  };
}

const QUESTIONS = [
  ['--is-bare-repository'],
  ['--show-object-format'],
  ['--absolute-git-dir'],
  ['--git-common-dir'],
  ['--git-path', 'objects'],
  ['--show-toplevel'],
  ['HEAD^{commit}'],
] as const;

function checkVersion(text: string): void {
  const [major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(text) ?? []).slice(1).map(Number);
  if (major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1])) return;
  throw environmentError('GIT_TOO_OLD', `${text.trim()} is too old; git ${MINIMUM.join('.')} or newer is needed.`, {
    hint: 'Install a newer git.',
  });
}

function whyNot(
  directory: string,
  answer: GitResult,
  found: { readonly bare: string | undefined; readonly gitDir: string | undefined; readonly root: string | undefined },
): OrchestrateError {
  if (/dubious ownership|unsafe repository/.test(answer.stderr)) {
    const hint = /git config --global --add safe\.directory .*/.exec(answer.stderr)?.[0];
    return environmentError('REPOSITORY_NOT_YOURS', 'This git repository belongs to another user.', {
      hint: hint === undefined ? 'See safe.directory in `git help config`.' : `If you trust it: ${hint.trim()}`,
    });
  }
  if (/not a git repository/i.test(answer.stderr)) {
    return environmentError('NO_REPOSITORY', `There is no git repository at ${directory}.`, {
      hint: 'Go to a folder of your repository, or make one: git init && git add -A && git commit -m "First commit"',
    });
  }
  if (found.bare === 'true') {
    return environmentError('BARE_REPOSITORY', 'This git repository is bare: it has no work tree.', {
      hint: 'Run this in a clone or a linked work tree (git worktree add).',
    });
  }
  if (found.gitDir && !found.root) {
    return environmentError('BARE_REPOSITORY', 'This folder is inside a .git folder, not in a work tree.', {
      hint: 'Go to the folder that holds the files.',
    });
  }
  if (found.root) {
    return environmentError('NO_COMMIT', 'This git repository has no commit yet.', {
      hint: 'Make one: git add -A && git commit -m "First commit"',
    });
  }
  const said = answer.stderr.trim().split('\n')[0] ?? '';
  return environmentError(
    'NO_REPOSITORY',
    `git cannot read the repository at ${directory}: ${said.replace(/^fatal: /, '')}`,
  );
}

/** How git runs in the user's repository, with their configuration: no hooks, no fsmonitor. Reads take no locks. */
export function userGit(repo: Repository, access: 'read' | 'write'): GitEnvironment {
  return {
    cwd: repo.root,
    gitDir: repo.gitDir,
    workTree: repo.root,
    env: { ...userEnvironment(repo.env), ...(access === 'read' ? { GIT_OPTIONAL_LOCKS: '0' } : {}) },
    config: ['core.fsmonitor=false', 'core.hooksPath=/dev/null', 'submodule.recurse=false'],
  };
}

function userEnvironment(env: Repository['env']): Record<string, string> {
  return { ...inherited(env, (name) => !name.startsWith('GIT_') || KEPT.test(name)), ...EVERYWHERE };
}

/** How git runs in a private git directory: no configuration but the directory's own, no attributes, no replaced objects. */
export function plainEnvironment(env: Repository['env']): Record<string, string> {
  return {
    ...inherited(env, (name) => !name.startsWith('GIT_') || name === 'GIT_EXEC_PATH'),
    ...EVERYWHERE,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_ATTR_NOSYSTEM: '1',
  };
}

function inherited(env: Repository['env'], keep: (name: string) => boolean): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) if (value !== undefined && keep(name)) kept[name] = value;
  return kept;
}
