/** What some files and hunks of a diff make of a tree, as git itself sees it: its own diff, filtered, and `git apply`. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import type { Choice, PatchFile } from '../../src/review/parts.ts';
import type { ScratchRepository } from './git.ts';

/** The tree that `git apply --cached` makes of `base` with the chosen parts of git's own diff to `tree`. */
export async function appliedByGit(
  work: ScratchRepository,
  trees: { readonly base: string; readonly tree: string },
  files: readonly PatchFile[],
  choice: Choice,
): Promise<string> {
  const flags = ['--binary', '--full-index', '--no-renames', '--no-ext-diff', '--no-textconv', '--no-color'];
  const diff = (await work.bytes('diff-tree', '-r', '-p', ...flags, trees.base, trees.tree)).toString('latin1');
  const sections = diff === '' ? [] : diff.split(/^(?=diff --git )/m);
  let patch = '';
  for (const file of files) {
    const own = sections.splice(0, file.status === 'T' ? 2 : 1);
    const wanted = choice.get(file.path);
    if (wanted === undefined) continue;
    patch += wanted === 'all' ? own.join('') : filtered(own[0] ?? '', wanted);
  }
  if (sections.length > 0) throw new Error('git told of more files');
  const env = { ...work.env, GIT_INDEX_FILE: join(work.folder, 'oracle-index') };
  const git = (args: readonly string[], input = '') =>
    new Promise<string>((resolve, reject) => {
      const child = execFile('git', [...args], { cwd: work.root, env }, (error, stdout) =>
        error ? reject(error) : resolve(stdout),
      );
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(Buffer.from(input, 'latin1'));
    });
  await git(['read-tree', trees.base]);
  if (patch !== '') await git(['apply', '--cached', '--binary', '--whitespace=nowarn', '-'], patch);
  return (await git(['write-tree'])).trim();
}

/** Hunks that are left out shift those after them: without that git looks for them in the wrong place first. */
function filtered(section: string, wanted: ReadonlySet<number>): string {
  const [head = '', ...hunks] = section.split(/^(?=@@ )/m);
  let shift = 0;
  const kept = hunks.flatMap((hunk, at) => {
    if (!wanted.has(at + 1)) return [];
    const [all = '', from = '', oldLines = '1', , newLines = '1'] =
      /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/.exec(hunk) ?? [];
    const first = Number(oldLines) === 0 ? Number(from) + 1 : Number(from);
    const to = Number(newLines) === 0 ? first + shift - 1 : first + shift;
    shift += Number(newLines) - Number(oldLines);
    return [`@@ -${from},${oldLines} +${to},${newLines} @@${hunk.slice(all.length)}`];
  });
  return kept.length === 0 ? '' : head + kept.join('');
}
