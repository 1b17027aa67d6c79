// What a Swarm's nodes are called, where they are, and what stands for an attempt in it.
import { describe, expect, it } from 'vitest';
import { nodeHost } from '../../src/sandbox/swarm/address.ts';
import { type RawNode, readNodes } from '../../src/sandbox/swarm/reading.ts';
import { placementService, serviceName } from '../../src/sandbox/swarm/service.ts';
import type { AttemptId } from '../../src/types.ts';

const NODE = { name: 'build-2', hostname: 'build-2', address: '10.0.0.12', labels: ['gpu'] };
/** Of swarmkit: what a service may be called. */
const DNS_LABEL = /^[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*$/;

function raw(id: string, more: Partial<RawNode> = {}): RawNode {
  const Description = { Hostname: 'vm', Resources: { NanoCPUs: 1.5e9, MemoryBytes: 7 } };
  return { ID: id, Spec: {}, Description, Status: { State: 'ready', Addr: '10.0.0.1' }, ...more };
}

describe('a node of a Swarm', () => {
  it.each([
    [{ address: 'ssh://ops@{addr}' }, NODE, 'ssh://ops@10.0.0.12'],
    [{ address: 'ssh://{hostname}:2222' }, NODE, 'ssh://build-2:2222'],
    [{ address: 'tcp://{addr}:2376', tls: '/certs' }, { ...NODE, address: 'fd00::2' }, 'tcp://[fd00::2]:2376'],
  ])('is a host by the address %o', (swarm, node, url) => {
    expect(nodeHost(swarm, node)).toEqual({
      name: 'build-2',
      url,
      tls: 'tls' in swarm ? swarm.tls : null,
      slots: null,
      labels: ['gpu'],
    });
  });

  it.each([
    ['ssh://ops@{hostname}', { ...NODE, hostname: '-oProxyCommand=evil' }],
    ['ssh://ops@{hostname}', { ...NODE, hostname: 'a@evil' }],
    ['ssh://ops@{addr}', { ...NODE, address: 'evil/x' }],
    ['ssh://ops@{addr}', { ...NODE, address: '' }],
    [null, NODE],
  ])('is none by the address %s where it says %o', (address, node) => {
    const said = (): unknown => nodeHost(address === null ? null : { address }, node);
    expect(said).toThrow(expect.objectContaining({ code: 'SWARM_ADDRESS' }));
  });

  it('has a name of its own, and is where other managers reach it if it does not know itself', () => {
    const manager = { Status: { State: 'ready', Addr: '0.0.0.0' }, ManagerStatus: { Addr: '[fd00::1]:2377' } };
    const nodes = readNodes([raw('aaaaaaaa', manager), raw('bbbbbbbb')], 'bbbbbbbb');
    expect(nodes.map(({ name, address, cpus }) => [name, address, cpus])).toEqual([
      ['vm-aaaaaa', 'fd00::1', 1.5],
      ['vm-bbbbbb', '10.0.0.1', 1.5],
    ]);
    expect(nodes.map(({ isManagerItself: isItself }) => isItself)).toEqual([false, true]);
  });
});

describe('the service of an attempt', () => {
  it('has a name that Swarm takes and no other attempt has, however long the task is called', () => {
    const tasks = ['a', 'a-2', 'x'.repeat(40), `${'x'.repeat(25)}-${'x'.repeat(14)}`, `${'x'.repeat(39)}y`];
    const names = tasks.flatMap((task) => [1, 22].map((n) => serviceName('0123456789ab', `${task}.${n}` as AttemptId)));
    for (const name of names) expect(name).toMatch(DNS_LABEL);
    expect(Math.max(...names.map(({ length }) => length))).toBeLessThanOrEqual(63);
    expect(new Set(names).size).toBe(names.length);
  });

  it('may do nothing but be there, asks no registry, and goes where it may', () => {
    const need = { cpus: 1.5, memoryBytes: 2 ** 30, labels: ['gpu', 'disk=ssd'] };
    const owner = { installation: 'i', run: 'R', architecture: 'aarch64', avoided: ['n1'] };
    expect(placementService('a.1' as AttemptId, need, owner).TaskTemplate).toMatchObject({
      ContainerSpec: {
        ...{
          Image: '127.0.0.1:0/orchestrate-placement:1',
          User: '65534:65534',
          ReadOnly: true,
          CapabilityDrop: ['ALL'],
        },
        Labels: { 'orchestrate.kind': 'placement', 'orchestrate.run': 'R' },
      },
      Resources: { Reservations: { NanoCPUs: 1.5e9, MemoryBytes: 2 ** 30 }, Limits: { MemoryBytes: 2 ** 30, Pids: 8 } },
      RestartPolicy: { Condition: 'none' },
      Placement: {
        Constraints: ['node.labels.gpu==true', 'node.labels.disk==ssd', 'node.id!=n1'],
        Platforms: [{ OS: 'linux', Architecture: 'aarch64' }],
      },
      LogDriver: { Name: 'none' },
    });
  });
});
