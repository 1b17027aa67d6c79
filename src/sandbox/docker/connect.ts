/** A connection to a Docker engine that the user means, known to answer. */

import { type AgentOptions, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import Docker from 'dockerode';
import { OrchestrateError } from '../../errors.ts';
import { limitCalls } from './calls.ts';
import { type Endpoint, type Environment, hostEndpoint } from './endpoint.ts';
import { isUnanswered } from './engine-errors.ts';
import { HEALTH_TIMES, REMOTE_HEALTH_TIMES } from './health.ts';
import { LOCAL_ENGINE, type WantedHost } from './hosts.ts';
import { SshTunnel } from './ssh-tunnel.ts';
import { knownFault, whyUnreachable } from './unreachable.ts';

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
  /** Why it cannot be reached at present, where that is known for a connection that lasts (ssh); null while it can be. */
  readonly fault: OrchestrateError | null;
}

/**
 * Connects to a host; it has answered a ping. What leads there lives until the connection is disposed of, and keeps no
 * process alive.
 * Environment errors: DOCKER_UNREACHABLE, DOCKER_PERMISSION; for another machine HOST_UNREACHABLE, HOST_TLS, and by ssh
 * HOST_KEY_CHANGED, HOST_KEY_UNKNOWN, HOST_AUTH, HOST_SSH; and those of `hostEndpoint`.
 */
export async function connectHost(host: WantedHost, env: Environment): Promise<EngineConnection> {
  const endpoint = await hostEndpoint(host, env);
  const tunnel = endpoint.ssh === null ? null : await SshTunnel.open(endpoint.ssh, env);
  const agents = { kept: agentOf(endpoint, tunnel, KEPT_OPEN), ping: agentOf(endpoint, tunnel, {}) };
  const docker = new Docker({ ...endpoint.options, ...{ agent: agents.kept } });
  const health = limitCalls(docker, endpoint.isRemote ? REMOTE_HEALTH_TIMES : HEALTH_TIMES, {
    agent: agents.ping,
    whyGone: (cause) => (endpoint.isRemote ? whyUnreachable(endpoint, cause) : null),
  });
  const { name, slots, labels } = host;
  const connection: EngineConnection = {
    ...{ name, docker, endpoint, slots, labels, isRemote: endpoint.isRemote },
    get fault() {
      return tunnel?.fault ?? null;
    },
    async [Symbol.asyncDispose]() {
      health[Symbol.dispose]();
      agents.kept.destroy();
      await tunnel?.[Symbol.asyncDispose]();
    },
  };
  try {
    await answered(endpoint, docker.ping());
    return connection;
  } catch (error) {
    // Of a socket over there that lets nobody in, ssh tells only that the connection is closed.
    const isClosed = error instanceof OrchestrateError && isUnanswered(error.cause) && knownFault(error.cause) === null;
    const why = isClosed && tunnel !== null ? await tunnel.whyClosed() : error;
    await connection[Symbol.asyncDispose]();
    throw why;
  }
}

/** `connectHost` to the engine of DOCKER_HOST, of the Docker context, or on the usual socket, until the process ends. */
export async function connectEngine(env: Environment): Promise<Docker> {
  return (await connectHost(LOCAL_ENGINE, env)).docker;
}

/** As node's own agent keeps connections. */
const KEPT_OPEN: AgentOptions = { keepAlive: true, scheduling: 'lifo', timeout: 5_000 };

/** Verifies whatever NODE_TLS_REJECT_UNAUTHORIZED says. */
function agentOf({ options }: Endpoint, tunnel: SshTunnel | null, how: AgentOptions): HttpAgent {
  if (tunnel !== null) return tunnel.agent(how);
  return options.protocol === 'https' ? new HttpsAgent({ ...how, rejectUnauthorized: true }) : new HttpAgent(how);
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
