import { execa } from 'execa';
import { scratchRepository } from '../support/git.ts';
import { DockerKeeper, lay, readChanges } from '../support/keeper.ts';
const repo = await scratchRepository();
await execa('bash', ['-c', `for d in $(seq 100); do mkdir -p src/d$d/sub; for f in $(seq 50); do head -c 5000 /dev/urandom >src/d$d/f$f.bin; head -c 5000 /dev/urandom >src/d$d/sub/f$f.bin; done; done; printf '*.log\n' >.gitignore`], { cwd: repo.root });
await repo.commit();
const keeper = await DockerKeeper.start();
try {
const time = async <T>(what: string, f: () => Promise<T>): Promise<T> => { const t = performance.now(); const r = await f(); console.log(what, (performance.now() - t).toFixed(0), 'ms'); return r; };
await time('session open + trees', () => keeper.client.trees());
await time('trees', () => keeper.client.trees());
let base = await time('layTree 10k', () => lay(keeper.client, repo, 'HEAD'));
for (let i = 0; i < 3; i++) { await time('removeTree', () => keeper.client.removeTree(base.tree)); base = await time('layTree 10k', () => lay(keeper.client, repo, 'HEAD')); }
let prev = base;
for (let i = 0; i < 5; i++) {
  await execa('bash', ['-c', `for d in $(seq ${i * 10 + 1} ${i * 10 + 10}); do echo x${i} >>src/d$d/f3.bin; done`], { cwd: repo.root });
  await repo.commit();
  prev = await time('layDelta 10 files', () => lay(keeper.client, repo, 'HEAD', prev.tree));
}
console.log(await keeper.agent('w.1', prev.tree, `time git status --porcelain; for d in 1 2 3 4 5; do echo y >>src/d$d/f7.bin; done; echo n >new.txt; rm src/d9/f9.bin; echo l >x.log 2>&1`));
for (let i = 0; i < 8; i++) await time('collect 7', async () => { const c = await keeper.client.collect({ attempt: 'w.1', tree: prev.tree, objectFormat: 'sha1', maxEntries: 1e5, maxBytes: 1e9 }); const r = await readChanges(c); await c.tree; if (r.length !== 7) throw new Error(String(r.length)); });
await time('prepare', () => keeper.client.prepareAttempt({ id: 'z.1', homeFiles: [{ path: 'a/b', content: Buffer.from('x'), mode: 0o644 }] }));
await time('remove attempt', () => keeper.client.removeAttempt('z.1'));
await time('remove attempt', () => keeper.client.removeAttempt('w.1'));
await time('usage', () => keeper.client.usage());
} finally { await keeper[Symbol.asyncDispose](); await repo.remove(); }
