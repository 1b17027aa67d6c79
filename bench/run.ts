/**
 * Measures the product against what anybody has, on this machine, in one sitting: `npm run bench`.
 * Ratios are what counts. `--all` adds the repository of 100,000 files, which takes minutes to make.
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Docker from 'dockerode';
import { execa } from 'execa';
import { openState } from '../src/state/state.ts';
import { compare, type Row } from './measure.ts';
import { makeRepository, R10K, R100K, R200, type RepositoryShape } from './repositories.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
const CLI = path.join(ROOT, 'dist/cli/main.js');
const ZERO_AGENT = 'echo x >> zero.txt';
const TASKS = 12;

const folder = await mkdtemp(path.join(tmpdir(), 'orchestrate-bench-'));
const installations: string[] = [];
const env = { HOME: folder, XDG_CONFIG_HOME: folder };
const rows: Row[] = [];

try {
  await execa('node', ['scripts/build.mjs'], { cwd: ROOT });
  const r200 = await repository(R200);
  await warmUp(r200);
  const image = await agentImage();

  await measure('orchestrate --version', 10, '≤ 1.6×', (ratio) => ratio <= 1.6, {
    ours: () => orchestrate(r200, ['--version']),
    baseline: ['node -e 0', () => quiet('node', ['-e', '0'])],
  });
  const full = await repository({ ...R200, name: 'r200-10k-tasks' });
  await queueTasks(full, 10_000);
  await measure('orchestrate status, 10,000 tasks', 10, '≤ 2.5×', (ratio) => ratio <= 2.5, {
    ours: () => orchestrate(full, ['status']),
    baseline: ['node -e 0', () => quiet('node', ['-e', '0'])],
  });
  await measure('queue 1,000 tasks durably', 3, '≤ 1/20×', (ratio) => ratio <= 1 / 20, {
    ours: () => queueDurably(1),
    baseline: ['one commit per task', () => queueDurably(1_000)],
  });

  for (const shape of process.argv.includes('--all') ? [R200, R10K, R100K] : [R200, R10K]) {
    const at = shape === R200 ? r200 : await repository(shape);
    await warmUp(at);
    const target = shape === R200 ? 1 : shape === R10K ? 8 : 40;
    await measure(
      `whole task, zero-time agent, ${shape.name}`,
      3,
      target === 1 ? '' : `≥ ${target}× faster`,
      (ratio) => ratio <= 1 / target,
      {
        ours: () => runTasks(at, 1, 1),
        baseline: ['git worktree + docker run + diff', () => worktreeTask(at, image)],
      },
    );
  }
  await measure(`${TASKS} whole tasks, 4 agents`, 3, '≤ 3×', (ratio) => ratio <= 3, {
    ours: () => runTasks(r200, TASKS, 4),
    baseline: ['xargs -P4 docker run --rm', () => xargs(image)],
  });

  print(rows);
  await writeFile(path.join(ROOT, 'bench/results.json'), `${JSON.stringify(rows, null, 2)}\n`);
} finally {
  await removeDockerObjects();
  await rm(folder, { recursive: true, force: true });
}

interface Contestants {
  readonly ours: () => Promise<void>;
  readonly baseline: readonly [name: string, run: () => Promise<void>];
}

async function measure(
  step: string,
  rounds: number,
  target: string,
  reached: (ratio: number) => boolean,
  contestants: Contestants,
): Promise<void> {
  process.stderr.write(`${step} …\n`);
  const [name, run] = contestants.baseline;
  rows.push(
    await compare({
      step,
      rounds,
      target,
      reached,
      ours: { name: 'ours', run: contestants.ours },
      baseline: { name, run },
    }),
  );
}

async function repository(shape: RepositoryShape): Promise<string> {
  process.stderr.write(`making ${shape.name} …\n`);
  return makeRepository(folder, shape);
}

async function quiet(file: string, args: readonly string[], cwd = folder): Promise<void> {
  await execa(file, args, { cwd, env, stdio: ['ignore', 'ignore', 'inherit'] });
}

async function orchestrate(at: string, args: readonly string[]): Promise<void> {
  await execa(process.execPath, [CLI, ...args], { cwd: at, env, stdio: ['ignore', 'ignore', 'pipe'] });
}

/** One run of `count` tasks: submitting is not counted apart, because a user waits for it too. */
async function runTasks(at: string, count: number, agents: number): Promise<void> {
  await queueTasks(at, count);
  await orchestrate(at, ['run', '--engine-command', ZERO_AGENT, '--max-agents', String(agents)]);
}

async function queueTasks(at: string, count: number): Promise<void> {
  const batch = path.join(folder, 'batch.jsonl');
  const lines = Array.from({ length: count }, (_, index) => JSON.stringify({ description: `task ${index}` }));
  await writeFile(batch, lines.join('\n'));
  await orchestrate(at, ['submit', '--batch', batch]);
}

/** Images, store and base are there afterwards; the installation is noted for the clean-up. */
async function warmUp(at: string): Promise<void> {
  await runTasks(at, 1, 1);
  const state = openState(path.join(at, '.git/orchestrate'));
  installations.push(state.installation);
  state.close();
}

async function worktreeTask(at: string, image: string): Promise<void> {
  const worktree = path.join(folder, 'worktree');
  await quiet('git', ['worktree', 'add', '--quiet', '--detach', worktree], at);
  await quiet('chmod', ['a+rwx', worktree]);
  await quiet('docker', [
    'run',
    '--rm',
    '-v',
    `${worktree}:/workspace`,
    '-w',
    '/workspace',
    image,
    'sh',
    '-c',
    ZERO_AGENT,
  ]);
  await quiet('git', ['add', '--all'], worktree);
  await quiet('git', ['diff', '--cached', '--binary', '--output', path.join(folder, 'task.patch')], worktree);
  await quiet('git', ['worktree', 'remove', '--force', worktree], at);
}

async function xargs(image: string): Promise<void> {
  const command = `seq ${TASKS} | xargs -P4 -I{} docker run --rm ${image} sh -c 'echo x'`;
  await quiet('sh', ['-c', command]);
}

async function queueDurably(commits: number): Promise<void> {
  const at = await mkdtemp(path.join(folder, 'state-'));
  const state = openState(at);
  const tasks = Array.from({ length: 1_000 }, (_, index) => ({
    title: `task ${index}`,
    description: 'a task',
    agent: 'backend-systems-engineer',
    priority: 'normal' as const,
    dependsOn: [],
  }));
  const size = tasks.length / commits;
  for (let index = 0; index < commits; index += 1) state.addTasks(tasks.slice(index * size, (index + 1) * size));
  state.close();
}

async function agentImage(): Promise<string> {
  const images = await new Docker().listImages({ filters: { reference: ['orchestrate-agent'] } });
  const tag = images.sort((a, b) => b.Created - a.Created)[0]?.RepoTags?.[0];
  if (tag === undefined) throw new Error('no agent image was built');
  return tag;
}

async function removeDockerObjects(): Promise<void> {
  const docker = new Docker();
  for (const installation of installations) {
    const filters = { label: [`orchestrate=${installation}`] };
    for (const { Id } of await docker.listContainers({ all: true, filters })) {
      await docker.getContainer(Id).remove({ force: true, v: true });
    }
    for (const { Name } of (await docker.listVolumes({ filters })).Volumes) await docker.getVolume(Name).remove();
  }
}

function print(all: readonly Row[]): void {
  const ms = (value: number): string => (value >= 1_000 ? `${(value / 1_000).toFixed(2)} s` : `${value.toFixed(1)} ms`);
  const table = [
    ['step', 'ours (median, p95)', 'baseline (median, p95)', 'ratio', 'must', ''],
    ...all.map((row) => [
      row.step,
      `${ms(row.ours.median)}, ${ms(row.ours.p95)}`,
      `${row.baselineName}: ${ms(row.baseline.median)}, ${ms(row.baseline.p95)}`,
      row.ratio < 0.1 ? `1/${(1 / row.ratio).toFixed(0)}` : row.ratio.toFixed(2),
      row.target,
      row.reached ? 'reached' : 'MISSED',
    ]),
  ];
  const widths = table[0]?.map((_, column) => Math.max(...table.map((line) => line[column]?.length ?? 0))) ?? [];
  for (const line of table) {
    process.stdout.write(
      `${line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd()}\n`,
    );
  }
}
