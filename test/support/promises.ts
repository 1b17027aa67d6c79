/** What a sandbox promises, as probes: how each promise shows from the inside, and what takes its defence out. */

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'vitest';
import { storeVolumeName } from '../../src/sandbox/docker/names.ts';
import {
  type Alteration,
  type AnyHostConfig,
  type Body,
  FIXTURES,
  type LiveSandbox,
  PROMISED_ENVIRONMENT,
  type SandboxBench,
  type SandboxEnd,
  TOOLBOX_NODE,
} from './sandbox.ts';

export const MIB = 1024 ** 2;

/** Runs a mode of test/fixtures/probe/inside.mjs, in any image. */
export const PROBE: readonly string[] = [TOOLBOX_NODE, '/workspace/inside.mjs'];

/** The files that a repository needs for it. */
export async function probeFiles(): Promise<Record<string, string>> {
  const read = (name: string): Promise<string> => readFile(path.join(FIXTURES, 'probe', name), 'utf8');
  return { 'inside.mjs': await read('inside.mjs'), 'syscalls.py': await read('syscalls.py') };
}

/** What altered containers can be given of the outside. */
export interface Outside {
  readonly bench: SandboxBench;
  /** Another sandbox that runs meanwhile; its IPC namespace can be joined. */
  readonly neighbour: LiveSandbox;
  /** A folder of this machine with a file `secret`. */
  readonly hostFolder: string;
  /** A network, whose name is also known as a name in it. */
  readonly network: string;
}

/** What `look` saw; names as in test/fixtures/probe/inside.mjs. */
export interface Seen {
  readonly status: Readonly<Record<string, string>>;
  readonly environment: readonly string[];
  readonly interfaces: readonly string[];
  readonly routes: number;
  readonly dns: string;
  readonly ownName: string;
  readonly dials: readonly string[];
  readonly mounts: readonly { readonly root: string; readonly at: string; readonly options: readonly string[] }[];
  readonly rootOptions: readonly string[];
  readonly files: Readonly<Record<string, string>>;
  readonly written: Readonly<Record<string, string>>;
  readonly pid1: Readonly<Record<string, string>>;
  readonly pid1Folders: Readonly<Record<string, string>>;
  readonly toolboxProgram: string;
  readonly processes: number;
  readonly devices: readonly string[];
  readonly namespaces: Readonly<Record<string, string>>;
  readonly cgroups: readonly string[];
  readonly openFiles: number;
  readonly coreSize: number;
  readonly processors: string;
  readonly tmp: { readonly bytes: number; readonly inodes: number };
  readonly setuid: string;
  readonly user: { readonly username: string };
}

/** Every mount that is ours or the engine's, the kernel's own below /proc, /sys and /dev aside. */
const MOUNT_POINTS = [
  ...[
    '/',
    '/context',
    '/etc/hostname',
    '/etc/hosts',
    '/etc/resolv.conf',
    '/home/agent',
    '/opt/orchestrate',
    '/run',
    '/tmp',
  ],
  '/workspace',
];
/** Masked or read-only by the engine, whatever else this kernel has of the kind. */
const READ_ONLY_KERNEL = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/sys'];
const DEVICES = [
  ...['fd', 'full', 'mqueue', 'null', 'ptmx', 'pts', 'random', 'shm', 'stderr', 'stdin', 'stdout', 'tty', 'urandom'],
  'zero',
];

export async function look(
  bench: SandboxBench,
  options: { readonly alter?: Alteration | undefined; readonly network?: string } = {},
): Promise<Seen> {
  const storeFolder = (await bench.docker.getVolume(storeVolumeName(bench.installation)).inspect()).Mountpoint;
  const question = {
    name: options.network ?? 'name.invalid',
    // The bridge's address where there is one, and an address of the internet.
    addresses: ['172.17.0.1 9', '1.1.1.1 53'],
    files: [
      '/store',
      storeFolder,
      '/host/secret',
      '/var/run/docker.sock',
      '/run/docker.sock',
      '/proc/keys',
      '/proc/kcore',
    ],
    folders: [
      '/',
      '/etc',
      '/usr/bin',
      '/opt/orchestrate',
      '/opt/orchestrate/bin',
      '/context',
      '/context/outbox',
      '/tmp',
      '/run',
      '/workspace',
      '/home/agent',
    ],
    setuid: '/usr/bin/su',
  };
  const end = await bench.run([...PROBE, 'look', JSON.stringify(question)], { alter: options.alter });
  expect(end.exitCode, end.output).toBe(0);
  return JSON.parse(end.output) as Seen;
}

/** One promise: how it shows inside, and what takes its defence out. */
export interface Promised {
  readonly name: string;
  /** `others`: the namespaces of another sandbox, where there is one. */
  readonly holds: (seen: Seen, others: Seen['namespaces']) => boolean;
  readonly without: (outside: Outside) => Alteration;
}

const EMPTY_SET = '0000000000000000';
const identity = (fields: string | undefined): boolean => fields?.split('\t').every((id) => id === '61000') ?? false;

export const PROMISES: readonly Promised[] = [
  {
    name: 'never root, in no identity',
    holds: ({ status }) => identity(status.Uid) && identity(status.Gid) && status.Groups?.trim() === '61000',
    without: () => (body) => {
      body.User = '0:0';
    },
  },
  {
    name: 'no capability in any set',
    holds: ({ status }) => ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].every((set) => status[set] === EMPTY_SET),
    without: () => hostConfig(() => ({ CapDrop: [] })),
  },
  {
    name: 'no new privileges',
    holds: ({ status }) => status.NoNewPrivs === '1',
    without: () => hostConfig(() => ({ SecurityOpt: [] })),
  },
  {
    name: 'nothing gained by a setuid program',
    holds: ({ setuid }) => setuid === '61000',
    without: () => hostConfig(() => ({ SecurityOpt: [] })),
  },
  {
    name: "the engine's system call filter",
    holds: ({ status }) => status.Seccomp === '2',
    without: () => hostConfig(() => ({ SecurityOpt: ['no-new-privileges:true', 'seccomp=unconfined'] })),
  },
  {
    name: 'only the loopback interface, no route',
    holds: ({ interfaces, routes, dials }) =>
      interfaces.join() === 'lo' && routes === 0 && dials.every((code) => code === 'ENETUNREACH'),
    without: () => hostConfig(() => ({ NetworkMode: 'bridge' })),
  },
  {
    name: 'no name is resolved but its own',
    holds: ({ dns, ownName }) => dns === 'EAI_AGAIN' && ownName === '127.0.0.1',
    without: (outside) => (body) => {
      body.HostConfig.NetworkMode = outside.network;
      body.NetworkingConfig = { EndpointsConfig: { [outside.network]: { Aliases: [outside.network] } } };
    },
  },
  {
    name: 'no path of the host is mounted',
    holds: ({ mounts, files }) =>
      mounts
        .map(({ at }) => at)
        .filter((at) => !/^\/(proc|sys|dev)(\/|$)/.test(at))
        .sort()
        .join() === MOUNT_POINTS.join() &&
      files['/host/secret'] === 'ENOENT' &&
      files['/var/run/docker.sock'] === 'ENOENT' &&
      files['/run/docker.sock'] === 'ENOENT',
    without: (outside) => hostConfig(() => ({ Binds: [`${outside.hostFolder}:/host:ro`] })),
  },
  {
    name: 'the store and other attempts are out of sight',
    holds: ({ files }) => Object.entries(files).every(([file, kind]) => !/store/.test(file) || kind === 'ENOENT'),
    without:
      (outside) =>
      ({ HostConfig: host }) =>
        void host.Mounts?.push({
          Type: 'volume',
          Source: storeVolumeName(outside.bench.installation),
          Target: '/store',
          ReadOnly: true,
        }),
  },
  {
    name: 'only the promised environment',
    holds: ({ environment }) => environment.join() === PROMISED_ENVIRONMENT.join(),
    without: () => (body) => toolboxConfig(body, (config) => Object.assign(config.env, { SECRET: 'leaked' })),
  },
  {
    name: 'PID 1 cannot be read',
    holds: ({ pid1, pid1Folders, toolboxProgram }) =>
      [...Object.values(pid1), ...Object.values(pid1Folders), toolboxProgram].every((code) => code === 'EACCES'),
    // The same program from a binary that everybody may read.
    without: () => (body) => {
      const [, ...rest] = body.Entrypoint as string[];
      body.Entrypoint = ['/usr/local/bin/node', ...rest];
    },
  },
  {
    name: 'a read-only root',
    holds: ({ rootOptions, written }) =>
      rootOptions.includes('ro') && ['/', '/etc', '/usr/bin'].every((folder) => written[folder] === 'EROFS'),
    without: () => hostConfig(() => ({ ReadonlyRootfs: false })),
  },
  {
    name: 'no way to change what it is told, but to answer',
    holds: ({ written }) => written['/context'] === 'EACCES' && written['/context/outbox'] === 'written',
    without:
      () =>
      ({ HostConfig: host }) => {
        host.Mounts = host.Mounts?.filter(({ Target }) => Target !== '/context') ?? [];
        host.Tmpfs = { ...host.Tmpfs, '/context': 'rw,uid=61000' };
      },
  },
  {
    name: 'a read-only toolbox',
    holds: ({ written }) => written['/opt/orchestrate'] === 'EROFS' && written['/opt/orchestrate/bin'] === 'EROFS',
    without:
      () =>
      ({ HostConfig: host }) => {
        for (const mount of host.Mounts ?? []) mount.ReadOnly = false;
      },
  },
  {
    name: '/proc and /sys masked',
    holds: ({ files, mounts }) =>
      files['/proc/keys'] === 'device' &&
      ['device', 'ENOENT'].includes(files['/proc/kcore'] ?? '') &&
      mounts.some(({ at }) => at === '/sys/firmware'),
    without: () => hostConfig(() => ({ MaskedPaths: [] })),
  },
  {
    name: 'kernel settings read-only',
    holds: ({ mounts }) =>
      READ_ONLY_KERNEL.every((wanted) => mounts.some(({ at, options }) => at === wanted && options.includes('ro'))),
    without: () => hostConfig(() => ({ ReadonlyPaths: [] })),
  },
  {
    name: 'no device but the harmless ones',
    holds: ({ devices }) => devices.join() === DEVICES.join(),
    without: () =>
      hostConfig(() => ({
        Devices: [{ PathOnHost: '/dev/zero', PathInContainer: '/dev/sda', CgroupPermissions: 'rwm' }],
      })),
  },
  {
    name: 'no process but its own',
    // PID 1, the sub-reaper, the probe.
    holds: ({ processes, namespaces }, others) => processes === 3 && namespaces.pid !== others.pid,
    without: (outside) => hostConfig(() => ({ PidMode: `container:${outside.neighbour.container.id}` })),
  },
  {
    name: 'no cgroup of the host',
    holds: ({ cgroups }) => cgroups.every((cgroup) => cgroup === '/'),
    without: () => hostConfig(() => ({ CgroupnsMode: 'host' })),
  },
  {
    name: 'no shared memory and no queues with others',
    holds: ({ namespaces }, others) => namespaces.ipc !== others.ipc,
    without: (outside) => hostConfig(() => ({ IpcMode: `container:${outside.neighbour.container.id}` })),
  },
  {
    name: 'no namespace with another sandbox',
    holds: ({ namespaces }, others) => Object.entries(namespaces).every(([kind, id]) => id !== others[kind]),
    without: (outside) => (body) => {
      Object.assign(body.HostConfig, { NetworkMode: `container:${outside.neighbour.container.id}`, ExtraHosts: [] });
      delete body.Hostname;
    },
  },
  {
    name: 'bounded files and no core dumps',
    holds: ({ openFiles, coreSize }) => openFiles === 16_384 && coreSize === 0,
    without: () => hostConfig(() => ({ Ulimits: [] })),
  },
  {
    name: 'bounded processors',
    holds: ({ processors }) => processors === '100000',
    without: () => hostConfig(() => ({ NanoCpus: 0 })),
  },
  {
    name: 'a bounded /tmp',
    holds: ({ tmp }) => tmp.bytes === 512 * MIB && tmp.inodes === 500_000,
    without: () => hostConfig(() => ({ Tmpfs: { '/tmp': 'rw,exec,mode=1777' } })),
  },
];

/** Sets fields of the HostConfig; asked late, when what they name is there. */
export function hostConfig(fields: () => AnyHostConfig): Alteration {
  return (body) => void Object.assign(body.HostConfig, fields());
}

export function lastLine(end: SandboxEnd): string {
  return end.output.trim().split('\n').at(-1) || `{"code":"exit ${end.exitCode}"}`;
}

/** A deadline that the toolbox has to hold soon. */
export function hurried(body: Body): void {
  toolboxConfig(body, (config) => Object.assign(config, { deadlineMs: 1_500, graceMs: 500 }));
}

/** Changes what the toolbox is told. */
export function toolboxConfig(
  body: Body,
  change: (config: { env: Record<string, string>; deadlineMs: number; graceMs: number }) => void,
): void {
  const name = 'ORCHESTRATE_TOOLBOX=';
  body.Env = (body.Env ?? []).map((variable) => {
    if (!variable.startsWith(name)) return variable;
    const config = JSON.parse(variable.slice(name.length));
    change(config);
    return `${name}${JSON.stringify(config)}`;
  });
}
