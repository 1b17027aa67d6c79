/** What a Docker engine is and can do, read from its own answers. */

import type Docker from 'dockerode';
import type { WorkspaceKind } from '../../types.ts';
import { answered, connectHost } from './connect.ts';
import type { Environment } from './endpoint.ts';
import { LOCAL_ENGINE } from './hosts.ts';
import { rememberedWorkspace } from './workspace-probe.ts';

export interface EngineFacts {
  readonly endpoint: string;
  /** On a socket of this machine, so that its folders can be looked at from here. */
  readonly isLocal: boolean;
  readonly version: string;
  readonly apiVersion: string;
  /** Null where the engine does not say. */
  readonly runc: string | null;
  readonly operatingSystem: string;
  readonly kernel: string;
  readonly architecture: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly storageDriver: string;
  readonly rootFolder: string;
  readonly cgroupVersion: string;
  readonly security: SecurityFacts;
  readonly limits: { readonly memory: boolean; readonly swap: boolean; readonly pids: boolean };
  readonly runtimes: readonly string[];
  readonly defaultRuntime: string;
  readonly liveRestore: boolean;
  readonly loggingDriver: string;
  /** What a run found out about overlay workspaces; null when none has asked yet. */
  readonly workspace: WorkspaceKind | null;
  /** Our images that are there, by reference. */
  readonly images: readonly string[];
}

export interface SecurityFacts {
  /** Name of the profile (`builtin`, `default`, `unconfined`); null where seccomp is off. */
  readonly seccomp: string | null;
  readonly appArmor: boolean;
  readonly selinux: boolean;
  readonly userns: boolean;
  readonly rootless: boolean;
}

/** What `/info` has and @types/dockerode does not know or calls `any`. */
interface Info {
  readonly SecurityOptions?: readonly string[] | null;
  readonly Driver?: string;
  readonly DockerRootDir?: string;
  readonly CgroupVersion?: string;
  readonly MemoryLimit?: boolean;
  readonly SwapLimit?: boolean;
  readonly PidsLimit?: boolean;
  readonly Runtimes?: Readonly<Record<string, unknown>> | null;
  readonly DefaultRuntime?: string;
  readonly LiveRestoreEnabled?: boolean;
  readonly LoggingDriver?: string;
  readonly OperatingSystem?: string;
  readonly KernelVersion?: string;
  readonly Architecture?: string;
  readonly NCPU?: number;
  readonly MemTotal?: number;
}

/** Asks the engine that the docker command line would use. Throws the environment errors of `connectHost`. */
export async function inspectEngine(env: Environment): Promise<EngineFacts> {
  await using connection = await connectHost(LOCAL_ENGINE, env);
  const { docker, endpoint } = connection;
  const [version, info, images, workspace] = await answered(
    endpoint,
    Promise.all([docker.version(), docker.info() as Promise<Info>, ourImages(docker), rememberedWorkspace(docker)]),
  );
  const components = (version as { Components?: readonly { Name: string; Version: string }[] }).Components ?? [];
  return {
    endpoint: endpoint.name,
    isLocal: endpoint.socketPath !== null,
    version: version.Version,
    apiVersion: version.ApiVersion,
    runc: components.find((component) => component.Name === 'runc')?.Version ?? null,
    operatingSystem: info.OperatingSystem ?? 'unknown',
    kernel: info.KernelVersion ?? 'unknown',
    architecture: info.Architecture ?? 'unknown',
    cpus: info.NCPU ?? 0,
    memoryBytes: info.MemTotal ?? 0,
    storageDriver: info.Driver ?? 'unknown',
    rootFolder: info.DockerRootDir ?? '',
    // Engines before 20.10 do not say, and know only version 1.
    cgroupVersion: info.CgroupVersion ?? '1',
    security: readSecurity(info.SecurityOptions ?? []),
    limits: { memory: info.MemoryLimit === true, swap: info.SwapLimit === true, pids: info.PidsLimit === true },
    runtimes: Object.keys(info.Runtimes ?? {}),
    defaultRuntime: info.DefaultRuntime ?? 'unknown',
    liveRestore: info.LiveRestoreEnabled === true,
    loggingDriver: info.LoggingDriver ?? 'unknown',
    workspace,
    images,
  };
}

/** Reads `/info`'s SecurityOptions: `name=seccomp,profile=default`, `name=rootless`, … (old engines: `seccomp`). */
export function readSecurity(options: readonly string[]): SecurityFacts {
  const named = new Map<string, string>();
  for (const option of options) {
    const fields = new Map(option.split(',').map((field) => splitOnce(field)));
    const name = fields.get('name') ?? option;
    named.set(name, fields.get('profile') ?? 'default');
  }
  return {
    seccomp: named.get('seccomp') ?? null,
    appArmor: named.has('apparmor'),
    selinux: named.has('selinux'),
    userns: named.has('userns'),
    rootless: named.has('rootless'),
  };
}

function splitOnce(field: string): readonly [string, string] {
  const at = field.indexOf('=');
  return at < 0 ? [field, ''] : [field.slice(0, at), field.slice(at + 1)];
}

async function ourImages(docker: Docker): Promise<string[]> {
  const images = await docker.listImages({ filters: { reference: ['orchestrate-*'] } });
  return images.flatMap((image) => image.RepoTags ?? []).sort();
}
