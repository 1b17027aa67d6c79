// The Docker engine restarts, goes away, hangs, loses its replies; somebody else removes what a run needs.
import path from 'node:path';
import Docker from 'dockerode';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { leftInDocker, whenLong } from '../support/endurance.ts';
import { EngineProxy } from '../support/engine-proxy.ts';
import { containersOf } from '../support/killed-run.ts';
import { followedRun } from '../support/run-events.ts';
import { Scratch } from '../support/scratch.ts';
import { SecondEngine } from '../support/second-engine.ts';

/** Eight lines, one a second, in a file of its own. */
const WORK = `for i in $(seq 8); do echo "tick-$i."; echo $i >> $ORCHESTRATE_TASK_ID.txt; sleep 1; done`;
const LINES = Array.from({ length: 8 }, (_, n) => n + 1);

interface ShownTask {
  readonly status: string;
  readonly attempts: readonly { readonly outcome: string | null }[];
}

let scratch: Scratch;

beforeEach(async () => {
  scratch = await Scratch.create();
});
afterEach(() => scratch[Symbol.asyncDispose]());

async function submit(...titles: readonly string[]): Promise<void> {
  for (const title of titles) await scratch.must(['submit', 'a task', '--title', title]);
}

async function outcomes(title: string): Promise<(string | null)[]> {
  const { status, attempts } = await scratch.json<ShownTask>(['task', title]);
  expect(status).toBe('succeeded');
  return attempts.map((attempt) => attempt.outcome);
}

/** The file of its own, as the patch has it. */
async function written(title: string): Promise<number[]> {
  const patch = await scratch.must(['patch', 'show', title]);
  return [...patch.matchAll(/^\+(\d+)$/gm)].map(([, n]) => Number(n));
}

describe('an engine of its own', () => {
  let engine: SecondEngine;
  let env: { DOCKER_HOST: string };
  let runtimes: Readonly<Record<string, { readonly path: string }>>;

  beforeAll(async () => {
    const images = await new Docker().listImages();
    const tags = images.flatMap(({ RepoTags }) => RepoTags ?? []);
    runtimes = { other: { path: (await execa('which', ['runc'])).stdout } };
    engine = await SecondEngine.start({ 'live-restore': true, runtimes });
    await engine.load(...tags.filter((tag) => /^orchestrate-(agent|sidecar|toolbox|base):/.test(tag)));
    env = { DOCKER_HOST: engine.dockerHost };
  });
  afterAll(() => engine?.[Symbol.asyncDispose]());

  it('goes and comes back: the agents went on meanwhile, each ends once, and every line is told once', async () => {
    await submit('one', 'two');
    const run = followedRun(scratch, WORK, env);
    await run.said('tick-3.');
    await engine.down();
    await run.event('run.paused');
    expect(await scratch.must(['status'])).toContain('2 running');
    await engine.up();
    expect(await run.ended).toBe(0);
    for (const title of ['one', 'two']) {
      expect(await outcomes(title)).toEqual(['succeeded']);
      expect(await written(title)).toEqual(LINES);
      const log = await scratch.must(['logs', title]);
      expect([...log.matchAll(/tick-(\d+)\./g)].map(([, n]) => Number(n))).toEqual(LINES);
    }
    expect(await ownContainers()).toEqual([]);
  });

  whenLong('stays away: Ctrl-C ends the run at once, and the next one takes over what went on', async () => {
    await submit('one');
    const run = followedRun(scratch, WORK, env);
    await run.said('tick-3.');
    await engine.down();
    await run.event('run.paused');
    run.kill('SIGINT');
    expect(await run.ended).toBe(130);
    expect(await scratch.json<ShownTask>(['task', 'one'])).toMatchObject({ attempts: [{ outcome: null }] });
    await engine.up();
    const next = followedRun(scratch, 'true', env);
    expect(await next.ended).toBe(0);
    expect(JSON.stringify(next.events)).toContain('taken over from a run that was cut off');
    expect(await outcomes('one')).toEqual(['killed', 'no-changes']);
    expect(await scratch.must(['patch', 'show', 'one.1'])).toContain('+3');
    expect(await ownContainers()).toEqual([]);
  });

  it('is started anew and ends what runs: told as that, the work so far is kept whole, and it is tried again', async () => {
    await engine.configure({ runtimes });
    await submit('one');
    const run = followedRun(scratch, WORK, env);
    await run.said('tick-3.');
    await engine.down();
    await engine.up();
    expect(await run.ended).toBe(0);
    expect(await outcomes('one')).toEqual(['lost', 'succeeded']);
    const log = await scratch.must(['task', 'one']);
    expect(log).toContain('the Docker engine was stopped and ended the sandbox of one.1');
    expect(await scratch.must(['patch', 'show', 'one.1'])).toContain('+3');
    expect(await written('one')).toEqual(LINES);
    expect(await ownContainers()).toEqual([]);
  });

  it('has another runtime: it is tried, agents are made with it, and what it isolates is said', async () => {
    await submit('one');
    const run = followedRun(scratch, 'echo tick-1.; sleep 4', env, ['--runtime', 'other']);
    await run.said('tick-1.');
    const agent = (await ownContainers()).find((name) => name.endsWith('one.1')) ?? '';
    const { HostConfig } = await engine.docker.getContainer(agent).inspect();
    expect(HostConfig).toMatchObject({ Runtime: 'other', NetworkMode: 'none' });
    expect(await run.event('run.started')).toMatchObject({ isolation: 'shared-kernel' });
    expect(await run.ended).toBe(0);
    expect(JSON.stringify(run.events)).toContain('the runtime other isolates no better than the engine by itself');
    await submit('two');
    const refused = await scratch.orchestrate(['run', '--runtime', 'another', '--engine-command', WORK], { env });
    expect(refused).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('no runtime "another", only ') });
    expect(await scratch.json<ShownTask>(['task', 'two'])).toMatchObject({ status: 'queued', attempts: [] });
    expect(await ownContainers()).toEqual([]);
  });

  async function ownContainers(): Promise<string[]> {
    const filters = { label: [`orchestrate=${await scratch.installation()}`] };
    const containers = await engine.docker.listContainers({ all: true, filters });
    return containers.map(({ Names }) => Names[0]?.slice(1) ?? '');
  }
});

describe('the machine’s engine, behind a socket', () => {
  whenLong(
    'stops answering on every connection: it is seen within half a minute, and the run goes on after that',
    async () => {
      await using proxy = await EngineProxy.open(path.join(scratch.folder, 'engine.sock'));
      await submit('one');
      const run = followedRun(scratch, WORK, { DOCKER_HOST: proxy.dockerHost });
      await run.said('tick-3.');
      proxy.freeze();
      await run.event('run.paused');
      await proxy.pass();
      expect(await run.ended).toBe(0);
      expect(await outcomes('one')).toEqual(['succeeded']);
      expect(await written('one')).toEqual(LINES);
    },
  );

  it('does what it is asked for and loses the replies: nothing is done twice', async () => {
    await using proxy = await EngineProxy.open(path.join(scratch.folder, 'engine.sock'));
    await submit('one');
    const agent = /^\/containers\/create\?name=orchestrate-\w+-one\.1/;
    const lost = [proxy.loseReply('POST', agent), proxy.loseReply('POST', /^\/containers\/\w+\/start/)];
    const run = followedRun(scratch, 'echo x >> x.txt', { DOCKER_HOST: proxy.dockerHost });
    expect(await run.ended).toBe(0);
    await Promise.all(lost);
    expect(await outcomes('one')).toEqual(['succeeded']);
    expect(await leftInDocker(scratch)).toEqual(['volume store']);
  });

  it('has an agent’s sandbox removed and the keeper killed by others: the work is kept, and done', async () => {
    await submit('one', 'two');
    const run = followedRun(scratch, WORK, {});
    await Promise.all([run.said('"task":"one","attempt":"one.1","stream"'), run.said('tick-3.')]);
    const [keeper = ''] = await containersOf(scratch, 'label=orchestrate.kind=keeper');
    const agents = await containersOf(scratch, 'label=orchestrate.kind=agent');
    const one = agents.find((name) => name.endsWith('one.1')) ?? '';
    await execa('docker', ['rm', '--force', one]);
    await execa('docker', ['kill', keeper]);
    expect(await run.ended).toBe(0);
    expect(await outcomes('one')).toEqual(['lost', 'succeeded']);
    expect(await scratch.must(['patch', 'show', 'one.1'])).toContain('+1');
    expect(await outcomes('two')).toEqual(['succeeded']);
    expect(await written('two')).toEqual(LINES);
    expect(await scratch.must(['report'])).toContain('the keeper is gone or hangs: it is started anew');
    expect(await leftInDocker(scratch)).toEqual(['volume store']);
  });
});
