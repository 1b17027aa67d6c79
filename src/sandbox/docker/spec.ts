/** The create bodies of agent and keeper containers as plain data: every hardening field stands here and nowhere else. */

import path from 'node:path';
import type { ContainerCreateOptions, MountSettings } from 'dockerode';
import { CONTROL_SOCKET, GATEWAY_MOUNT, GATEWAY_PORT, GATEWAY_SOCKET } from '../../gateway/protocol.ts';
import type { ToolboxConfig } from '../../toolbox/config.ts';
import type { SandboxSpec } from '../sandbox.ts';
import type { AgentImage } from './agent-image.ts';
import { ATTEMPT_LABEL, labels, RUN_LABEL } from './names.ts';

/** All agents run as one fixed high uid: the layers below their overlays belong to it; rootless engines map up to 65,535. */
export const AGENT_UID = 61_000;
/** Of the gateway: nobody else's, and not the agents'. */
const GATEWAY_UID = 61_001;
export const AGENT_USER = `${AGENT_UID}:${AGENT_UID}`;
export const AGENT_HOME = '/home/agent';
/** Files of the keeper that the agent can read, and its outbox. */
const CONTEXT_MOUNT = '/context';
export const WORKSPACE = '/workspace';
export const TOOLBOX_MOUNT = '/opt/orchestrate';
export const TOOLBOX_NODE = `${TOOLBOX_MOUNT}/bin/node`;
export const TOOLBOX_NODE_FLAGS: readonly string[] = [
  // Without it SIGUSR1, which an agent may send, opens Node's debugger inside this process.
  '--disable-sigusr1',
  // V8's background tasks can keep Node from ever exiting (nodejs/node#54918), and this process has to.
  '--single-threaded',
];
export const TOOLBOX_PROGRAM = `${TOOLBOX_MOUNT}/programs/toolbox/main.js`;
export const STORE_MOUNT = '/store';
/** Every folder that a sandbox has from us. */
export const OUR_MOUNTS: readonly string[] = [WORKSPACE, AGENT_HOME, CONTEXT_MOUNT, TOOLBOX_MOUNT, '/tmp', '/run'];

/** Time between SIGTERM and SIGKILL, milliseconds. */
export const STOP_GRACE_MS = 10_000;
/** How long after the coordinator's own deadline the toolbox ends an attempt without us, milliseconds. */
export const BACKSTOP_MS = 15_000;

/** The typings lack this field. */
type HostConfig = NonNullable<ContainerCreateOptions['HostConfig']> & { readonly CgroupnsMode: 'private' };

const MIB = 1024 * 1024;
/** An engine without CAP_SYS_RESOURCE (rootless, nested) cannot go above its own hard limit, 20,000 on some. */
const OPEN_FILES = 16_384;
/** Not compressed: an agent that prints without end would have the engine do that without end, on the host's account. */
const LOG_CONFIG = { Type: 'local', Config: { 'max-size': '10m', 'max-file': '3', compress: 'false' } };

/** Where an attempt's overlay lies, all paths as the engine's host sees them. */
export interface OverlayFolders {
  /** Top first. */
  readonly lower: readonly string[];
  readonly upper: string;
  readonly work: string;
}

/** A folder of the store as it is, where the engine cannot do overlays. */
export interface PlainFolder {
  /** As the engine's host sees it. */
  readonly folder: string;
}

export interface AgentPlacement {
  readonly installation: string;
  readonly run: string;
  /** Of ours the root file system can be read-only. Others write below /go, /usr/local/cargo and the like. */
  readonly image: AgentImage;
  readonly toolboxVolume: string;
  /** Null for an attempt that reaches nothing at all. */
  readonly gatewayVolume: string | null;
  /** Whether the engine can bound what is written into the root file system. */
  readonly limitsRoot: boolean;
  readonly workspace: OverlayFolders | PlainFolder;
  readonly home: OverlayFolders | PlainFolder;
  /** Null where nobody is to find a context. */
  readonly context: PlainFolder | null;
  /** One of the engine's; null: its default. */
  readonly runtime: string | null;
}

/**
 * Option string of an overlay mount. `userxattr` keeps redirects and metacopy off whatever the host's defaults are.
 * The kernel takes less than a page of it.
 */
export function overlayOptions(folders: OverlayFolders): string {
  return `lowerdir=${folders.lower.join(':')},upperdir=${folders.upper},workdir=${folders.work},userxattr,nosuid,nodev`;
}

/**
 * Anonymous, so that `rm -v` takes it away with the container; NoCopy, or the image's folder would be copied into it. Engines
 * take no mount of an anonymous volume that is read-only: the volume itself is.
 */
function storeMount(
  target: string,
  folders: OverlayFolders | PlainFolder,
  volumeLabels: Record<string, string>,
  isReadOnly = false,
): MountSettings {
  const { o, ...device } =
    'folder' in folders
      ? { type: 'none', device: folders.folder, o: 'bind' }
      : { type: 'overlay', device: 'overlay', o: overlayOptions(folders) };
  const options = { ...device, o: isReadOnly ? `${o},ro` : o };
  return {
    Type: 'volume',
    Source: '',
    Target: target,
    VolumeOptions: {
      NoCopy: true,
      Labels: volumeLabels,
      DriverConfig: { Name: 'local', Options: options },
    },
  };
}

/**
 * PID 1's own environment, none of which reaches the agent. A name without a value takes a variable of the image away:
 * NODE_OPTIONS or LD_PRELOAD of an image would run its code inside PID 1. OpenSSL would read a file of the image.
 */
function environmentOfPid1(toolbox: ToolboxConfig, image: AgentImage): string[] {
  const ours = [`ORCHESTRATE_TOOLBOX=${JSON.stringify(toolbox)}`, 'OPENSSL_CONF=/dev/null'];
  const set = ours.map((variable) => variable.slice(0, variable.indexOf('=')));
  return [...ours, ...image.variables.filter((name) => !set.includes(name))];
}

/** What PID 1 does in the agent's container. */
export function toolboxConfig(spec: SandboxSpec, image: AgentImage): ToolboxConfig {
  return {
    argv: spec.argv,
    // Programs of an image are where it says; nothing else of its environment reaches the agent.
    env: image.path === null ? spec.env : { ...spec.env, PATH: image.path },
    cwd: WORKSPACE,
    oneStream: spec.oneStream ?? false,
    folders: [],
    forward: spec.hasGateway ? { port: GATEWAY_PORT, socket: GATEWAY_SOCKET } : null,
    deadlineMs: spec.timeoutMs + BACKSTOP_MS,
    graceMs: STOP_GRACE_MS,
    tools: spec.toolboxToken === null ? null : { socket: GATEWAY_SOCKET, token: spec.toolboxToken },
  };
}

/** What every sandbox has mounted. */
export function sandboxMounts(
  at: AgentPlacement,
  volumeLabels: Record<string, string>,
  isReadOnly = false,
): MountSettings[] {
  return [
    storeMount(WORKSPACE, at.workspace, volumeLabels, isReadOnly),
    storeMount(AGENT_HOME, at.home, volumeLabels),
    ...(at.context === null ? [] : [storeMount(CONTEXT_MOUNT, at.context, volumeLabels)]),
    { Type: 'volume', Source: at.toolboxVolume, Target: TOOLBOX_MOUNT, ReadOnly: true, VolumeOptions: noCopy() },
    ...(at.gatewayVolume === null ? [] : [gatewayMount(at.gatewayVolume)]),
  ];
}

/** The container of an agent, or of a check: no network, no capability, no new privileges, bounded, and no path of the host. */
export function agentContainer(spec: SandboxSpec, at: AgentPlacement): ContainerCreateOptions & { name: string } {
  const ids = { [RUN_LABEL]: at.run, [ATTEMPT_LABEL]: spec.attempt };
  const objectLabels = labels(at.installation, spec.kind ?? 'agent', ids);
  const tmpBytes = Math.min(spec.limits.memoryBytes / 2, 2048 * MIB);
  const owner = `uid=${AGENT_UID},gid=${AGENT_UID}`;
  const hostConfig: HostConfig = {
    ...(at.runtime === null ? {} : { Runtime: at.runtime }),
    NetworkMode: 'none',
    // Without a network a container cannot resolve its own name otherwise; Java and Erlang break then.
    ExtraHosts: ['sandbox:127.0.0.1'],
    CapDrop: ['ALL'],
    CapAdd: [],
    SecurityOpt: ['no-new-privileges:true'],
    Privileged: false,
    UsernsMode: '',
    PidMode: '',
    UTSMode: '',
    IpcMode: 'private',
    CgroupnsMode: 'private',
    ReadonlyRootfs: at.image.isOurs,
    Init: false,
    ShmSize: 64 * MIB,
    Tmpfs: {
      // `exec` written out: the engine adds noexec when it is merely left out, and test runners start programs from there.
      '/tmp': `rw,exec,nosuid,nodev,size=${Math.floor(tmpBytes)},nr_inodes=500000,mode=1777`,
      '/run': `rw,exec,nosuid,nodev,size=${64 * MIB},nr_inodes=50000,${owner},mode=0755`,
    },
    Mounts: sandboxMounts(at, objectLabels, spec.isReadOnly),
    // Where the engine has no such quota, the disk watch alone bounds it.
    ...(at.limitsRoot ? { StorageOpt: { size: String(spec.limits.diskBytes) } } : {}),
    Memory: spec.limits.memoryBytes,
    MemorySwap: spec.limits.memoryBytes,
    NanoCpus: Math.round(spec.limits.cpus * 1e9),
    CpuShares: 512,
    BlkioWeight: 300,
    PidsLimit: spec.limits.pids,
    OomScoreAdj: 500,
    Ulimits: [
      { Name: 'nofile', Soft: OPEN_FILES, Hard: OPEN_FILES },
      { Name: 'core', Soft: 0, Hard: 0 },
    ],
    LogConfig: LOG_CONFIG,
    AutoRemove: false,
    RestartPolicy: { Name: 'no' },
  };
  return {
    name: spec.containerName,
    Image: at.image.id,
    User: AGENT_USER,
    Hostname: 'sandbox',
    WorkingDir: WORKSPACE,
    Entrypoint: [TOOLBOX_NODE, ...TOOLBOX_NODE_FLAGS, TOOLBOX_PROGRAM],
    Cmd: [],
    Env: environmentOfPid1(toolboxConfig(spec, at.image), at.image),
    Healthcheck: { Test: ['NONE'] },
    Tty: false,
    OpenStdin: false,
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    StopSignal: 'SIGTERM',
    Labels: objectLabels,
    HostConfig: hostConfig,
  };
}

export interface KeeperPlacement {
  readonly installation: string;
  readonly run: string;
  readonly name: string;
  readonly image: string;
  readonly storeVolume: string;
  /** Mounted only to be in use: nobody can remove or prune it between two agents of the run. */
  readonly toolboxVolume: string;
}

/** The trusted keeper: root, but only with the three capabilities it needs to read and hand over agents' files. */
export function keeperContainer(at: KeeperPlacement): ContainerCreateOptions & { name: string } {
  const hostConfig: HostConfig = {
    NetworkMode: 'none',
    CapDrop: ['ALL'],
    CapAdd: ['DAC_READ_SEARCH', 'CHOWN', 'FOWNER'],
    SecurityOpt: ['no-new-privileges:true'],
    IpcMode: 'private',
    CgroupnsMode: 'private',
    ReadonlyRootfs: true,
    Tmpfs: { '/tmp': `rw,nosuid,nodev,size=${1024 * MIB},mode=1777` },
    Mounts: [
      { Type: 'volume', Source: at.storeVolume, Target: STORE_MOUNT, VolumeOptions: noCopy() },
      { Type: 'volume', Source: at.toolboxVolume, Target: TOOLBOX_MOUNT, ReadOnly: true, VolumeOptions: noCopy() },
    ],
    PidsLimit: 512,
    LogConfig: LOG_CONFIG,
    RestartPolicy: { Name: 'no' },
  };
  return {
    name: at.name,
    Image: at.image,
    User: '0:0',
    Hostname: 'keeper',
    WorkingDir: '/',
    Healthcheck: { Test: ['NONE'] },
    Tty: false,
    OpenStdin: false,
    Labels: labels(at.installation, 'keeper', { [RUN_LABEL]: at.run }),
    HostConfig: hostConfig,
  };
}

export interface GatewayPlacement {
  readonly installation: string;
  readonly run: string;
  readonly name: string;
  readonly image: string;
  readonly volume: string;
  /** Whether it dials for itself; else the coordinator makes every connection, and it needs no network. */
  readonly dials: boolean;
}

/** The trusted gateway: an ordinary user without any capability, and the only container of ours with a network. */
export function gatewayContainer(at: GatewayPlacement): ContainerCreateOptions & { name: string } {
  const hostConfig: HostConfig = {
    NetworkMode: at.dials ? 'bridge' : 'none',
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges:true'],
    IpcMode: 'private',
    CgroupnsMode: 'private',
    ReadonlyRootfs: true,
    Tmpfs: {
      [path.dirname(CONTROL_SOCKET)]:
        `rw,noexec,nosuid,nodev,size=${MIB},uid=${GATEWAY_UID},gid=${GATEWAY_UID},mode=0700`,
    },
    Mounts: [{ Type: 'volume', Source: at.volume, Target: GATEWAY_MOUNT, VolumeOptions: noCopy() }],
    // Request bodies are held while they are checked: half of it at most.
    Memory: 1024 * MIB,
    MemorySwap: 1024 * MIB,
    PidsLimit: 256,
    Ulimits: [
      { Name: 'nofile', Soft: OPEN_FILES, Hard: OPEN_FILES },
      { Name: 'core', Soft: 0, Hard: 0 },
    ],
    LogConfig: LOG_CONFIG,
    // Agents find it again on the same socket.
    RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 5 },
  };
  return {
    name: at.name,
    Image: at.image,
    User: `${GATEWAY_UID}:${GATEWAY_UID}`,
    Hostname: 'gateway',
    WorkingDir: '/',
    Entrypoint: ['tini', '--', 'node', '--disable-sigusr1', '/orchestrate/gateway/main.js', 'serve'],
    Cmd: [],
    Healthcheck: { Test: ['NONE'] },
    Tty: false,
    OpenStdin: false,
    Labels: labels(at.installation, 'gateway', { [RUN_LABEL]: at.run }),
    HostConfig: hostConfig,
  };
}

/** Options of the volume that holds nothing but the gateway's socket: in memory, and the gateway's own. */
export const GATEWAY_VOLUME_OPTIONS: Readonly<Record<string, string>> = {
  type: 'tmpfs',
  device: 'tmpfs',
  o: `size=64k,nr_inodes=16,uid=${GATEWAY_UID},gid=${GATEWAY_UID},mode=0711,nosuid,nodev,noexec`,
};

export interface ProbePlacement {
  readonly installation: string;
  readonly run: string;
  readonly image: string;
  readonly workspace: OverlayFolders;
  /** Run by sh in the workspace, as an agent would. */
  readonly script: string;
}

/** Tries an overlay in our own image, with the rights that an agent has. */
export function probeContainer(at: ProbePlacement): ContainerCreateOptions {
  const objectLabels = labels(at.installation, 'agent', { [RUN_LABEL]: at.run });
  return {
    Image: at.image,
    User: AGENT_USER,
    WorkingDir: WORKSPACE,
    Entrypoint: ['sh', '-c', at.script],
    Cmd: [],
    Healthcheck: { Test: ['NONE'] },
    Labels: objectLabels,
    HostConfig: {
      NetworkMode: 'none',
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges:true'],
      ReadonlyRootfs: true,
      Mounts: [storeMount(WORKSPACE, at.workspace, objectLabels)],
      PidsLimit: 64,
      LogConfig: LOG_CONFIG,
      RestartPolicy: { Name: 'no' },
    },
  };
}

/** The way to the gateway: a socket that the agent may connect to, in a folder that it cannot change. */
function gatewayMount(volume: string): MountSettings {
  return { Type: 'volume', Source: volume, Target: GATEWAY_MOUNT, ReadOnly: true, VolumeOptions: noCopy() };
}

/** dockerode's type wants every option of a volume named. */
function noCopy(): NonNullable<MountSettings['VolumeOptions']> {
  return { NoCopy: true, Labels: {}, DriverConfig: { Name: '', Options: {} } };
}
