// Agents that do whatever agents do, many at once: each ends as it has to, once, its work is kept, and the coordinator stays
// small, prompt and tidy all the while.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import Database from 'better-sqlite3';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { State } from '../../src/state/state.ts';
import type { TaskId } from '../../src/types.ts';
import { leftInDocker, seeded, times } from '../support/endurance.ts';
import { stateOf } from '../support/queue.ts';
import { CLI, Scratch } from '../support/scratch.ts';
import { BEHAVIOURS, descriptionOf, drawn, type Kind } from '../support/soak.ts';
import { type Vitals, vitalsOf } from '../support/vitals.ts';

const TASKS = times({ short: 24, long: 200 });
const AGENTS = times({ short: 4, long: 8 });
const LIMITS = ['--memory', '128m', '--disk', '32m', '--pids', '48', '--cpus', '0.25'];
// Of a busy engine the looks that tell idleness from work are late.
const TIMES = ['--timeout', `${times({ short: 15, long: 20 })}s`, '--idle-timeout', '4s'];
const TIMEOUT_MS = times({ short: 5, long: 60 }) * 60_000;
const MAX_RSS = 300_000_000;
const MAX_LAG_MS = 100;
/** Over the whole time, by the line that fits: one left behind by each task would be as many as there are tasks. */
const MOST_GROWTH = TASKS / 4;
const PROBE = path.resolve(import.meta.dirname, '../support/event-loop-probe.mjs');

/** Milliseconds. */
interface Lag {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

describe(`${TASKS} tasks of all kinds, ${AGENTS} at once`, () => {
  let scratch: Scratch;
  let kinds: ReadonlyMap<string, Kind>;
  let exitCode: number | undefined;
  let vitals: Vitals;
  let lag: { readonly late: Lag; readonly lateByItself: Lag; readonly ticks: number };
  let state: State;

  beforeAll(async () => {
    scratch = await Scratch.create();
    await seeded(async (random) => {
      kinds = new Map(drawn(TASKS, random).map((kind, n) => [`task-${n + 1}`, kind]));
      const lines = [...kinds].map(([title, kind]) =>
        JSON.stringify({ title, description: descriptionOf(kind, random) }),
      );
      const batch = path.join(scratch.folder, 'tasks.jsonl');
      await writeFile(batch, `${lines.join('\n')}\n`);
      await scratch.must(['submit', '--batch', batch]);
    });
    const lagFile = path.join(scratch.folder, 'lag.json');
    const run = execa(
      process.execPath,
      [CLI, 'run', '--engine', 'demo', '--max-agents', `${AGENTS}`, ...LIMITS, ...TIMES],
      {
        cwd: scratch.repository,
        env: {
          ...scratch.env,
          NODE_OPTIONS: `--import=${pathToFileURL(PROBE)}`,
          ORCHESTRATE_TEST_LAG_FILE: lagFile,
        },
        ...{
          extendEnv: false,
          reject: false,
          stdin: 'ignore',
          stdout: 'ignore',
          stderr: { file: path.join(scratch.folder, 'stderr') },
        },
      },
    );
    [vitals] = await Promise.all([vitalsOf(run.pid ?? 0, (await scratch.installation()) ?? ''), run]);
    ({ exitCode } = await run);
    lag = JSON.parse(await readFile(lagFile, 'utf8'));
    state = stateOf(scratch);
  }, TIMEOUT_MS);
  afterAll(async () => {
    state?.close();
    await scratch?.[Symbol.asyncDispose]();
  });

  /** What the kinds say should be, by task. */
  function wanted<T>(of: (kind: Kind) => T): Record<string, T> {
    return Object.fromEntries([...kinds].map(([task, kind]) => [task, of(kind)]));
  }

  it('each ends once and as it has to', () => {
    const ends = [...kinds].map(([task, kind]) => {
      const attempts = state.attemptsOf(task as TaskId);
      const isAsItHasTo = attempts.length === 1 && attempts[0]?.outcome === BEHAVIOURS[kind].outcome;
      return [
        task,
        isAsItHasTo ? kind : attempts.map(({ outcome, exitCode: code, reason }) => ({ outcome, code, reason })),
      ];
    });
    expect(Object.fromEntries(ends)).toEqual(Object.fromEntries(kinds));
    expect(state.tasks()).toHaveLength(TASKS);
    expect(exitCode).toBe(1);
  });

  it('the work of each is kept, and none is made up', async () => {
    const made = new Map<string, string>(state.patches().map((patch) => [patch.task, patch.state]));
    const kept = Object.fromEntries([...kinds.keys()].map((task) => [task, made.get(task) ?? null]));
    expect(kept).toEqual(wanted((kind) => BEHAVIOURS[kind].patch));
    expect(state.patches()).toHaveLength(made.size);
    const files = await scratch.git('for-each-ref', '--format=%(refname)', 'refs/orchestrate');
    for (const ref of files.split('\n')) {
      const task = ref.split('/')[2];
      expect(ref).toBe(`refs/orchestrate/${task}/1/result`);
      expect(await scratch.git('ls-tree', '--name-only', ref)).toContain(`work-${task}.txt`);
    }
    expect(files.split('\n')).toHaveLength(made.size);
  });

  it('the coordinator stays below 300 MB', async ({ annotate }) => {
    await annotate(JSON.stringify({ ...vitals, lag }));
    expect(vitals.peakBytes).toBeGreaterThan(0);
    expect(vitals.peakBytes).toBeLessThan(MAX_RSS);
  });

  it('neither its file descriptors nor its containers become more', () => {
    expect(vitals.descriptors.growth).toBeLessThan(MOST_GROWTH);
    expect(vitals.containers.growth).toBeLessThan(MOST_GROWTH);
    // Each agent may have a successor before it has left, and there is the keeper.
    expect(vitals.containers.most).toBeLessThanOrEqual(2 * AGENTS + 1);
  });

  it('its event loop is late by less than 100 ms', () => {
    // Without the time that the machine gave to others: there are more agents than CPUs.
    expect(lag.lateByItself.p99).toBeLessThan(MAX_LAG_MS);
    expect(lag.ticks).toBeGreaterThan(100);
  });

  it('nothing of it is left, and its state is whole', async () => {
    expect(await leftInDocker(scratch)).toEqual(['volume store']);
    const database = new Database(path.join(scratch.repository, '.git/orchestrate/state.db'), { readonly: true });
    expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(database.pragma('foreign_key_check')).toEqual([]);
    database.close();
    await scratch.git('fsck', '--strict');
  });
});
