/** Where a Docker engine is: one that the user named, else DOCKER_HOST, else the chosen Docker context, else the usual sockets. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DockerOptions } from 'dockerode';
import { execa } from 'execa';
import {
  DEFAULT_SOCKET,
  isLoopback,
  parseHostUrl,
  type SshTarget,
  sshUrl,
  withoutPassword,
} from '../../config/host-url.ts';
import { environmentError, OrchestrateError } from '../../errors.ts';
import type { WantedHost } from './hosts.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Endpoint {
  /** For people: `unix:///var/run/docker.sock`, `tcp://host:2376`, `ssh://ops@host`. */
  readonly name: string;
  /** Set where the engine listens on a socket of this machine. */
  readonly socketPath: string | null;
  /** Set where it is reached by ssh: `options` lead nowhere then without an agent that goes through a tunnel. */
  readonly ssh: SshTarget | null;
  /** It may be on another machine. */
  readonly isRemote: boolean;
  readonly options: DockerOptions;
}

/** Folders with ca.pem, cert.pem and key.pem; `system`: no client's certificate, and the authorities that node knows. */
type Tls = { readonly folder: string } | 'system';

const CONTEXT_TIMEOUT_MS = 10_000;

/**
 * Where a host is that the user named.
 * Errors (environment): HOST_PLAIN_TCP, HOST_UNKNOWN, DOCKER_TLS_UNREADABLE, DOCKER_CONTEXT_UNKNOWN and those of `findEndpoint`.
 */
export async function hostEndpoint(host: WantedHost, env: Environment): Promise<Endpoint> {
  if (host.url === null) return findEndpoint(env);
  const place = parseHostUrl(host.url);
  switch (place.kind) {
    case 'context':
      return namedContext(host, place.context, env);
    case 'unix':
      return onSocket(place.socket);
    case 'ssh':
      return behindSsh(place.target);
    case 'tcp': {
      const folder = host.tls === null ? usualCertificates(env) : atHome(host.tls, env);
      return overTcp(place, folder === null ? null : { folder }, { mayBePlain: false });
    }
  }
}

/**
 * The engine that the `docker` command line would use with this environment. dockerode does not know contexts.
 * Errors (environment): DOCKER_HOST_UNSUPPORTED, DOCKER_CONTEXT_UNKNOWN, DOCKER_TLS_UNREADABLE, HOST_PLAIN_TCP.
 */
export async function findEndpoint(env: Environment): Promise<Endpoint> {
  const host = env.DOCKER_HOST;
  if (host !== undefined && host !== '') return endpointOf(host, tlsOfEnvironment(env));
  const context = contextOf(env);
  if (context !== null) return inspectContext(context, env);
  return onSocket(usualSocket(env));
}

/** What DOCKER_HOST or a context says. */
function endpointOf(host: string, tls: Tls | null): Endpoint {
  if (host.startsWith('npipe://')) {
    const socketPath = host.slice('npipe://'.length);
    return { ...onSocket(socketPath), name: host, socketPath: null };
  }
  const isHttps = host.startsWith('https://');
  try {
    const place = parseHostUrl(host.replace(/^https?:/, 'tcp:'));
    if (place.kind === 'unix') return onSocket(place.socket);
    if (place.kind === 'ssh') return behindSsh(place.target);
    if (place.kind === 'tcp') return overTcp(place, tls ?? (isHttps ? 'system' : null), { mayBePlain: true });
  } catch (error) {
    if (!(error instanceof OrchestrateError) || error.kind !== 'usage') throw error;
  }
  throw environmentError('DOCKER_HOST_UNSUPPORTED', `the Docker host ${withoutPassword(host)} cannot be used`, {
    hint: 'use unix:///path/to/docker.sock, ssh://user@host, or tcp://host:2376 with TLS',
  });
}

// Whatever docker-modem would take from the process's own DOCKER_HOST is said here.
const NOTHING_INHERITED = {
  host: undefined,
  port: undefined,
  protocol: 'http',
  ca: undefined,
  cert: undefined,
  key: undefined,
} as const;

/** A socket of this machine, whatever is behind it. */
function onSocket(socketPath: string): Endpoint {
  return {
    ...{ name: `unix://${socketPath}`, socketPath, ssh: null, isRemote: false },
    options: { ...NOTHING_INHERITED, socketPath },
  };
}

function behindSsh(target: SshTarget): Endpoint {
  const name = sshUrl(target);
  const options = { ...NOTHING_INHERITED, socketPath: `/nowhere/${name}` };
  return { name, socketPath: null, ssh: target, isRemote: true, options };
}

function overTcp(
  { host, port: written }: { readonly host: string; readonly port: number | null },
  tls: Tls | null,
  { mayBePlain }: { readonly mayBePlain: boolean },
): Endpoint {
  const authority = host.includes(':') ? `[${host}]` : host;
  const port = written ?? (tls === null ? 2375 : 2376);
  const name = `tcp://${authority}:${port}`;
  if (tls === null && !(mayBePlain && isLoopback(host))) {
    throw environmentError(
      'HOST_PLAIN_TCP',
      `${name} is not used without TLS: anyone on the network would be root there`,
      {
        hint: 'use ssh://user@host, or give the folder of its certificates (tls, --tls; for DOCKER_HOST: DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH)',
      },
    );
  }
  const protocol = tls === null ? 'http' : 'https';
  return {
    ...{ name, socketPath: null, ssh: null, isRemote: true },
    options: { ...NOTHING_INHERITED, host: authority, port, protocol, ...readTls(tls) },
  };
}

function usualSocket(env: Environment): string {
  const home = env.HOME;
  const runtime = env.XDG_RUNTIME_DIR;
  const candidates = [
    DEFAULT_SOCKET,
    ...(home === undefined ? [] : [join(home, '.docker/run/docker.sock')]),
    ...(runtime === undefined ? [] : [join(runtime, 'docker.sock')]),
  ];
  return candidates.find((path) => existsSync(path)) ?? DEFAULT_SOCKET;
}

/** Null for the default context, which is what is found without one. */
function contextOf(env: Environment): string | null {
  const named = env.DOCKER_CONTEXT || currentContext(env);
  return named === null || named === 'default' ? null : named;
}

function currentContext(env: Environment): string | null {
  const folder = env.DOCKER_CONFIG || join(env.HOME ?? '', '.docker');
  try {
    const config: unknown = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
    if (typeof config !== 'object' || config === null || !('currentContext' in config)) return null;
    return typeof config.currentContext === 'string' && config.currentContext !== '' ? config.currentContext : null;
  } catch {
    return null;
  }
}

async function namedContext(host: WantedHost, context: string, env: Environment): Promise<Endpoint> {
  if (context === 'default') return findEndpoint({ ...env, DOCKER_CONTEXT: context });
  try {
    return await inspectContext(context, env);
  } catch (error) {
    const isGuessed = host.name === context;
    if (!isGuessed || !(error instanceof OrchestrateError) || error.code !== 'DOCKER_CONTEXT_UNKNOWN') throw error;
    throw environmentError('HOST_UNKNOWN', `there is no host ${context}, and no Docker context of that name`, {
      hint: 'see which there are: orchestrate host list, docker context ls',
      cause: error,
    });
  }
}

async function inspectContext(context: string, env: Environment): Promise<Endpoint> {
  const result = await execa('docker', ['context', 'inspect', '--format', '{{json .}}', '--', context], {
    env: Object.fromEntries(Object.entries(env).filter(([name]) => name !== 'DOCKER_CONTEXT')),
    extendEnv: false,
    reject: false,
    timeout: CONTEXT_TIMEOUT_MS,
  });
  if (result.code === 'ENOENT') {
    throw environmentError(
      'DOCKER_CONTEXT_UNKNOWN',
      `the Docker context ${context} cannot be read without the docker command line`,
      {
        hint: 'install docker-cli, or name the engine with DOCKER_HOST',
      },
    );
  }
  const described = readContext(result.stdout);
  if (described === null) {
    throw environmentError('DOCKER_CONTEXT_UNKNOWN', `the Docker context ${context} cannot be used`, {
      hint: 'see `docker context ls`; DOCKER_HOST or `docker context use default` goes round it',
    });
  }
  const folder = described.tls === null ? null : join(described.tls, 'docker');
  return endpointOf(described.host, folder !== null && existsSync(join(folder, 'ca.pem')) ? { folder } : null);
}

function readContext(text: string): { readonly host: string; readonly tls: string | null } | null {
  try {
    const context = JSON.parse(text) as {
      Endpoints?: { docker?: { Host?: string } };
      Storage?: { TLSPath?: string };
    };
    const host = context.Endpoints?.docker?.Host;
    return host === undefined ? null : { host, tls: context.Storage?.TLSPath ?? null };
  } catch {
    return null;
  }
}

function tlsOfEnvironment(env: Environment): Tls | null {
  const verify = env.DOCKER_TLS_VERIFY;
  if (verify === undefined || verify === '') return null;
  return { folder: env.DOCKER_CERT_PATH || join(env.HOME ?? '', '.docker') };
}

/** Where the docker command line keeps certificates, if it does. */
function usualCertificates(env: Environment): string | null {
  const folder = env.DOCKER_CERT_PATH || join(env.HOME ?? '', '.docker');
  return existsSync(join(folder, 'ca.pem')) ? folder : null;
}

function atHome(folder: string, env: Environment): string {
  return folder.startsWith('~/') ? join(env.HOME ?? '', folder.slice(2)) : folder;
}

function readTls(tls: Tls | null): Pick<DockerOptions, 'ca' | 'cert' | 'key'> {
  if (tls === null || tls === 'system') return {};
  const { folder } = tls;
  const read = (name: string): Buffer => readFileSync(join(folder, name));
  try {
    return { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw environmentError('DOCKER_TLS_UNREADABLE', `the TLS files of the Docker host cannot be read: ${why}`, {
      hint: 'the folder (tls, --tls, DOCKER_CERT_PATH) must hold ca.pem, cert.pem and key.pem',
      cause,
    });
  }
}
