/** Private bare git directories, written by hand: nothing of the user's configuration, hooks or attributes is in them. */

import { randomBytes } from 'node:crypto';
import { access, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { environmentError, type OrchestrateError } from '../errors.ts';
import { quotePath } from './bytes.ts';
import { type GitEnvironment, git } from './git.ts';
import { plainEnvironment, type Repository, userGit } from './repository.ts';

/** A merge, or the making of a tree beside a run, that takes longer was killed. */
const LONGEST_MERGE_MS = 3_600_000;
/** Names of what another process than the run may be using. */
const BESIDE = 'beside-';

const ready = new WeakMap<Repository, Promise<string>>();

/**
 * How git runs on the user's objects without the user's repository: reads them, and writes new ones among them.
 * Makes `<stateDir>/git` on first use.
 */
export async function privateGit(repo: Repository): Promise<GitEnvironment> {
  const gitDir = await trustedDirectory(repo);
  return {
    cwd: gitDir,
    gitDir,
    env: { ...plainEnvironment(repo.env), GIT_OBJECT_DIRECTORY: repo.objectsDir },
    config: [],
  };
}

function trustedDirectory(repo: Repository): Promise<string> {
  let directory = ready.get(repo);
  if (directory === undefined) {
    directory = makeTrustedDirectory(repo);
    ready.set(repo, directory);
    directory.catch(() => ready.delete(repo));
  }
  return directory;
}

async function makeTrustedDirectory(repo: Repository): Promise<string> {
  const directory = join(repo.stateDir, 'git');
  if (await exists(join(directory, 'HEAD'))) return directory;
  const shared = await git(userGit(repo, 'read'), ['config', '--get', 'core.sharedRepository'], { accept: [1] });
  const unfinished = `${directory}.${randomBytes(6).toString('hex')}`;
  try {
    await writeGitDirectory(repo, unfinished, { shared: shared.stdout.toString('utf8').trim() });
    await rename(unfinished, directory);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true }).catch(() => undefined);
    // Another process may have been first.
    if (!(await exists(join(directory, 'HEAD')))) throw cannotWrite(repo.stateDir, error);
  }
  return directory;
}

/**
 * A private git directory of its own, with its own objects and the user's as alternates. The caller removes it.
 * `beside`: it is not the run's, and a run that begins leaves it alone.
 */
export async function makeQuarantine(repo: Repository, beside: boolean): Promise<GitEnvironment> {
  const gitDir = join(repo.stateDir, 'quarantine', `${beside ? BESIDE : ''}${randomBytes(8).toString('hex')}`);
  try {
    await writeGitDirectory(repo, gitDir);
    await mkdir(join(gitDir, 'objects', 'info'));
    await writeFile(join(gitDir, 'objects', 'info', 'alternates'), `${quotePath(Buffer.from(repo.objectsDir))}\n`);
  } catch (error) {
    await rm(gitDir, { recursive: true, force: true }).catch(() => undefined);
    throw cannotWrite(repo.stateDir, error);
  }
  return { cwd: gitDir, gitDir, env: plainEnvironment(repo.env), config: [] };
}

/**
 * Removes what killed imports and merges left. Only for the one process that imports (the holder of the repository's lock);
 * others may be merging at this moment.
 */
export async function removeQuarantines(repo: Repository): Promise<void> {
  await removeBelow(join(repo.stateDir, 'quarantine'), (name) => (name.startsWith(BESIDE) ? 'old' : 'any'));
  await removeBelow(join(repo.stateDir, 'git'), (name) => (name.startsWith('merge-') ? 'old' : 'none'));
}

async function removeBelow(directory: string, which: (name: string) => 'any' | 'old' | 'none'): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    const folder = join(directory, name);
    if (which(name) === 'none') continue;
    if (which(name) === 'old') {
      const made = await stat(folder).catch(() => null);
      if (made === null || made.mtimeMs >= Date.now() - LONGEST_MERGE_MS) continue;
    }
    await rm(folder, { recursive: true, force: true });
  }
}

/** Attributes under which a file is checked out as the bytes that git stores. */
export const RAW_BYTES = '* -text -eol -ident -filter -working-tree-encoding\n';

interface GitDirectoryOptions {
  /** `core.sharedRepository` of the user's repository; empty where it is not set. */
  readonly shared?: string;
  /** `info/attributes`, which goes before any other. */
  readonly attributes?: string;
}

/** An empty git directory with our settings alone. It has no objects of its own unless somebody writes some. */
export async function writeGitDirectory(
  repo: Repository,
  directory: string,
  options: GitDirectoryOptions = {},
): Promise<void> {
  const { shared = '', attributes } = options;
  await mkdir(repo.stateDir, { recursive: true, mode: 0o700 });
  await mkdir(join(directory, 'refs', 'heads'), { recursive: true });
  await mkdir(join(directory, 'objects'));
  const sha256 = repo.objectFormat === 'sha256';
  // core.attributesFile has a default in the home folder that counts even without the global configuration.
  const config = [
    '[core]',
    `\trepositoryFormatVersion = ${sha256 ? 1 : 0}`,
    '\tbare = true',
    '\tattributesFile = /dev/null',
    '\texcludesFile = /dev/null',
    '\thooksPath = /dev/null',
    ...(/^[0-9a-z]+$/.test(shared) ? [`\tsharedRepository = ${shared}`] : []),
    '[gc]',
    '\tauto = 0',
    ...(sha256 ? ['[extensions]', '\tobjectFormat = sha256'] : []),
  ];
  if (attributes !== undefined) {
    await mkdir(join(directory, 'info'));
    await writeFile(join(directory, 'info', 'attributes'), attributes);
  }
  await writeFile(join(directory, 'config'), `${config.join('\n')}\n`);
  await writeFile(join(directory, 'HEAD'), 'ref: refs/heads/none\n');
}

/** The OrchestrateError for a file system that did not let us write. */
export function cannotWrite(path: string, error: unknown): OrchestrateError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return environmentError('DISK_FULL', `There is no space left on the disk for ${path}.`, {
      hint: 'Free some space and try again.',
      cause: error,
    });
  }
  return environmentError('REPOSITORY_READ_ONLY', `${path} cannot be written${code === '' ? '' : ` (${code})`}.`, {
    hint: 'Check the owner and the permissions of the .git folder.',
    cause: error,
  });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
