// A Swarm of two machines, each with an engine of its own: where attempts land, and what becomes of their places.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectHost } from '../../src/sandbox/docker/connect.ts';
import { RUN_KINDS, sweep } from '../../src/sandbox/docker/sweep.ts';
import { nodeHost } from '../../src/sandbox/swarm/address.ts';
import { openSwarmPlacement, type SwarmPlacement } from '../../src/sandbox/swarm/placement.ts';
import type { SwarmNode } from '../../src/sandbox/swarm/reading.ts';
import { PLACEMENT_IMAGE, tagPlacementImage } from '../../src/sandbox/swarm/service.ts';
import type { AttemptId } from '../../src/types.ts';
import { TestImages } from '../support/images.ts';
import { until } from '../support/killed-run.ts';
import { type RemoteEngine, RemoteNetwork } from '../support/remote-engine.ts';

const SECOND_NS = 1e9;
const images = new TestImages();
let network: RemoteNetwork;
let manager: RemoteEngine;
let worker: RemoteEngine;
let workerId: string;
let image: string;
/** More than half of a machine's CPUs. */
let cpus: number;
let installation: string;

beforeAll(async () => {
  image = await images.get('idle');
  network = await RemoteNetwork.create();
  [manager, worker] = await Promise.all([network.add(), network.add()]);
  await Promise.all([manager, worker].map((machine) => machine.load(image)));
  const at = ({ address }: RemoteEngine) => ({ ListenAddr: '0.0.0.0:2377', AdvertiseAddr: address });
  // A node that says nothing is down after three of its periods.
  await manager.docker.swarmInit({ ...at(manager), Spec: { Dispatcher: { HeartbeatPeriod: SECOND_NS } } });
  const { JoinTokens: tokens } = await manager.docker.swarmInspect();
  await worker.docker.swarmJoin({
    ...at(worker),
    ...{ RemoteAddrs: [`${manager.address}:2377`], JoinToken: tokens.Worker },
  });
  workerId = (await worker.docker.info()).Swarm.NodeID;
  cpus = (await manager.docker.info()).NCPU * 0.6;
});
beforeEach(() => {
  installation = randomBytes(6).toString('hex');
});
afterAll(async () => {
  await network[Symbol.asyncDispose]();
  await images[Symbol.asyncDispose]();
});

function machineOf(node: SwarmNode): RemoteEngine {
  return node.node === workerId ? worker : manager;
}

function open(run = 'R1'): Promise<SwarmPlacement> {
  return openSwarmPlacement(manager.docker, {
    ...{ installation, run, architecture: null, keep: [], onWarning: () => {} },
    prepare: (node) => tagPlacementImage(machineOf(node).docker, image),
  });
}

function place(placement: SwarmPlacement, attempt: string, labels: readonly string[] = [], said: string[] = []) {
  const { signal } = new AbortController();
  const onWaiting = (reason: string): void => void said.push(reason);
  return placement.place(attempt as AttemptId, { cpus, memoryBytes: 2 ** 28, labels, signal, onWaiting });
}

function release(placement: SwarmPlacement, attempt: string): Promise<void> {
  return placement.release(attempt as AttemptId);
}

/** Services, and containers on both machines. */
async function left(): Promise<readonly string[]> {
  const filters = { label: [`orchestrate=${installation}`] };
  const services = await manager.docker.listServices({ filters });
  const lists = await Promise.all([manager, worker].map(({ docker }) => docker.listContainers({ all: true, filters })));
  return [...services.map(({ ID: id }) => id), ...lists.flat().map(({ Id: id }) => id)];
}

async function nothingLeft(): Promise<void> {
  await until(async () => (await left()).length === 0);
}

async function updateWorker(change: Readonly<Record<string, unknown>>): Promise<void> {
  const node = manager.docker.getNode(workerId);
  const { Version: version, Spec: spec } = await node.inspect();
  await node.update({ ...spec, ...change, version: version.Index } as never);
}

describe('a Swarm of two nodes', () => {
  it('takes an attempt each, makes a third wait, and holds nothing that was released', async () => {
    {
      await using placement = await open();
      const nodes = await Promise.all(['one.1', 'two.1'].map((attempt) => place(placement, attempt)));
      expect(nodes.map(({ name }) => name).sort()).toEqual([manager.name, worker.name]);
      const said: string[] = [];
      const third = place(placement, 'three.1', [], said);
      await until(async () => said.some((reason) => reason.includes('insufficient resources on 2 nodes')));
      await release(placement, 'two.1');
      expect(await third).toEqual(nodes[1]);
    }
    await nothingLeft();
  });

  it('holds a place with a container that has no right', async () => {
    await using placement = await open();
    const { docker } = machineOf(await place(placement, 'one.1'));
    const [idle] = await docker.listContainers({ filters: { label: [`orchestrate=${installation}`] } });
    const { Config: config, HostConfig: host } = await docker.getContainer(idle?.Id ?? '').inspect();
    expect([config.Image, config.User]).toEqual([PLACEMENT_IMAGE, '65534:65534']);
    expect([host.ReadonlyRootfs, host.PidsLimit, host.LogConfig?.Type]).toEqual([true, 8, 'none']);
    expect(host.CapDrop?.join()).toMatch(/^(?:CAP_)?ALL$/);
  });

  it('has nodes whose engines are reached as hosts, chosen by their labels', async () => {
    await using placement = await open();
    await expect(place(placement, 'one.1', ['gpu'])).rejects.toMatchObject({ code: 'SWARM_NO_NODE' });
    await updateWorker({ Labels: { gpu: 'true' } });
    const node = await place(placement, 'one.1', ['gpu']);
    expect(node).toMatchObject({ name: worker.name, address: worker.address, isManagerItself: false });
    await using ssh = await connectHost(nodeHost({ address: 'ssh://ops@{addr}' }, node), network.env);
    expect((await ssh.docker.info()).Name).toBe(worker.name);
    await using tls = await connectHost(nodeHost({ address: 'tcp://{addr}:2376', tls: worker.tlsFolder }, node), {});
    expect((await tls.docker.info()).Name).toBe(worker.name);
  });

  it('takes the place of an attempt away when its node is drained, and places the next elsewhere', async () => {
    await using placement = await open();
    const taken = new Promise((resolve) => placement.onTaken((attempt, why) => resolve([attempt, why])));
    await place(placement, 'one.1', ['gpu']);
    await updateWorker({ Availability: 'drain' });
    expect(await taken).toEqual(['one.1', `its node ${worker.name} is drained`]);
    expect((await place(placement, 'one.2')).name).toBe(manager.name);
    await release(placement, 'one.1');
    await updateWorker({ Availability: 'active' });
  });

  it('is given back what a coordinator held that was cut off, by the next run or a clean-up', async () => {
    const cutOff = await open('R1');
    await place(cutOff, 'one.1');
    await using next = await open('R2');
    await nothingLeft();
    await place(next, 'two.1');
    const swept = await sweep(manager.docker, installation, { kinds: RUN_KINDS, types: ['service'], dryRun: false });
    expect(swept).toEqual([{ type: 'service', name: `orchestrate-${installation}-two_1`, kind: 'placement' }]);
    await nothingLeft();
    await cutOff[Symbol.asyncDispose]();
  });

  it('takes the place of an attempt away when its node is gone', async () => {
    await using placement = await open();
    const taken = new Promise((resolve) => placement.onTaken((attempt, why) => resolve([attempt, why])));
    await place(placement, 'one.1', ['gpu']);
    await worker.powerOff();
    expect(await taken).toEqual(['one.1', `its node ${worker.name} is down`]);
    await release(placement, 'one.1');
    expect((await place(placement, 'one.2')).name).toBe(manager.name);
  });
});
