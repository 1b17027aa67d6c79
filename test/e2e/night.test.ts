// One night with a bit of everything: a budget, a rate limit, a full disk, an engine that is started anew, a red check, a
// deadline, and two agents who plant something. The morning report tells all of it, and `cleanup` leaves nothing but work.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { resultRef } from '../../src/git/refs.ts';
import type { AttemptId, TaskId } from '../../src/types.ts';
import { leftInDocker } from '../support/endurance.ts';
import { baseImage } from '../support/images.ts';
import { killedRun } from '../support/killed-run.ts';
import { ModelServer } from '../support/model-server/server.ts';
import { FILES, firstHalf, type HalfNight, KEY, nightModel, secondHalf } from '../support/night.ts';
import { stateOf } from '../support/queue.ts';
import { Scratch } from '../support/scratch.ts';
import { SecondEngine } from '../support/second-engine.ts';

const DISK_BYTES = 8e9;
const TIMEOUT_MS = 240_000;

let engine: SecondEngine;
let scratch: Scratch;
let server: ModelServer;
let halves: readonly HalfNight[];
let terminal: string;
let markdown: string;
let page: string;

beforeAll(async () => {
  engine = await SecondEngine.start({}, DISK_BYTES);
  await engine.load(await baseImage(new Docker()));
  vi.stubEnv('DOCKER_HOST', engine.dockerHost);
  scratch = await Scratch.create(FILES);
  let filled = (): void => {};
  const isFilled = new Promise<void>((resolve) => {
    filled = resolve;
  });
  server = await ModelServer.start({ script: nightModel(isFilled), key: KEY });
  const scene = { scratch, server, engine, filled };
  halves = [await firstHalf(scene), await secondHalf(scene)];
  terminal = await scratch.must(['report', '--since', '1h']);
  markdown = await scratch.must(['report', '--since', '1h', '--markdown']);
  await scratch.must(['report', '--since', '1h', '--html', 'night.html']);
  page = await readFile(path.join(scratch.repository, 'night.html'), 'utf8');
}, TIMEOUT_MS);
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await scratch?.[Symbol.asyncDispose]();
  vi.unstubAllEnvs();
  await engine?.[Symbol.asyncDispose]();
}, TIMEOUT_MS);

describe('the report of a night', () => {
  it('tells by data what came of it', async () => {
    expect(halves).toMatchObject([{ exitCode: 4 }, { exitCode: 4 }]);
    // Of Node itself.
    for (const { stderr } of halves) expect(stderr).not.toContain('Warning: ');
    const report = await scratch.json(['report', '--since', '1h']);
    expect(report, terminal).toMatchObject({
      runs: {
        items: [
          { state: 'ended', reason: expect.stringContaining('deadline') },
          { state: 'ended', reason: expect.stringContaining('--budget-usd') },
        ],
      },
      tasks: { succeeded: 6, failed: 3, queued: 1, running: 0, paused: 0, blocked: 0, cancelled: 0 },
      checks: { red: 1 },
    });
    const { landed, waiting, failed, picture, spending } = report as ReportJson;
    expect(landed.items.map(({ task, branch }) => `${task} on ${branch}`).sort()).toEqual([
      'describe-the-sum on night',
      'live-through-it on night',
      'wait-in-line on night',
    ]);
    expect(
      waiting.items.map(({ patch, flags, checks }) => [patch, checks, ...flags.items.map(({ code }) => code)]),
    ).toEqual([
      ['make-the-sum-faster.1', 'passed', 'test-weakened'],
      ['count-the-calls.1', 'passed', 'ci'],
      ['sum-up-strings.1', 'failed'],
      ['try-everything.1', 'none'],
      ['try-it-all-again.1', 'none'],
    ]);
    const outcomes = failed.items.map(({ outcome, attempts, reason }) => `${outcome} × ${attempts}: ${reason}`);
    expect(outcomes).toContainEqual(
      expect.stringMatching(/^failed × 1: wrote \d+ MiB, its limit is 32 MiB \(--disk\)$/),
    );
    expect(outcomes).toContain('budget × 1: the budget of the task is used up (--task-budget-usd)');
    expect(outcomes).toContain('budget × 1: the budget of the run is used up (--budget-usd)');
    expect(outcomes).toContainEqual(expect.stringMatching(/^lost × \d/));
    expect(outcomes).toContainEqual(expect.stringMatching(/^killed × 1: .*deadline/));
    expect(picture.holds.map(({ reason }) => reason)).toContainEqual(expect.stringMatching(/disk/));
    expect(picture.lanes.flat().filter(({ pauses }) => pauses.length > 0).length).toBeGreaterThan(0);
    expect(spending.total.usd).toBeGreaterThan(0.5);
    // What one call of an agent may cost beyond the cap is its last.
    expect(spending.total.usd).toBeLessThan(0.7);
  });

  it('shows what was planted, what waits and what to type, in each form', () => {
    for (const text of [terminal, markdown, page]) {
      for (const said of [
        'test-weakened',
        'test/sum.test.mjs',
        '2 assertions are taken out, 0 are put in',
        '.github/workflows/publish.yml',
        'runs in continuous integration',
        'orchestrate review make-the-sum-faster.1',
        'orchestrate review count-the-calls.1',
        'orchestrate retry try-everything --from-salvage',
        'caching every sum there is',
        'orchestrate retry keep-all-sums',
        '1 queued',
      ]) {
        expect(text).toContain(said);
      }
    }
  });

  it('puts what was planted first, and says what held the night up', () => {
    const [, waits = ''] = terminal.split('What waits for you:\n');
    const heads = waits.split('\n\n')[0]?.match(/^ {2}\S .*$/gm) ?? [];
    expect(heads.slice(0, 2).join('\n')).toMatch(/make-the-sum-faster\.1[\s\S]*count-the-calls\.1/);
    expect(terminal).toMatch(/Nothing was started .*disk/);
    expect(terminal).toMatch(/\d+ attempts? shown w\S+ held still for a while/);
    expect(terminal).toMatch(/attempts? shown ended by trouble around the agent.*tried again/);
    expect(terminal).toMatch(/budget used up/);
    expect(terminal).toMatch(/deadline/);
  });
});

describe('cleanup after the night', () => {
  const refs = async () => (await scratch.git('for-each-ref', '--format=%(refname)', 'refs/orchestrate')).split('\n');
  const OTHERS = { orchestrate: 'another-repository', 'orchestrate.kind': 'store' };

  /** All there is on the engine, by name. */
  async function onEngine(): Promise<{ readonly objects: readonly string[]; readonly images: readonly string[] }> {
    const { docker } = engine;
    const [containers, { Volumes: volumes }, images] = await Promise.all([
      docker.listContainers({ all: true }),
      docker.listVolumes(),
      docker.listImages(),
    ]);
    return {
      objects: [...containers.map(({ Names }) => Names.join()), ...(volumes ?? []).map(({ Name }) => Name)].sort(),
      images: images.flatMap(({ Id, RepoTags }) => RepoTags ?? [Id]).sort(),
    };
  }

  beforeAll(async () => {
    const { docker } = engine;
    await docker.createVolume({ Name: 'others-store', Labels: OTHERS });
    const kind = { 'orchestrate.kind': 'agent' };
    const others = { Image: await baseImage(docker), Cmd: ['true'], Labels: { ...OTHERS, ...kind } };
    await docker.createContainer({ ...others, name: 'others-agent', HostConfig: { NetworkMode: 'none' } });
  });

  it('finds nothing of ours in Docker but the store', async () => {
    expect(await leftInDocker(scratch)).toEqual(['volume store']);
  });

  it('takes the results that landed, and keeps all that waits', async () => {
    const landed = ['describe-the-sum', 'live-through-it', 'wait-in-line'].map((id) => id as TaskId);
    const state = stateOf(scratch);
    const merged = landed.map((task) => state.patches().findLast((patch) => patch.task === task));
    state.close();
    const gone = merged.map((patch) => resultRef(patch?.id ?? ('?' as AttemptId)));
    const before = await refs();
    await scratch.must(['cleanup']);
    expect(await refs()).toEqual(before.filter((ref) => !gone.includes(ref)));
    expect(before).toEqual(expect.arrayContaining(gone));
    for (const patch of ['make-the-sum-faster.1', 'count-the-calls.1', 'sum-up-strings.1', 'try-everything.1']) {
      expect(await scratch.must(['patch', 'show', patch])).toContain('diff --git');
    }
  });

  it('leaves to the next run what a killed one had at work', async () => {
    const image = await baseImage(engine.docker);
    const agent = await killedRun(scratch, ['--image', image, '--engine-command', 'echo on > on.txt; exec sleep 600']);
    const { objects } = await onEngine();
    const answer = await scratch.orchestrate(['cleanup', '--all']);
    expect(answer).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('the store stays') });
    expect((await onEngine()).objects).toEqual(expect.arrayContaining([`/${agent}`, '/others-agent', 'others-store']));
    expect(objects).toContain(`/${agent}`);
    await engine.docker.getContainer(agent).kill({ signal: 'SIGTERM' });
    await scratch.orchestrate(['run', '--image', image, '--engine-command', 'true']);
    expect(await leftInDocker(scratch)).toEqual(['volume store']);
  });

  it('with --all leaves nothing of ours on the engine, what is others’ there, and every unmerged patch', async () => {
    const kept = await refs();
    expect(await scratch.must(['cleanup', '--all'])).toMatch(/run log runs\/\w+\.log/);
    expect(await onEngine()).toEqual({
      objects: ['/others-agent', 'others-store'],
      images: [await baseImage(engine.docker)],
    });
    expect(await refs()).toEqual(kept);
    await scratch.git('fsck', '--strict');
  });
});

interface ReportJson {
  readonly landed: { readonly items: readonly { readonly task: string; readonly branch: string }[] };
  readonly waiting: {
    readonly items: readonly {
      readonly patch: string;
      readonly checks: string;
      readonly flags: { readonly items: readonly { readonly code: string }[] };
    }[];
  };
  readonly failed: {
    readonly items: readonly { readonly outcome: string; readonly attempts: number; readonly reason: string | null }[];
  };
  readonly picture: {
    readonly holds: readonly { readonly reason: string }[];
    readonly lanes: readonly (readonly { readonly pauses: readonly unknown[] }[])[];
  };
  readonly spending: { readonly total: { readonly usd: number } };
}
