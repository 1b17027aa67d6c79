/** What a set-up depends on: the files of the base that make another run of it necessary when they change. */

import { createHash } from 'node:crypto';
import type { Repository } from '../git/repository.ts';
import { filesLike, filesNamed } from '../git/tree-files.ts';
import type { ObjectId } from '../types.ts';

/** Lock files and pinned versions of languages, in any folder. */
const LOCK_FILES = [
  ...['package-lock.json', 'npm-shrinkwrap.json', 'yarn.lock', 'pnpm-lock.yaml', 'bun.lock', 'bun.lockb', 'deno.lock'],
  ...['requirements*.txt', 'constraints*.txt', 'Pipfile.lock', 'pdm.lock', 'poetry.lock', 'uv.lock', 'pixi.lock'],
  ...['Cargo.lock', 'go.sum', 'Gemfile.lock', 'composer.lock', 'mix.lock', 'pubspec.lock', 'Package.resolved'],
  ...['gradle.lockfile', 'packages.lock.json', 'paket.lock', 'flake.lock', 'conan.lock', 'stack.yaml.lock'],
  ...['.node-version', '.nvmrc', '.python-version', '.ruby-version', '.tool-versions', 'rust-toolchain*'],
].map((name) => `**/${name}`);

/** More words than this are a program, not a command. */
const MOST_WORDS = 200;
const BETWEEN_WORDS = /[\s'"`;|&()<>=$]+/;

/**
 * Digests the lock files of the tree, the files that `inputs` (globs of the settings) name, and those that the command itself
 * names by their path, such as a script that it runs.
 */
export async function setUpInputs(
  repository: Repository,
  tree: ObjectId,
  setUp: { readonly command: string; readonly inputs: readonly string[] },
): Promise<string> {
  const [like, named] = await Promise.all([
    filesLike(repository, tree, [...LOCK_FILES, ...setUp.inputs]),
    filesNamed(repository, tree, namesIn(setUp.command)),
  ]);
  const hash = createHash('sha256');
  const lines = new Set([...like, ...named].map(({ path, mode, id }) => `${mode} ${id} ${path.toString('latin1')}\0`));
  for (const line of [...lines].sort()) hash.update(line, 'latin1');
  return hash.digest('hex');
}

/** Words that could be paths inside the repository. */
function namesIn(command: string): string[] {
  const words = command.split(BETWEEN_WORDS).map((word) => word.replace(/^(?:\.\/+|\/workspace\/+)/, ''));
  const names = words.filter((word) => word !== '' && !/^[-/.]|\/$|\/\/|(?:^|\/)\.\.?(?:\/|$)|\0/.test(word));
  return [...new Set(names)].slice(0, MOST_WORDS);
}
