import { execa } from 'execa';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { scratchRepository } from '../support/git.ts';
import { DockerKeeper, packOf, rootCommit } from '../support/keeper.ts';
const repo = await scratchRepository();
await execa('bash', ['-c', `for d in $(seq 100); do mkdir -p src/d$d/sub; for f in $(seq 50); do head -c 5000 /dev/urandom >src/d$d/f$f.bin; head -c 5000 /dev/urandom >src/d$d/sub/f$f.bin; done; done`], { cwd: repo.root });
await repo.commit();
const time = async <T>(what: string, f: () => Promise<T>): Promise<T> => { const t = performance.now(); const r = await f(); console.log(what, (performance.now() - t).toFixed(0), 'ms'); return r; };
await time('host: git repack', () => repo.git('repack', '-adq'));
const tree = await repo.id('HEAD^{tree}') as never;
const commit = await rootCommit(repo, tree);
const keeper = await DockerKeeper.start();
try {
const chunks: Buffer[] = [];
await time('host: pack-objects', async () => { for await (const c of packOf(repo, commit)) chunks.push(c as Buffer); });
await time('host: worktree add', () => repo.git('worktree', 'add', '-q', '--detach', `${repo.folder}/wt`));
const pack = Buffer.concat(chunks); console.log(pack.length);
const pieces = () => { const r: Buffer[] = []; for (let i = 0; i < pack.length; i += 65536) r.push(pack.subarray(i, i + 65536)); return Readable.from(r); };
await time('docker cat', () => execa('docker', ['exec', '-i', keeper.container, 'sh', '-c', 'cat >/dev/null'], { input: pack }));
await keeper.client.trees();
for (let i = 0; i < 4; i++) {
await time('direct', async () => { const { stdout, stderr } = await execa('docker', ['exec', '-i', '-u', '61000', keeper.container, 'bash', '-c', `cd /store/h; rm -rf x; mkdir x; cd x; git init -q; time git -c core.fsync=none index-pack --stdin; time git read-tree -u --reset ${tree}; cd /; time rm -rf /store/h/x`], { input: pack }); console.log(stderr.replace(/\n+/g, ' ')); });
await time('layTree', () => keeper.client.layTree({ tree, commit, objectFormat: 'sha1', pack: pieces() }));
await time('removeTree', () => keeper.client.removeTree(tree));
}
} finally { await keeper[Symbol.asyncDispose](); await repo.remove(); }
