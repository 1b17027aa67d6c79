/** Where the Docker engine is: DOCKER_HOST, else the chosen Docker context, else the usual sockets. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DockerOptions } from 'dockerode';
import { execa } from 'execa';
import { environmentError } from '../../errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Endpoint {
  /** For people: `unix:///var/run/docker.sock`, `tcp://host:2376`. */
  readonly name: string;
  /** Set where the engine listens on a socket of this machine. */
  readonly socketPath: string | null;
  readonly options: DockerOptions;
}

interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

const CONTEXT_TIMEOUT_MS = 10_000;

/**
 * The engine that the `docker` command line would talk to with this environment. dockerode does not know contexts.
 * Errors (environment): DOCKER_HOST_UNSUPPORTED, DOCKER_CONTEXT_UNKNOWN.
 */
export async function findEndpoint(env: Environment): Promise<Endpoint> {
  const host = env.DOCKER_HOST;
  if (host !== undefined && host !== '') return endpointOf(host, tlsOfEnvironment(env));
  const context = contextOf(env);
  if (context !== null) return inspectContext(context, env);
  return endpointOf(`unix://${usualSocket(env)}`, null);
}

function endpointOf(host: string, tls: TlsFiles | null): Endpoint {
  // `host: undefined` keeps docker-modem from putting the process's own DOCKER_HOST before what was found here.
  if (host.startsWith('unix://')) {
    const socketPath = host.slice('unix://'.length) || DEFAULT_SOCKET;
    return { name: `unix://${socketPath}`, socketPath, options: { host: undefined, socketPath } };
  }
  if (host.startsWith('npipe://')) {
    return { name: host, socketPath: null, options: { host: undefined, socketPath: host.slice('npipe://'.length) } };
  }
  const url = URL.canParse(host) ? new URL(host) : null;
  if (url === null || !['tcp:', 'http:', 'https:'].includes(url.protocol) || url.hostname === '') {
    throw environmentError('DOCKER_HOST_UNSUPPORTED', `the Docker host ${host} cannot be used`, {
      hint: 'use unix:///path/to/docker.sock or tcp://host:port; forward a remote socket with ssh -N -L',
    });
  }
  const isTls = tls !== null || url.protocol === 'https:';
  const port = url.port === '' ? (isTls ? 2376 : 2375) : Number(url.port);
  return {
    name: `tcp://${url.hostname}:${port}`,
    socketPath: null,
    options: { host: url.hostname, port, protocol: isTls ? 'https' : 'http', ...readTls(tls) },
  };
}

const DEFAULT_SOCKET = '/var/run/docker.sock';

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
  return endpointOf(described.host, folder !== null && existsSync(join(folder, 'ca.pem')) ? tlsIn(folder) : null);
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

function tlsOfEnvironment(env: Environment): TlsFiles | null {
  const verify = env.DOCKER_TLS_VERIFY;
  if (verify === undefined || verify === '') return null;
  return tlsIn(env.DOCKER_CERT_PATH || join(env.HOME ?? '', '.docker'));
}

function tlsIn(folder: string): TlsFiles {
  return { ca: join(folder, 'ca.pem'), cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
}

function readTls(files: TlsFiles | null): Pick<DockerOptions, 'ca' | 'cert' | 'key'> {
  if (files === null) return {};
  try {
    return { ca: readFileSync(files.ca), cert: readFileSync(files.cert), key: readFileSync(files.key) };
  } catch (cause) {
    throw environmentError('DOCKER_TLS_UNREADABLE', `the TLS files of the Docker host cannot be read: ${files.ca}`, {
      hint: 'DOCKER_CERT_PATH names the folder with ca.pem, cert.pem and key.pem',
      cause,
    });
  }
}
