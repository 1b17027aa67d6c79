import { describe, expect, it } from 'vitest';
import { agentContainer, keeperContainer, overlayOptions } from '../../src/sandbox/docker/spec.ts';
import type { AttemptId, ObjectId, TaskId } from '../../src/types.ts';

const folders = { lower: ['/v/t/b/f', '/v/t/a/f'], upper: '/v/a/x.1/u', work: '/v/a/x.1/w' };
const body = agentContainer(
  {
    attempt: 'x.1' as AttemptId,
    task: 'x' as TaskId,
    containerName: 'orchestrate-abc-x.1',
    tree: 'a'.repeat(40) as ObjectId,
    argv: ['/bin/sh', '-c', 'true'],
    env: { HOME: '/home/agent' },
    homeFiles: [],
    limits: { memoryBytes: 2 ** 30, cpus: 1.5, pids: 100, diskBytes: 2 ** 30 },
    timeoutMs: 60_000,
  },
  {
    installation: 'abc',
    run: 'r1',
    image: 'orchestrate-agent:1',
    readOnlyRoot: true,
    toolboxVolume: 'toolbox',
    workspace: folders,
    home: folders,
  },
);
const host = body.HostConfig ?? {};

describe('the create body of an agent', () => {
  it('leaves no network, no capability, no privilege and no path of the host', () => {
    expect(host).toMatchObject({
      NetworkMode: 'none',
      CapDrop: ['ALL'],
      CapAdd: [],
      SecurityOpt: ['no-new-privileges:true'],
      Privileged: false,
      ReadonlyRootfs: true,
      Init: false,
      IpcMode: 'private',
      CgroupnsMode: 'private',
    });
    expect(host.Binds).toBeUndefined();
    expect(host.Mounts?.map((mount) => mount.Type)).toEqual(['volume', 'volume', 'volume']);
    expect(body.User).toBe('61000:61000');
  });

  it('bounds memory without swap, processors, processes, descriptors and logs', () => {
    expect(host).toMatchObject({
      Memory: 2 ** 30,
      MemorySwap: 2 ** 30,
      NanoCpus: 1.5e9,
      PidsLimit: 100,
      LogConfig: { Type: 'local', Config: { 'max-size': '10m', 'max-file': '3' } },
    });
    expect(host.Ulimits).toContainEqual({ Name: 'core', Soft: 0, Hard: 0 });
  });

  it('keeps an image from filling the volumes and takes them away with the container', () => {
    for (const mount of host.Mounts ?? []) expect(mount.VolumeOptions?.NoCopy).toBe(true);
    expect(host.Mounts?.filter((mount) => mount.Source === '')).toHaveLength(2);
    expect(host.Mounts?.[2]).toMatchObject({ Source: 'toolbox', ReadOnly: true });
  });

  it('hands the agent nothing of the environment but what the engine asked for', () => {
    expect(body.Env).toHaveLength(1);
    const toolbox = JSON.parse((body.Env?.[0] ?? '').replace('ORCHESTRATE_TOOLBOX=', ''));
    expect(toolbox.env).toEqual({ HOME: '/home/agent' });
  });

  it('ends by itself soon after the coordinator should have ended it', () => {
    const toolbox = JSON.parse((body.Env?.[0] ?? '').replace('ORCHESTRATE_TOOLBOX=', ''));
    expect(toolbox.deadlineMs).toBeGreaterThan(60_000);
    expect(toolbox.deadlineMs + toolbox.graceMs).toBeLessThanOrEqual(60_000 + 60_000);
  });

  it('names itself so that a later process finds it', () => {
    expect(body.Labels).toMatchObject({
      orchestrate: 'abc',
      'orchestrate.kind': 'agent',
      'orchestrate.run': 'r1',
      'orchestrate.attempt': 'x.1',
    });
  });
});

describe('the keeper', () => {
  it('has three capabilities and no network', () => {
    const keeper = keeperContainer({ installation: 'abc', run: 'r1', name: 'k', image: 'i', storeVolume: 's' });
    expect(keeper.HostConfig).toMatchObject({
      NetworkMode: 'none',
      CapDrop: ['ALL'],
      CapAdd: ['DAC_READ_SEARCH', 'CHOWN', 'FOWNER'],
      ReadonlyRootfs: true,
    });
  });
});

describe('overlay options', () => {
  it('stay within a page with the most layers there may be', () => {
    const store = `/var/lib/docker/volumes/orchestrate-0123456789ab-store/_data`;
    const lower = Array.from({ length: 9 }, (_, index) => `${store}/t/${String(index).repeat(64)}/f`);
    const attempt = `${store}/a/${'x'.repeat(40)}.100`;
    expect(overlayOptions({ lower, upper: `${attempt}/u`, work: `${attempt}/w` }).length).toBeLessThan(4096);
  });
});
