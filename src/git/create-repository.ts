/** Makes a new repository with one commit, for the demo. */

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type GitEnvironment, git } from './git.ts';
import { plainEnvironment } from './repository.ts';

export interface NewRepository {
  readonly folder: string;
  /** Path in the work tree → content. */
  readonly files: Readonly<Record<string, string>>;
  readonly identity: { readonly name: string; readonly email: string };
  readonly message: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** `folder` may exist if it is empty. The identity is set in the new repository's own configuration. */
export async function createRepository(wanted: NewRepository): Promise<void> {
  const { folder, identity } = wanted;
  await mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(wanted.files)) {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
  }
  const where: GitEnvironment = {
    cwd: folder,
    env: plainEnvironment(wanted.env),
    config: ['core.hooksPath=/dev/null', 'core.fsmonitor=false', 'commit.gpgSign=false', 'init.templateDir='],
  };
  await git(where, ['init', '--quiet', '--initial-branch=main']);
  await git(where, ['config', 'user.name', identity.name]);
  await git(where, ['config', 'user.email', identity.email]);
  await git(where, ['add', '--all']);
  await git(where, ['commit', '--quiet', '--message', wanted.message]);
}
