import { describe, expect, it } from 'vitest';
import { couldLimitRoots } from '../../src/sandbox/docker/root-quota.ts';
import { setUpConfig, setUpContainer, setUpEnvironment } from '../../src/sandbox/docker/set-up-spec.ts';
import {
  agentContainer,
  gatewayContainer,
  keeperContainer,
  overlayOptions,
  probeContainer,
} from '../../src/sandbox/docker/spec.ts';
import type { AttemptId, ObjectId, TaskId } from '../../src/types.ts';

const image = {
  id: 'sha256:1',
  name: 'orchestrate-agent:1',
  isOurs: true,
  variables: ['NODE_OPTIONS', 'ORCHESTRATE_TOOLBOX', 'PATH'],
  path: '/image/bin:/bin',
};
const folders = { lower: ['/v/t/b/f', '/v/t/a/f'], upper: '/v/a/x.1/u', work: '/v/a/x.1/w' };
const spec = {
  attempt: 'x.1' as AttemptId,
  task: 'x' as TaskId,
  containerName: 'orchestrate-abc-x.1',
  tree: 'a'.repeat(40) as ObjectId,
  commit: 'b'.repeat(40) as ObjectId,
  argv: ['/bin/sh', '-c', 'true'],
  env: { HOME: '/home/agent' },
  homeFiles: [],
  limits: { memoryBytes: 2 ** 30, cpus: 1.5, pids: 100, diskBytes: 2 ** 30 },
  timeoutMs: 60_000,
  hasGateway: false,
  toolboxToken: null,
};
const place = {
  installation: 'abc',
  run: 'r1',
  image,
  toolboxVolume: 'toolbox',
  gatewayVolume: null,
  limitsRoot: false,
  workspace: folders,
  home: folders,
  context: null,
  runtime: null,
};
const body = agentContainer(spec, place);
const host = body.HostConfig ?? {};
const toolbox = () => JSON.parse((body.Env?.[0] ?? '').replace('ORCHESTRATE_TOOLBOX=', ''));

describe('the create body of a check', () => {
  it('is an agent’s, and labelled as what it is', () => {
    const check = agentContainer({ ...spec, kind: 'check' }, place);
    const kind = { 'orchestrate.kind': 'check' };
    const relabelled = JSON.stringify(host.Mounts).replaceAll(
      '"orchestrate.kind":"agent"',
      '"orchestrate.kind":"check"',
    );
    expect(check.Labels).toEqual({ ...body.Labels, ...kind });
    expect(check.HostConfig).toEqual({ ...host, Mounts: JSON.parse(relabelled) });
    expect({ ...check, Labels: null, HostConfig: null }).toEqual({ ...body, Labels: null, HostConfig: null });
  });
});

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

  it('hands the agent nothing of the environment but what the engine asked for, and where the image has its programs', () => {
    expect(toolbox().env).toEqual({ HOME: '/home/agent', PATH: '/image/bin:/bin' });
  });

  it("takes the image's variables away from PID 1", () => {
    expect(body.Env?.slice(1)).toEqual(['OPENSSL_CONF=/dev/null', 'NODE_OPTIONS', 'PATH']);
  });

  it('ends by itself soon after the coordinator should have ended it', () => {
    const { deadlineMs, graceMs } = toolbox();
    expect(deadlineMs).toBeGreaterThan(60_000);
    expect(deadlineMs + graceMs).toBeLessThanOrEqual(60_000 + 60_000);
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
    const keeper = keeperContainer({
      installation: 'abc',
      run: 'r1',
      name: 'k',
      image: 'i',
      storeVolume: 's',
      toolboxVolume: 't',
    });
    expect(keeper.HostConfig).toMatchObject({
      NetworkMode: 'none',
      CapDrop: ['ALL'],
      CapAdd: ['DAC_READ_SEARCH', 'CHOWN', 'FOWNER'],
      ReadonlyRootfs: true,
    });
  });
});

describe('the root file system', () => {
  it('has a quota where the engine can hold one', () => {
    expect(host.StorageOpt).toBeUndefined();
    const bounded = agentContainer(spec, { ...place, limitsRoot: true }).HostConfig;
    expect(bounded?.StorageOpt).toEqual({ size: String(2 ** 30) });
  });

  it.each([
    ['overlay2', 'xfs', true],
    ['overlay2', 'extfs', false],
    ['vfs', 'xfs', false],
  ])('is asked about on %s over %s: %s', (driver, backing, could) => {
    expect(couldLimitRoots({ Driver: driver, DriverStatus: [['Backing Filesystem', backing]] })).toBe(could);
    expect(couldLimitRoots({ Driver: driver, DriverStatus: null })).toBe(false);
  });
});

describe('a sandbox with a gateway', () => {
  const { HostConfig: config, Env: env } = agentContainer(
    { ...spec, hasGateway: true },
    { ...place, gatewayVolume: 'gateway' },
  );

  it('has no network either, but a folder with its socket that it cannot change', () => {
    expect(config?.NetworkMode).toBe('none');
    expect(config?.Mounts?.at(-1)).toMatchObject({ Source: 'gateway', Target: '/run/orchestrate', ReadOnly: true });
  });

  it('has a port of its own loopback forwarded to that socket by process 1', () => {
    expect(env?.[0]).toContain('"forward":{"port":47821,"socket":"/run/orchestrate/gateway.sock"}');
    expect(toolbox().forward).toBeNull();
  });
});

describe('the create body of the gateway', () => {
  const at = { installation: 'abc', run: 'r1', name: 'gateway', image: 'sidecar', volume: 'gateway' };

  it('is an ordinary user without any capability, of another id than the agents', () => {
    const gateway = gatewayContainer({ ...at, dials: true });
    expect(gateway.User).toBe('61001:61001');
    expect(gateway.HostConfig).toMatchObject({
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges:true'],
      ReadonlyRootfs: true,
    });
    expect(gateway.HostConfig?.CapAdd).toBeUndefined();
  });

  it('has a network only where it makes connections itself', () => {
    expect(gatewayContainer({ ...at, dials: true }).HostConfig?.NetworkMode).toBe('bridge');
    expect(gatewayContainer({ ...at, dials: false }).HostConfig?.NetworkMode).toBe('none');
  });

  it('carries nothing in its environment or arguments that says whose keys it holds', () => {
    const { Env: env, Entrypoint: entrypoint } = gatewayContainer({ ...at, dials: true });
    expect(env).toBeUndefined();
    expect(entrypoint).toEqual(['tini', '--', 'node', '--disable-sigusr1', '/orchestrate/gateway/main.js', 'serve']);
  });
});

describe('a workspace that is only looked at', () => {
  it.each([
    ['an overlay', folders, `${overlayOptions(folders)},ro`],
    ['a folder', { folder: '/v/a/x.1/f' }, 'bind,ro'],
  ])('cannot be written where it is %s, while the home can', (_what, workspace, options) => {
    const mounts = agentContainer({ ...spec, isReadOnly: true }, { ...place, workspace }).HostConfig?.Mounts ?? [];
    const written = mounts.map((mount) => mount.VolumeOptions?.DriverConfig?.Options?.o);
    expect(written.slice(0, 2)).toEqual([options, overlayOptions(folders)]);
    // Engines take no such mount of a volume without a name.
    expect(mounts[0]).not.toHaveProperty('ReadOnly');
  });
});

describe('a workspace without an overlay', () => {
  it('is a folder of the store and nothing else', () => {
    const placed = { ...place, workspace: { folder: '/v/a/x.1/f' }, home: { folder: '/v/a/x.1/h' } };
    const mounts = agentContainer(spec, placed).HostConfig?.Mounts ?? [];
    expect(mounts.map((mount) => mount.VolumeOptions?.DriverConfig?.Options)).toEqual([
      { type: 'none', device: '/v/a/x.1/f', o: 'bind' },
      { type: 'none', device: '/v/a/x.1/h', o: 'bind' },
      {},
    ]);
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

describe('the create body of a set-up', () => {
  const reaching = { ...spec, hasGateway: true };
  const egress = { url: 'http://127.0.0.1:47821', token: 'c0ffee', registries: [] };
  const made = setUpContainer(reaching, { ...place, gatewayVolume: 'gateway' });

  it("is an agent's but for root, a few capabilities and a root file system to write to", () => {
    const { User, Entrypoint, Env, Labels, HostConfig, ...rest } = made;
    expect(body).toMatchObject(rest);
    const { CapAdd, ReadonlyRootfs, Mounts, ...others } = HostConfig ?? {};
    expect(host).toMatchObject(others);
    expect([User, CapAdd, ReadonlyRootfs]).toEqual([
      '0:0',
      ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'SETGID', 'SETUID'],
      false,
    ]);
    expect(Labels).toEqual({ orchestrate: 'abc', 'orchestrate.kind': 'setup', 'orchestrate.schema': '1' });
    expect(Mounts?.slice(2)).toMatchObject([
      { Source: 'toolbox', ReadOnly: true },
      { Source: 'gateway', Target: '/run/orchestrate', ReadOnly: true },
    ]);
    expect(setUpContainer(spec, place).HostConfig?.Mounts).toHaveLength(3);
  });

  it('has no command, no token and no variable with a value in what becomes the configuration of an image', () => {
    expect(made.Env).toEqual(image.variables);
    expect(JSON.stringify([made.Entrypoint, made.Cmd, made.Labels])).not.toMatch(/c0ffee|true|47821/);
  });

  it('is told the rest in a file of its home', () => {
    const env = setUpEnvironment(image, egress);
    const config = setUpConfig({ ...reaching, env }, image);
    expect(made.Entrypoint?.at(-1)).toBe(`/home/agent/${config.path}`);
    expect(JSON.parse(config.content.toString())).toMatchObject({
      argv: ['/bin/sh', '-c', 'true'],
      env: { PATH: '/image/bin:/bin', HTTPS_PROXY: 'http://setup:c0ffee@127.0.0.1:47821', HOME: '/home/agent' },
      forward: { port: 47_821, socket: '/run/orchestrate/gateway.sock' },
    });
    expect(JSON.parse(setUpConfig(spec, image).content.toString()).forward).toBeNull();
    expect(Object.keys(setUpEnvironment({ ...image, isOurs: false }, null)).join()).not.toMatch(/PROXY|CERT/i);
  });
});

describe('the log of each container that runs', () => {
  const ours = { installation: 'abc', run: 'r1', name: 'n', image: 'i' };
  it.each([
    ['an agent', body],
    ['a check', agentContainer({ ...spec, kind: 'check' }, place)],
    ['a set-up', setUpContainer(spec, place)],
    ['the keeper', keeperContainer({ ...ours, storeVolume: 's', toolboxVolume: 't' })],
    ['the gateway', gatewayContainer({ ...ours, volume: 'v', dials: true })],
    ['a probe', probeContainer({ ...ours, workspace: folders, script: 'true' })],
  ])('is bounded: of %s', (_, { HostConfig }) => {
    expect(HostConfig?.LogConfig).toMatchObject({ Config: { 'max-size': '10m', 'max-file': '3' } });
  });
});
