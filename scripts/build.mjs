// Builds dist/ from cli/ and src/: the compiled TypeScript, the database migrations, the built-in roles, and an executable bin.
// Whatever was in dist/ before is gone; it is replaced only when the compiler was content,
// or with --despite-type-errors (for tests: the types are checked on their own) when it emitted anything.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const inRoot = (...parts) => join(root, ...parts);

const fresh = inRoot(`dist.${process.pid}`);
const stale = inRoot(`dist.${process.pid}.old`);
try {
  const tsc = spawnSync(
    process.execPath,
    [inRoot('node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json', '--outDir', fresh],
    { cwd: root, stdio: 'inherit' },
  );
  const emitted = existsSync(join(fresh, 'cli', 'main.js'));
  const accepted = tsc.status === 0 || (process.argv.includes('--despite-type-errors') && emitted);
  if (!accepted) process.exitCode = tsc.status || 1;
  else {
    for (const folder of [join('src', 'state', 'migrations'), join('src', 'roles', 'built-in')]) {
      if (existsSync(inRoot(folder))) cpSync(inRoot(folder), join(fresh, folder), { recursive: true });
    }
    chmodSync(join(fresh, 'cli', 'main.js'), 0o755);
    if (existsSync(inRoot('dist'))) renameSync(inRoot('dist'), stale);
    renameSync(fresh, inRoot('dist'));
  }
} finally {
  rmSync(fresh, { recursive: true, force: true });
  rmSync(stale, { recursive: true, force: true });
}
