/**
 * Measures the product against what anybody has, on this machine, in one sitting: `npm run bench`.
 * Ratios are what counts. `--all` adds the repository of 100,000 files, which takes minutes to make; `--rows engine,set-up`
 * measures only these groups of rows, and keeps no results.
 */

import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Docker from 'dockerode';
import { execa } from 'execa';
import { apiEngine } from '../src/engine/api/api-engine.ts';
import { openState, type State } from '../src/state/state.ts';
import { costOfAgents } from '../test/support/api-agent.ts';
import { dockerExec, dockerRun, openBenchHost } from './host.ts';
import { type Contestant, compare, type Row, type Unit } from './measure.ts';
import { mergeContestants } from './merging.ts';
import { makeRepository, R10K, R100K, R200, type RepositoryShape } from './repositories.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
const CLI = path.join(ROOT, 'dist/cli/main.js');
const ZERO_AGENT = 'echo x >> zero.txt';
const TASKS = 12;

/** Tasks of the run whose time per task is measured; starting and ending the run is spread over them. */
const SEQUENCE = 10;

/** Agents that share a prompt. */
const FLEET = 20;
/** Downloads for a while, then lays out as many files as a middling dependency folder has. */
const SET_UP =
  'sleep 5; mkdir -p node_modules && cd node_modules && seq 12000 | awk \'{ print $1 > ("f" $1); close("f" $1) }\'';
const GROUPS = {
  ...{ command: commandRows, sandbox: sandboxRows, task: taskRows, engine: engineRows, 'set-up': setUpRows },
  merge: mergeRows,
};

const folder = await mkdtemp(path.join(tmpdir(), 'orchestrate-bench-'));
const installations: string[] = [];
const env = { HOME: folder, XDG_CONFIG_HOME: folder };
const rows: Row[] = [];
const emptyNode = contestant('node -e 0', () => quiet('node', ['-e', '0']));

try {
  await execa('node', ['scripts/build.mjs'], { cwd: ROOT });
  const r200 = await repository(R200);
  const installation = await warmUp(r200);
  const image = await agentImage();

  const chosen = chosenGroups();
  for (const [name, group] of Object.entries(GROUPS)) {
    if (chosen === null || chosen.includes(name)) await group({ r200, installation, image });
  }
  print(rows);
  if (chosen === null) await writeFile(path.join(ROOT, 'bench/results.json'), `${JSON.stringify(rows, null, 2)}\n`);
} finally {
  await removeDockerObjects();
  await rm(folder, { recursive: true, force: true });
}

interface Ground {
  readonly r200: string;
  /** Of r200. */
  readonly installation: string;
  readonly image: string;
}

async function commandRows({ r200 }: Ground): Promise<void> {
  await measure(
    'orchestrate --version',
    [10, 1.6],
    contestant('ours', () => orchestrate(r200, ['--version'])),
    emptyNode,
  );
  const full = await repository({ ...R200, name: 'r200-10k-tasks' });
  await queueTasks(full, 10_000);
  const status = contestant('ours', () => orchestrate(full, ['status']));
  await measure('orchestrate status, 10,000 tasks', [10, 2.5], status, emptyNode);

  const state = openState(await mkdtemp(path.join(folder, 'state-')));
  const batched = contestant('ours', async () => queueDurably(state, 1));
  await measure(
    'queue 1,000 tasks durably',
    [5, 1 / 20],
    batched,
    contestant('one commit per task', async () => queueDurably(state, 1_000)),
  );
  state.close();
}

async function sandboxRows({ r200, installation, image }: Ground): Promise<void> {
  await using host = await openBenchHost(r200, installation);
  await measure('sandbox ready (create → first byte)', [8, 1.3], host.firstInstruction, dockerRun(image));
}

async function taskRows({ r200, image }: Ground): Promise<void> {
  const scripted = (at: string) => contestant('git worktree + docker run + diff', () => worktreeTask(at, image));
  await measure(
    'a run of one task, submit to patch, r200',
    [3, null],
    contestant('ours', () => runTasks(r200, 1, 1)),
    scripted(r200),
  );
  for (const shape of process.argv.includes('--all') ? [R10K, R100K] : [R10K]) {
    const at = await repository(shape);
    await warmUp(at);
    const ours = { name: 'ours', per: SEQUENCE, run: () => runTasks(at, SEQUENCE, 1) };
    await measure(
      `whole task, zero-time agent, ${shape.name}`,
      [3, shape === R10K ? 1 / 8 : 1 / 40],
      ours,
      scripted(at),
    );
  }
  const together = contestant('ours', () => runTasks(r200, TASKS, 4));
  await measure(
    `${TASKS} whole tasks, 4 agents`,
    [3, 3],
    together,
    contestant('xargs -P4 docker run --rm', () => xargs(image)),
  );
}

/** What an agent costs that thinks on this side. */
async function engineRows({ r200, installation }: Ground): Promise<void> {
  await using host = await openBenchHost(r200, installation);
  await host.withTools(({ container, toolCall }) =>
    measure('a tool call of the API engine', [10, 1 / 10], toolCall, dockerExec(container)),
  );
  const guidance = 'A rule of this repository that everybody follows. '.repeat(1_600);
  // Its engine takes a prefix for cached that it has sent, and each run is in front of another service.
  const together = (): Promise<number> => {
    const shared = apiEngine({ guidance });
    return costOfAgents(FLEET, () => shared);
  };
  await measure(
    `shared prompt prefix, ${FLEET} API agents`,
    [1, 1 / 4, 'tokens'],
    contestant('ours', together),
    contestant('nothing shared', () => costOfAgents(FLEET, (at) => apiEngine({ guidance: `${at}. ${guidance}` }))),
  );
}

async function setUpRows({ r200 }: Ground): Promise<void> {
  let made = 0;
  const run = async (setUp: string): Promise<void> => {
    await queueTasks(r200, 1);
    await orchestrate(r200, ['run', '--engine-command', ZERO_AGENT, '--setup', setUp]);
  };
  await run(SET_UP);
  await measure(
    'a run of one task, set-up as before',
    [3, null],
    contestant('ours', () => run(SET_UP)),
    contestant('set-up made', () => {
      made += 1;
      return run(`${SET_UP} # ${made}`);
    }),
  );
}

async function mergeRows(): Promise<void> {
  for (const shape of process.argv.includes('--all') ? [R10K, R100K] : [R10K]) {
    const at = await repository({ ...shape, name: `${shape.name}-merge` });
    const { ours, baseline } = await mergeContestants(at, env);
    await measure(`merge 100 disjoint patches, ${shape.name}`, [3, 1 / 20], ours, baseline);
  }
}

function chosenGroups(): readonly string[] | null {
  const at = process.argv.indexOf('--rows');
  return at < 0 ? null : (process.argv[at + 1] ?? '').split(',');
}

function contestant(name: string, run: () => Promise<unknown>): Contestant {
  return { name, per: 1, run };
}

async function measure(
  step: string,
  [rounds, atMost, unit = 'ms']: readonly [rounds: number, atMost: number | null, unit?: Unit],
  ours: Contestant,
  baseline: Contestant,
): Promise<void> {
  process.stderr.write(`${step} …\n`);
  rows.push(await compare({ step, unit, rounds, atMost, ours, baseline }));
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

/** Images, store and base are there afterwards; the installation is noted for the clean-up and returned. */
async function warmUp(at: string): Promise<string> {
  await runTasks(at, 1, 1);
  const state = openState(path.join(at, '.git/orchestrate'));
  const { installation } = state;
  state.close();
  installations.push(installation);
  return installation;
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

function queueDurably(state: State, commits: number): void {
  // Ids are made of titles: with the same ones each round would look longer for a free one.
  const round = randomUUID().slice(0, 8);
  const tasks = Array.from({ length: 1_000 }, (_, index) => ({
    title: `${round} ${index}`,
    description: 'a task',
    agent: 'backend-systems-engineer',
    priority: 'normal' as const,
    dependsOn: [],
  }));
  const size = tasks.length / commits;
  for (let index = 0; index < commits; index += 1) state.addTasks(tasks.slice(index * size, (index + 1) * size));
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
    for (const { Id } of await docker.listImages({ filters })) await docker.getImage(Id).remove({ force: true });
    for (const { Name } of (await docker.listVolumes({ filters })).Volumes) await docker.getVolume(Name).remove();
  }
}

function shown(unit: Unit, value: number): string {
  if (unit === 'tokens') return `${Math.round(value).toLocaleString('en')} tokens`;
  return value >= 1_000 ? `${(value / 1_000).toFixed(2)} s` : `${value.toFixed(1)} ms`;
}

function print(all: readonly Row[]): void {
  const table = [
    ['step', 'ours (median, p95)', 'baseline (median, p95)', 'ratio', 'must', ''],
    ...all.map((row) => [
      row.step,
      `${shown(row.unit, row.ours.median)}, ${shown(row.unit, row.ours.p95)}`,
      `${row.baselineName}: ${shown(row.unit, row.baseline.median)}, ${shown(row.unit, row.baseline.p95)}`,
      row.ratio < 0.1 ? `1/${(1 / row.ratio).toFixed(0)}` : row.ratio.toFixed(2),
      row.atMost === null ? '' : row.atMost < 1 ? `≤ 1/${1 / row.atMost}` : `≤ ${row.atMost}`,
      row.atMost === null ? '' : row.ratio <= row.atMost ? 'reached' : 'MISSED',
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
