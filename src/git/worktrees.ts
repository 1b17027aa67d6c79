/** Which work tree of the repository has a branch checked out. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { git } from './git.ts';
import { type Repository, userGit } from './repository.ts';

/** Path of another work tree that has `ref` checked out or is rebasing it; null where none does. */
export async function workTreeOf(repo: Repository, ref: string): Promise<string | null> {
  const answer = await git(userGit(repo, 'read'), ['worktree', 'list', '--porcelain', '-z']);
  for (const record of answer.stdout.toString('utf8').split('\0\0')) {
    const fields = record.split('\0');
    const path = fields.find((field) => field.startsWith('worktree '))?.slice('worktree '.length);
    if (path === undefined) continue;
    if (fields.includes(`branch ${ref}`)) {
      if (path !== repo.root) return path;
    } else if (fields.includes('detached') && (await isRebasing(repo, path, ref))) return path;
  }
  return null;
}

/** A rebase detaches HEAD and will move the branch at its end. */
async function isRebasing(repo: Repository, path: string, ref: string): Promise<boolean> {
  const gitDir = path === repo.root ? repo.gitDir : await gitDirOf(path);
  const names = ['rebase-merge/head-name', 'rebase-apply/head-name'];
  const heads = await Promise.all(names.map((name) => readFile(join(gitDir, name), 'utf8').catch(() => '')));
  return heads.some((head) => head.trim() === ref);
}

async function gitDirOf(path: string): Promise<string> {
  const pointer = await readFile(join(path, '.git'), 'utf8').catch(() => '');
  return /^gitdir: (.*)\n$/s.exec(pointer)?.[1] ?? join(path, '.git');
}
