/** The container runtimes of an engine: which one sandboxes get, and which isolation it gives by what it is. */

import type Docker from 'dockerode';
import { environmentError, type OrchestrateError } from '../../errors.ts';
import type { IsolationLevel } from '../sandbox.ts';

/** What gVisor needs in daemon.json: connections to the gateway's socket, and root file systems that the engine sees. */
export const GVISOR_ARGUMENTS: readonly string[] = ['--host-uds=open', '--overlay2=none'];
const GVISOR_ENTRY = `"runtimes": {"runsc": {"path": "/usr/bin/runsc", "runtimeArgs": ${JSON.stringify(GVISOR_ARGUMENTS).replace(',', ', ')}}}`;
const INSTALL_GVISOR = `install gVisor (a current release of its own; that of Debian 12 is too old), put ${GVISOR_ENTRY} into /etc/docker/daemon.json, and have the engine read it: kill -HUP $(pidof dockerd)`;

/** One of the engine's, as its administrator has set it up. */
export interface Runtime {
  readonly name: string;
  /** The program; null where the engine finds it by the name. */
  readonly path: string | null;
  readonly args: readonly string[];
}

export interface EngineRuntimes {
  readonly all: readonly Runtime[];
  readonly byDefault: string;
  /** What sandboxes have of the engine alone, whatever their runtime. */
  readonly level: IsolationLevel;
  /** Release of the kernel that the engine runs on. */
  readonly kernel: string;
}

/** What `/info` says that the typings do not know. */
export interface RuntimeInfo {
  readonly Runtimes?: Readonly<Record<string, { path?: string; runtimeArgs?: readonly string[] | null } | null>> | null;
  readonly DefaultRuntime?: string;
  readonly SecurityOptions?: readonly string[] | null;
  readonly KernelVersion?: string;
}

export function readRuntimes(info: RuntimeInfo): EngineRuntimes {
  const remapped = info.SecurityOptions?.some((option) => /name=(userns|rootless)/.test(option)) ?? false;
  return {
    all: Object.entries(info.Runtimes ?? {}).map(([name, entry]) => ({
      name,
      path: entry?.path ?? null,
      args: entry?.runtimeArgs ?? [],
    })),
    byDefault: info.DefaultRuntime ?? 'runc',
    level: remapped ? 'userns' : 'shared-kernel',
    kernel: info.KernelVersion ?? '',
  };
}

export async function engineRuntimes(docker: Docker): Promise<EngineRuntimes> {
  return readRuntimes((await docker.info()) as RuntimeInfo);
}

/** The ordinary ones, which share the engine's kernel. */
const ORDINARY = /^(runc|crun|youki|io\.containerd\.(runc|runtime)\.v\d(\.linux)?)$/;
/** A shim that newer engines start by its name, without having been told of it. */
const SHIM = /^io\.containerd\.[a-z0-9-]+\.v\d+$/;

/**
 * What sandboxes are to have: the one that the user names, else the engine's default. Null where that is an ordinary one,
 * about which there is nothing to find out. Environment error RUNTIME_UNKNOWN for one that the engine does not have.
 */
export function chooseRuntime(wanted: string | null, { all, byDefault }: EngineRuntimes): Runtime | null {
  const name = wanted ?? byDefault;
  if (wanted === null && ORDINARY.test(name)) return null;
  const found = all.find((runtime) => runtime.name === name);
  if (found !== undefined) return found;
  if (wanted === null || SHIM.test(name)) return { name, path: null, args: [] };
  throw unknownRuntime(name, all);
}

export function unknownRuntime(name: string, all: readonly Runtime[]): OrchestrateError {
  const there = all.map((runtime) => runtime.name).sort();
  return environmentError('RUNTIME_UNKNOWN', `the Docker engine has no runtime "${name}", only ${there.join(', ')}`, {
    hint: INSTALL_GVISOR,
  });
}

/** What one looks like from the outside, before anybody has looked inside; null: its name says nothing. */
export function likelyLevel({ name, path }: Pick<Runtime, 'name' | 'path'>): IsolationLevel | null {
  const words = [name, path?.split('/').at(-1) ?? ''];
  const says = (pattern: RegExp): boolean => words.some((word) => pattern.test(word));
  if (says(/runsc|gvisor/i)) return 'gvisor';
  if (says(/kata|firecracker|krun|runhcs|urunc/i)) return 'vm';
  if (says(/sysbox/i)) return 'userns';
  return says(ORDINARY) ? 'shared-kernel' : null;
}

/** What a sandbox shows of its kernel to a program inside. */
export interface InnerLook {
  /** `/proc/version` */
  readonly version: string;
  /** How the kernel's log begins; empty where it cannot be read. */
  readonly log: string;
  /** `/proc/self/uid_map` */
  readonly uidMap: string;
}

/** gVisor's `/proc/version`, the same in its releases since 2018. */
const GVISOR_VERSION = 'Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016';

/**
 * The isolation by what is seen inside, not by what it is called. A kernel of its own that is not gVisor's belongs to a
 * virtual machine; where it is the engine's kernel, the level is that of the engine, or userns where root inside is not
 * root outside. Where in doubt it is the weaker.
 */
export function levelOf(look: InnerLook, engine: Pick<EngineRuntimes, 'level' | 'kernel'>): IsolationLevel {
  const release = /^Linux version (\S+)/.exec(look.version)?.[1];
  if (release !== undefined && engine.kernel !== '' && release !== engine.kernel) {
    const isGvisor =
      look.version.trim() === GVISOR_VERSION || /gvisor/i.test(look.version) || /Starting gVisor/.test(look.log);
    return isGvisor ? 'gvisor' : 'vm';
  }
  const isIdentity = /^\s*0\s+0\s+\d+\s*$/.test(look.uidMap) || look.uidMap.trim() === '';
  return isIdentity ? engine.level : 'userns';
}

/** Whether `level` is a higher wall than `than`. */
export function isStronger(level: IsolationLevel, than: IsolationLevel): boolean {
  const order: readonly IsolationLevel[] = ['shared-kernel', 'userns', 'gvisor', 'vm'];
  return order.indexOf(level) > order.indexOf(than);
}
