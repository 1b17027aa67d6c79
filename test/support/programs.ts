/** The side-cars' programs as plain JavaScript, to be run by Node itself as in their images. */

import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { afterAll } from 'vitest';

const ROOT = path.resolve(import.meta.dirname, '../..');

const compiled = new Map<string, Promise<string>>();
afterAll(async () => {
  for (const folder of compiled.values()) await rm(path.dirname(await folder), { recursive: true, force: true });
});

/** Compiles a program once per test file; returns its folder, readable by every user. */
export function compiledProgram(name: 'keeper' | 'gateway', files: readonly string[] = ['main.ts']): Promise<string> {
  const known = compiled.get(name) ?? compile(name, files);
  compiled.set(name, known);
  return known;
}

async function compile(name: string, files: readonly string[]): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), `${name}-program-`));
  await chmod(folder, 0o755);
  const config = path.join(folder, 'tsconfig.json');
  await writeFile(
    config,
    JSON.stringify({
      extends: path.join(ROOT, 'tsconfig.json'),
      compilerOptions: {
        noEmit: false,
        outDir: folder,
        rootDir: path.join(ROOT, 'src'),
        typeRoots: [path.join(ROOT, 'node_modules/@types')],
      },
      files: files.map((file) => path.join(ROOT, 'src', name, file)),
      include: [],
    }),
  );
  await execa('node', [path.join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', config]);
  await writeFile(path.join(folder, 'package.json'), '{"type":"module"}\n');
  return path.join(folder, name);
}
