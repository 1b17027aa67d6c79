/**
 * Finds the state folder of an ordinary repository by looking, without starting git: `status` must be there at once.
 * Whatever is not plain (variables that redirect git, nothing found) is left to git itself.
 */

import { readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const REDIRECTING = [
  'GIT_DIR',
  'GIT_COMMON_DIR',
  'GIT_WORK_TREE',
  'GIT_CEILING_DIRECTORIES',
  'GIT_DISCOVERY_ACROSS_FILESYSTEM',
];

/** `<git common dir>/orchestrate` of the repository around `directory` (it need not exist), or null: ask git. */
export function locateState(directory: string, env: Readonly<Record<string, string | undefined>>): string | null {
  if (REDIRECTING.some((name) => env[name] !== undefined)) return null;
  for (let folder = resolve(directory); ; folder = dirname(folder)) {
    const gitDir = gitDirOf(join(folder, '.git'));
    if (gitDir !== null) return join(commonDirOf(gitDir), 'orchestrate');
    if (folder === dirname(folder)) return null;
  }
}

/** `.git` is the git directory, or a file that names it (linked worktrees, submodules). */
function gitDirOf(path: string): string | null {
  try {
    if (statSync(path).isDirectory()) return path;
    const named = /^gitdir: (.+?)\r?\n?$/.exec(readFileSync(path, 'utf8'))?.[1];
    return named === undefined ? null : resolve(dirname(path), named);
  } catch {
    return null;
  }
}

function commonDirOf(gitDir: string): string {
  try {
    return resolve(gitDir, readFileSync(join(gitDir, 'commondir'), 'utf8').trim());
  } catch {
    return gitDir;
  }
}
