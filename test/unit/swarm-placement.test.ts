// Where a Swarm lets attempts run, what it says meanwhile, and what is left of it.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limitCalls } from '../../src/sandbox/docker/calls.ts';
import { openSwarmPlacement, type SwarmPlacement } from '../../src/sandbox/swarm/placement.ts';
import type { SwarmNode } from '../../src/sandbox/swarm/reading.ts';
import type { AttemptId } from '../../src/types.ts';
import { json } from '../support/fake-engine.ts';
import { FakeSwarm } from '../support/fake-swarm.ts';
import { until } from '../support/killed-run.ts';

const INSTALLATION = '0123456789ab';
const NEED = { cpus: 2, memoryBytes: 1024 ** 3, labels: [] as readonly string[] };

let swarm: FakeSwarm;
let placement: SwarmPlacement | null;
let warnings: string[];
let prepare: (node: SwarmNode) => Promise<void>;

beforeEach(async () => {
  swarm = await FakeSwarm.start('a', 'b');
  limitCalls(swarm.engine.docker, { everyMs: 20, againMs: 10, pingMs: 500, failures: 2 });
  placement = null;
  warnings = [];
  prepare = async ({ node }) => void swarm.images.add(node);
});
afterEach(async () => {
  await placement?.[Symbol.asyncDispose]();
  await swarm[Symbol.asyncDispose]();
});

async function open(run = 'R1', keep: readonly string[] = []): Promise<SwarmPlacement> {
  placement = await openSwarmPlacement(swarm.engine.docker, {
    ...{ installation: INSTALLATION, run, architecture: null, keep: keep as AttemptId[] },
    times: { landing: 5, waiting: 5, landed: 5 },
    prepare: (node) => prepare(node),
    onWarning: (line) => warnings.push(line),
  });
  return placement;
}

interface Placing {
  readonly landed: Promise<SwarmNode>;
  readonly said: string[];
  readonly stop: AbortController;
}

function place(attempt: string, need: Partial<typeof NEED> = {}): Placing {
  if (placement === null) throw new Error('open it first');
  const said: string[] = [];
  const stop = new AbortController();
  const onWaiting = (reason: string): void => void said.push(reason);
  const landed = placement.place(attempt as AttemptId, { ...NEED, ...need, signal: stop.signal, onWaiting });
  landed.catch(() => {});
  return { landed, said, stop };
}

function release(attempt: string): Promise<void> {
  return placement?.release(attempt as AttemptId) ?? Promise.resolve();
}

function taken(): Promise<readonly string[]> {
  return new Promise((resolve) => placement?.onTaken((attempt, why) => resolve([attempt, why])));
}

describe('a Swarm', () => {
  it('gives each attempt what it asked for, on a node that it holds until it is released', async () => {
    await open();
    expect(await place('add-login.1').landed).toMatchObject({ node: 'a', isManagerItself: true, address: '192.0.2.1' });
    expect(await place('fix.1').landed).toMatchObject({ node: 'b', isManagerItself: false });
    expect(swarm.held).toEqual(['a', 'b']);
    const [service] = swarm.services;
    expect(service?.Spec).toMatchObject({
      Name: `orchestrate-${INSTALLATION}-add-login_1`,
      Labels: { orchestrate: INSTALLATION, 'orchestrate.kind': 'placement', 'orchestrate.attempt': 'add-login.1' },
      TaskTemplate: { Resources: { Reservations: { NanoCPUs: 2e9, MemoryBytes: 1024 ** 3 } } },
      Mode: { ReplicatedJob: { TotalCompletions: 1 } },
    });
    await release('add-login.1');
    await release('add-login.1');
    expect(swarm.held).toEqual(['b']);
    expect(swarm.services).toHaveLength(1);
  });

  it('lets an attempt wait while it is full, says why once, and takes it when there is room', async () => {
    await open();
    await Promise.all([place('one.1').landed, place('two.1').landed]);
    const third = place('three.1');
    await until(async () => third.said.length > 0);
    await release('one.1');
    expect(await third.landed).toMatchObject({ node: 'a' });
    expect(third.said).toEqual(['insufficient resources on 2 nodes']);
  });

  it('takes attempts that ask for labels to nodes that have them', async () => {
    await open();
    swarm.add('c', { gpu: 'true', disk: 'ssd' });
    expect(await place('one.1', { labels: ['gpu', 'disk=ssd'] }).landed).toMatchObject({ node: 'c' });
    await expect(place('two.1', { labels: ['tpu'] }).landed).rejects.toMatchObject({
      ...{ code: 'SWARM_NO_NODE', hint: 'give it to one: docker node update --label-add tpu=true NODE' },
    });
    await expect(place('three.1', { cpus: 64 }).landed).rejects.toMatchObject({ code: 'SWARM_NO_NODE' });
    expect(swarm.services).toHaveLength(1);
  });

  it('has a node made ready that lacks the image, once for all that land there meanwhile', async () => {
    await open();
    swarm.images.clear();
    const made: string[] = [];
    let both: readonly Placing[] = [];
    prepare = async ({ node }) => {
      made.push(node);
      await until(async () => both.every(({ said }) => said.length > 0));
      swarm.images.add(node);
    };
    both = [place('one.1', { cpus: 1 }), place('two.1', { cpus: 1 })];
    await Promise.all(both.map(({ landed }) => landed));
    expect(made).toEqual(['a']);
    expect(both[0]?.said).toEqual(['a is being made ready']);
    expect(swarm.services).toHaveLength(2);
  });

  it('leaves a node alone that cannot be made ready, and gives up where no other is left', async () => {
    await open();
    swarm.images.clear();
    prepare = async ({ node }) => {
      if (node === 'a') throw new Error('ssh: connection refused');
      swarm.images.add(node);
    };
    expect(await place('one.1').landed).toMatchObject({ node: 'b' });
    expect(warnings).toEqual(['nothing is placed on the node a for a while: ssh: connection refused']);
    placement?.avoid('b', 'it does not answer');
    await expect(place('two.1').landed).rejects.toMatchObject({
      ...{
        code: 'SWARM_NO_NODE',
        message: expect.stringContaining('a (ssh: connection refused), b (it does not answer)'),
      },
    });
    expect(swarm.services).toHaveLength(1);
  });

  it.each([
    ['its node is down', () => Object.assign(swarm.node('a').Status, { State: 'down' }), 'its node a is down'],
    [
      'its node is drained',
      () => Object.assign(swarm.node('a').Spec, { Availability: 'drain' }),
      'its node a is drained',
    ],
    ['its node is removed', () => swarm.nodes.shift(), 'its node left the Swarm'],
    ['its service is removed', () => swarm.remove('s1'), 'somebody removed its service'],
    [
      'its task is ended',
      () => Object.assign(swarm.tasks[0] ?? {}, { Status: { State: 'failed', Err: 'task: non-zero exit (137)' } }),
      'Swarm ended its placement: task: non-zero exit (137)',
    ],
  ])('tells that the place of an attempt is taken away when %s', async (_, take, why) => {
    await open();
    const told: string[] = [];
    placement?.onTaken((attempt) => told.push(attempt));
    await place('one.1').landed;
    await place('two.1').landed;
    const first = taken();
    take();
    expect(await first).toEqual(['one.1', why]);
    const looks = swarm.engine.asked.length;
    await until(async () => swarm.engine.asked.length > looks + 6);
    expect(told).toEqual(['one.1']);
  });

  it('lets attempts run on where their node takes no new ones, or its leader has not heard of it yet', async () => {
    await open();
    const told: string[] = [];
    placement?.onTaken((attempt) => told.push(attempt));
    await Promise.all([place('one.1').landed, place('two.1').landed]);
    swarm.node('a').Spec.Availability = 'pause';
    swarm.node('b').Status.State = 'unknown';
    const looks = swarm.engine.asked.length;
    await until(async () => swarm.engine.asked.length > looks + 6);
    expect(told).toEqual([]);
    expect(await placement?.nodes()).toEqual([]);
  });

  it('keeps nothing of an attempt that is given up, not even where it was just being placed', async () => {
    await open();
    const one = place('one.1');
    swarm.onCreate = async () => one.stop.abort(new Error('given up'));
    await expect(one.landed).rejects.toThrow('given up');
    const two = place('two.1');
    swarm.onCreate = () => release('two.1');
    await expect(two.landed).rejects.toThrow('was released');
    expect(swarm.services).toEqual([]);
    expect(swarm.held).toEqual([]);
  });

  it('whose manager is away is waited for; what it was not told then it is told later', async () => {
    await open();
    await place('one.1').landed;
    swarm.engine.down();
    await release('one.1');
    const two = place('two.1');
    await until(async () => two.said.length > 0);
    expect(two.said).toEqual(['the manager of the Swarm does not answer']);
    await swarm.engine.up();
    await two.landed;
    await until(async () => swarm.services.length === 1);
    expect(swarm.services[0]?.Spec.Labels['orchestrate.attempt']).toBe('two.1');
  });

  it('gives back what a coordinator left that was cut off, but for what is taken over', async () => {
    await open();
    await Promise.all([place('one.1').landed, place('two.1').landed]);
    const left = placement;
    await open('R2', ['two.1', 'three.1']);
    expect(swarm.held).toEqual(['b']);
    expect(await placement?.adopt('two.1' as AttemptId)).toMatchObject({ node: 'b' });
    expect(await placement?.adopt('three.1' as AttemptId)).toBeNull();
    const lost = taken();
    swarm.node('b').Status.State = 'down';
    expect(await lost).toEqual(['two.1', 'its node b is down']);
    await left?.[Symbol.asyncDispose]();
  });

  it('holds nothing any more when it is closed', async () => {
    await open();
    await Promise.all([place('one.1').landed, place('two.1').landed]);
    const waiting = place('three.1');
    await until(async () => waiting.said.length > 0);
    await placement?.[Symbol.asyncDispose]();
    await expect(waiting.landed).rejects.toThrow('was released');
    expect([swarm.services, swarm.held, warnings]).toEqual([[], [], []]);
  });

  it.each([
    { is: { LocalNodeState: 'inactive' }, message: 'is in no Swarm', hint: 'docker swarm init' },
    {
      is: { LocalNodeState: 'active', RemoteManagers: [{ Addr: '192.0.2.7:2377' }] },
      ...{ message: 'is a worker of its Swarm', hint: '192.0.2.7' },
    },
    { is: { LocalNodeState: 'locked' }, message: 'is locked', hint: 'docker swarm unlock' },
  ])('is refused where the engine manages none: it $message', async ({ is, message, hint }) => {
    swarm.engine.answer('GET /info', json({ Swarm: { ...is, ControlAvailable: false } }));
    await expect(open()).rejects.toMatchObject({
      ...{ code: 'NOT_A_SWARM', message: expect.stringContaining(message), hint: expect.stringContaining(hint) },
    });
  });
});
