/** The repository's own instructions for agents, as a commit has them. */

import { git } from './git.ts';
import { type Repository, userGit } from './repository.ts';

/** Files that are read, in this order; one that only points to another says nothing new. */
const FILES = ['AGENTS.md', 'CLAUDE.md'] as const;
const LONGEST = 64 * 1024;

/** Null where the revision has none. What is longer than 64 KiB is cut off. */
export async function guidanceOf(repository: Repository, revision: string): Promise<string | null> {
  const texts: string[] = [];
  for (const file of FILES) {
    const shown = await git(userGit(repository, 'read'), ['cat-file', 'blob', `${revision}:${file}`], {
      accept: [128],
    });
    if (shown.exitCode !== 0) continue;
    const text = shown.stdout.toString('utf8').slice(0, LONGEST).trim();
    if (text !== '' && !texts.includes(text)) texts.push(text);
  }
  return texts.length === 0 ? null : texts.join('\n\n');
}
