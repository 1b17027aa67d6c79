/** Programs of ours as plain JavaScript, which start in half the time of their sources. */

import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';

const ROOT = path.resolve(import.meta.dirname, '../..');

const folders = new Map<string, string>();
afterAll(() => {
  for (const folder of folders.values()) rmSync(folder, { recursive: true, force: true });
  folders.clear();
});

/** The file to start; made once per test file. @param program `cli/main`, without its ending */
export function compiledProgram(program: string): string {
  const folder = folders.get(program) ?? compile(program);
  folders.set(program, folder);
  return path.join(folder, `${program}.js`);
}

function compile(program: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'compiled-program-'));
  const config = {
    extends: path.join(ROOT, 'tsconfig.json'),
    compilerOptions: {
      ...{ noEmit: false, outDir: folder, rootDir: ROOT, typeRoots: [path.join(ROOT, 'node_modules/@types')] },
    },
    ...{ files: [path.join(ROOT, `${program}.ts`)], include: [] },
  };
  const file = path.join(folder, 'tsconfig.json');
  writeFileSync(file, JSON.stringify(config));
  execFileSync(process.execPath, [path.join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', file]);
  writeFileSync(path.join(folder, 'package.json'), '{"type":"module","version":"0.0.0-test"}\n');
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  cpSync(path.join(ROOT, 'src/state/migrations'), path.join(folder, 'src/state/migrations'), { recursive: true });
  return folder;
}
