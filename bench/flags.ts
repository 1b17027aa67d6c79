/**
 * How often ordinary commits get flags: `npx tsx bench/flags.ts [--each 20] [--shift 0] [--paths GLOB] [--list] <git directory>…`.
 * Takes commits of one parent, evenly spaced over the newest 2,000 of each repository; `--shift` (a share of the distance)
 * takes others; `--paths` only those that change such files; `--list` prints every sensitive flag, to be judged by a person.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { OrchestrateError } from '../src/errors.ts';
import type { Repository } from '../src/git/repository.ts';
import { isSensitive } from '../src/patch/inspect/codes.ts';
import { inspectPatch } from '../src/patch/self-check.ts';
import { reveal } from '../src/sanitise.ts';
import type { Flag, ObjectId } from '../src/types.ts';

/** What projects did long ago is not what agents do. */
const NEWEST = 2000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    each: { type: 'string', default: '20' },
    shift: { type: 'string', default: '0' },
    paths: { type: 'string' },
    list: { type: 'boolean', default: false },
  },
});

const folder = await mkdtemp(path.join(tmpdir(), 'orchestrate-flags-'));
const counts = new Map<string, number>();
let [commits, flagged, slowest] = [0, 0, 0];
try {
  for (const [n, gitDir] of positionals.entries()) await measure(path.resolve(gitDir), path.join(folder, String(n)));
} finally {
  await rm(folder, { recursive: true, force: true });
}
print();

async function measure(gitDir: string, stateDir: string): Promise<void> {
  const repository: Repository = {
    root: gitDir,
    gitDir,
    commonDir: gitDir,
    objectsDir: path.join(gitDir, 'objects'),
    stateDir,
    objectFormat: 'sha1',
    env: process.env,
  };
  for (const commit of await sampled(gitDir)) {
    const start = performance.now();
    const trees = [await treeOf(gitDir, `${commit}^`), await treeOf(gitDir, commit)] as const;
    const flags = await flagsOf(repository, ...trees);
    if (flags === null) continue;
    slowest = Math.max(slowest, performance.now() - start);
    commits += 1;
    if (flags.some(({ code }) => isSensitive(code))) flagged += 1;
    for (const code of new Set(flags.map((flag) => flag.code))) counts.set(code, (counts.get(code) ?? 0) + 1);
    if (!values.list) continue;
    for (const flag of flags.filter(({ code }) => isSensitive(code))) {
      const where = `${path.basename(path.dirname(gitDir))} ${commit.slice(0, 10)}`;
      process.stdout.write(`${where}  ${flag.code}  ${reveal(flag.path)}  ${reveal(flag.detail)}\n`);
    }
  }
}

/** Null where a copy of a repository does not have all its large files. */
async function flagsOf(repository: Repository, from: ObjectId, to: ObjectId): Promise<readonly Flag[] | null> {
  try {
    return (await inspectPatch(repository, from, to)).flags;
  } catch (error) {
    if (error instanceof OrchestrateError && error.code === 'MISSING_OBJECTS') return null;
    throw error;
  }
}

async function sampled(gitDir: string): Promise<string[]> {
  const only = values.paths === undefined ? [] : ['--', `:(glob)**/${values.paths}`];
  const args = ['rev-list', '--max-parents=1', '--min-parents=1', `-${NEWEST}`, 'HEAD', ...only];
  const { stdout } = await execa('git', args, { cwd: gitDir });
  const all = stdout.split('\n').filter(Boolean);
  const each = Math.min(Number(values.each), all.length);
  const distance = all.length / each;
  return Array.from({ length: each }, (_, n) => all[Math.floor((n + Number(values.shift)) * distance)] ?? '').filter(
    Boolean,
  );
}

async function treeOf(gitDir: string, commit: string): Promise<ObjectId> {
  return (await execa('git', ['rev-parse', `${commit}^{tree}`], { cwd: gitDir })).stdout as ObjectId;
}

function print(): void {
  const lines = [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([code, count]) => {
      const kind = isSensitive(code) ? 'sensitive' : 'notice';
      return `${code.padEnd(24)}${kind.padEnd(11)}${String(count).padStart(5)}\n`;
    });
  process.stdout.write(
    `${commits} commits of ${positionals.length} repositories, ${flagged} with a sensitive flag, ` +
      `slowest ${Math.round(slowest)} ms\n${lines.join('')}`,
  );
}
