/** Makes the repositories of the benchmark by script: the same content for the same size, through one `git fast-import`. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { execa } from 'execa';

export interface RepositoryShape {
  readonly name: string;
  readonly files: number;
  /** Bytes of each file. */
  readonly fileBytes: number;
}

export const R200: RepositoryShape = { name: 'r200', files: 200, fileBytes: 2_000 };
export const R10K: RepositoryShape = { name: 'r10k', files: 10_000, fileBytes: 5_000 };
export const R100K: RepositoryShape = { name: 'r100k', files: 100_000, fileBytes: 5_900 };

/** Creates the repository below `folder` with its work tree checked out; returns its path. */
export async function makeRepository(folder: string, shape: RepositoryShape): Promise<string> {
  const repository = path.join(folder, shape.name);
  await mkdir(repository, { recursive: true });
  const git = (...args: string[]) => execa('git', args, { cwd: repository });
  await git('init', '--quiet', '--initial-branch=main');
  await git('config', 'user.name', 'Bench');
  await git('config', 'user.email', 'bench@example.invalid');
  const importer = spawn('git', ['fast-import', '--quiet'], { cwd: repository, stdio: ['pipe', 'inherit', 'inherit'] });
  importer.stdin.write(
    'commit refs/heads/main\ncommitter Bench <bench@example.invalid> 1700000000 +0000\ndata 5\nfiles\n',
  );
  for (let index = 0; index < shape.files; index += 1) {
    const content = contentOf(index, shape.fileBytes);
    const entry = `M 100644 inline ${pathOf(index)}\ndata ${content.length}\n`;
    if (!importer.stdin.write(Buffer.concat([Buffer.from(entry), content, Buffer.from('\n')]))) {
      await once(importer.stdin, 'drain');
    }
  }
  importer.stdin.end();
  const [code] = await once(importer, 'close');
  if (code !== 0) throw new Error(`git fast-import ended with ${code}`);
  await git('reset', '--quiet', '--hard');
  return repository;
}

function pathOf(index: number): string {
  return `src/m${Math.floor(index / 1000)}/p${Math.floor(index / 50) % 20}/file-${index}.ts`;
}

/** Text that does not compress away: a linear congruential generator's digits. */
function contentOf(index: number, bytes: number): Buffer {
  let seed = index + 1;
  let text = `// file ${index}\n`;
  while (text.length < bytes) {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    text += `export const v${seed.toString(36)} = ${seed};\n`;
  }
  return Buffer.from(text.slice(0, bytes));
}
