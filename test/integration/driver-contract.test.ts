// One contract for every kind of host. The remote one is a machine of its own, with an engine that has no image at all; it
// is reached by TLS and by ssh.

import { randomBytes } from 'node:crypto';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectHost, type EngineConnection } from '../../src/sandbox/docker/connect.ts';
import { LOCAL_ENGINE, type WantedHost } from '../../src/sandbox/docker/hosts.ts';
import { SENT_IMAGE } from '../../src/sandbox/docker/names.ts';
import { ourImage } from '../../src/sandbox/docker/our-images.ts';
import { sweep } from '../../src/sandbox/docker/sweep.ts';
import { nodeHost } from '../../src/sandbox/swarm/address.ts';
import { openSwarmPlacement } from '../../src/sandbox/swarm/placement.ts';
import { tagPlacementImage } from '../../src/sandbox/swarm/service.ts';
import type { AttemptId } from '../../src/types.ts';
import { driverContract } from '../support/driver-contract.ts';
import { baseImage } from '../support/images.ts';
import { MIB } from '../support/promises.ts';
import { type RemoteEngine, RemoteNetwork } from '../support/remote-engine.ts';
import { SandboxBench } from '../support/sandbox.ts';

let network: RemoteNetwork;
let remote: RemoteEngine;
const connections: EngineConnection[] = [];

beforeAll(async () => {
  network = await RemoteNetwork.create();
  remote = await network.add();
});
afterAll(async () => {
  for (const connection of connections) await connection[Symbol.asyncDispose]();
  await network?.[Symbol.asyncDispose]();
});

async function connected(where: Pick<WantedHost, 'url' | 'tls'>): Promise<Docker> {
  const connection = await connectHost({ ...LOCAL_ENGINE, name: remote.name, ...where }, network.env);
  connections.push(connection);
  return connection.docker;
}

const byTls = () => connected({ url: remote.tlsUrl, tls: remote.tlsFolder });
const bySsh = () => connected({ url: remote.sshUrl, tls: null });

/** The bare base under the name of the agents' image, which is much larger. */
async function nameBaseAsOurs(there: Docker): Promise<void> {
  const here = new Docker();
  const reference = await baseImage(here);
  const { Id: id } = await here.getImage(reference).inspect();
  const [repo, tag] = (await ourImage(there, 'orchestrate-agent', { reference, id })).tag.split(':');
  await there.getImage(id).tag({ repo: repo ?? '', tag: tag ?? '' });
}

describe('a remote host without a registry and without any image', () => {
  it('is sent what it needs, once', async () => {
    const base = await baseImage(new Docker());
    const said: string[] = [];
    const open = async () => {
      const options = { image: base, engine: await byTls(), onProgress: (line: string) => said.push(line) };
      await using bench = await SandboxBench.open(options);
      expect((await bench.run('echo there')).output).toBe('there\n');
    };
    await open();
    expect(said[0]).toMatch(/^sending \S+, .*\(about \d+ MB\)$/);
    const before = await remote.traffic();
    said.length = 0;
    await open();
    expect(said).toEqual([]);
    expect((await remote.traffic()).received - before.received).toBeLessThan(1_000_000);
  });

  it('gives back the image of the user with the other caches, under a name that is not theirs', async () => {
    const tags = (await remote.docker.listImages()).flatMap(({ RepoTags }) => RepoTags ?? []);
    expect(tags).not.toContain(await baseImage(new Docker()));
    const swept = await sweep(remote.docker, 'nobody', { kinds: ['cache'], types: ['image'], dryRun: true });
    const names = swept.map(({ name }) => name);
    expect(names).toContain(tags.find((tag) => tag.startsWith(`${SENT_IMAGE}:`)));
  });
});

describe('a remote host that has the images', () => {
  let bench: SandboxBench;
  beforeAll(async () => {
    const docker = await byTls();
    await nameBaseAsOurs(docker);
    // Random, so that nothing of it can be packed.
    const parts = Array.from({ length: 40 }, (_, at) => [`part-${at}`, randomBytes(512 * 1024).toString('hex')]);
    const before = await remote.traffic();
    bench = await SandboxBench.open({ files: Object.fromEntries(parts), engine: docker });
    await bench.run('echo first >first');
    first = all(await remote.traffic()) - all(before);
  });
  afterAll(() => bench?.[Symbol.asyncDispose]());
  let first: number;

  const all = ({ received, sent }: Awaited<ReturnType<RemoteEngine['traffic']>>): number => received + sent;

  it('is sent of a second task, on a new commit of a later run, less than a hundredth of the first', async () => {
    expect(first).toBeGreaterThan(20 * MIB);
    const before = await remote.traffic();
    await bench.scratch.write({ 'part-7': 'less\n', 'new/file': 'new\n' });
    await bench.scratch.git('add', '--all');
    await bench.scratch.git('commit', '--quiet', '--message', 'second');
    await bench.reopen();
    const end = await bench.run('cat part-7 new/file; md5sum <part-3; echo second >second');
    expect(end).toMatchObject({ exitCode: 0, changed: ['second'] });
    expect(end.output).toMatch(/^less\nnew\n/);
    const second = all(await remote.traffic()) - all(before);
    expect(second / first).toBeLessThan(0.01);
  });
});

/** Any of ours that holds what a placement runs. */
async function sidecarOn(docker: Docker): Promise<string> {
  const found = await docker.listImages({ filters: { reference: ['orchestrate-sidecar'] } });
  return found[0]?.Id ?? '';
}

/** Reached as a run reaches it: where Swarm has placed an attempt, by the address that Swarm says. */
async function bySwarm(): Promise<Docker> {
  const other = await network.add();
  const { docker } = remote;
  await docker.swarmInit({ ListenAddr: '0.0.0.0:2377', AdvertiseAddr: remote.address });
  const { JoinTokens: tokens } = await docker.swarmInspect();
  const join = { ListenAddr: '0.0.0.0:2377', AdvertiseAddr: other.address, RemoteAddrs: [`${remote.address}:2377`] };
  await other.docker.swarmJoin({ ...join, JoinToken: tokens.Worker });
  const node = docker.getNode((await docker.info()).Swarm.NodeID);
  const { Version: version, Spec: spec } = await node.inspect();
  await node.update({ ...spec, Labels: { fit: 'true' }, version: version.Index } as never);
  await using placement = await openSwarmPlacement(docker, {
    ...{ installation: randomBytes(6).toString('hex'), run: 'R1', architecture: null, keep: [], onWarning: () => {} },
    prepare: async () => tagPlacementImage(docker, await sidecarOn(docker)),
  });
  const need = { cpus: 0.5, memoryBytes: 64 * MIB, labels: ['fit'] };
  const wanted = { ...need, signal: new AbortController().signal, onWaiting: () => {} };
  const placed = await placement.place('contract.1' as AttemptId, wanted);
  expect(await placement.nodes()).toHaveLength(2);
  const { url } = nodeHost({ address: 'ssh://ops@{addr}' }, placed);
  return connected({ url, tls: null });
}

driverContract('a local host', async () => undefined);
driverContract('a remote host by TLS', byTls);
driverContract('a remote host by ssh', bySsh);
driverContract('a node of a Swarm', bySwarm);
