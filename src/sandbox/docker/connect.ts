/** A connection to a Docker engine that the user means, known to answer. */

import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import Docker from 'dockerode';
import { environmentError, type OrchestrateError } from '../../errors.ts';
import { healthOf } from './calls.ts';
import { type Endpoint, type Environment, hostEndpoint } from './endpoint.ts';
import { LOCAL_ENGINE, type WantedHost } from './hosts.ts';

/** For one short question: version, info, ping. */
const ANSWER_TIMEOUT_MS = 10_000;

export interface EngineConnection extends AsyncDisposable {
  /** As the user calls the host. */
  readonly name: string;
  readonly docker: Docker;
  readonly endpoint: Endpoint;
  /** On another machine, for all that can be seen from here: keys stay on this one. */
  readonly isRemote: boolean;
  /** As the user said; null: `slotsOf` says how many fit. */
  readonly slots: number | null;
  readonly labels: readonly string[];
}

/**
 * Connects to a host; it has answered a ping. What leads there lives until the connection is disposed of, and keeps no
 * process alive.
 * Environment errors: DOCKER_UNREACHABLE, DOCKER_PERMISSION, HOST_TLS, and those of `hostEndpoint`.
 */
export async function connectHost(host: WantedHost, env: Environment): Promise<EngineConnection> {
  const endpoint = await hostEndpoint(host, env);
  const agent = agentOf(endpoint);
  const docker = new Docker({ ...endpoint.options, ...{ agent } });
  healthOf(docker);
  const { name, slots, labels } = host;
  const connection: EngineConnection = {
    ...{ name, docker, endpoint, slots, labels, isRemote: endpoint.isRemote },
    async [Symbol.asyncDispose]() {
      healthOf(docker)[Symbol.dispose]();
      agent.destroy();
    },
  };
  try {
    await answered(endpoint, docker.ping());
    return connection;
  } catch (error) {
    await connection[Symbol.asyncDispose]();
    throw error;
  }
}

/** `connectHost` to the engine of DOCKER_HOST, of the Docker context, or on the usual socket, until the process ends. */
export async function connectEngine(env: Environment): Promise<Docker> {
  return (await connectHost(LOCAL_ENGINE, env)).docker;
}

/** Like node's own, but verifies whatever NODE_TLS_REJECT_UNAUTHORIZED says. */
function agentOf({ options }: Endpoint): HttpAgent {
  const usual = { keepAlive: true, scheduling: 'lifo', timeout: 5_000 } as const;
  return options.protocol === 'https' ? new HttpsAgent({ ...usual, rejectUnauthorized: true }) : new HttpAgent(usual);
}

/** The engine's answer to a short question, or the reason why there is none as an environment error. */
export async function answered<Answer>(endpoint: Endpoint, answer: Promise<Answer>): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ANSWER_TIMEOUT_MS / 1000} s`)), ANSWER_TIMEOUT_MS);
  });
  try {
    return await Promise.race([answer, deadline]);
  } catch (error) {
    throw whyUnreachable(endpoint, error);
  } finally {
    clearTimeout(timer);
  }
}

function whyUnreachable(endpoint: Endpoint, cause: unknown): OrchestrateError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  if (code === 'EACCES' || code === 'EPERM') {
    return environmentError('DOCKER_PERMISSION', `you may not use the Docker engine at ${endpoint.name}`, {
      hint: 'join the docker group, then log in again: sudo usermod -aG docker "$USER"',
      cause,
    });
  }
  const said = code === 'ENOENT' ? 'there is no such socket' : cause instanceof Error ? cause.message : String(cause);
  return environmentError('DOCKER_UNREACHABLE', `the Docker engine at ${endpoint.name} does not answer: ${said}`, {
    hint: 'start it (sudo systemctl start docker, or Docker Desktop), or name another one with DOCKER_HOST',
    cause,
  });
}
