/** A connection to the Docker engine that the user means, known to answer. */

import Docker from 'dockerode';
import { environmentError, type OrchestrateError } from '../../errors.ts';
import { healthOf } from './calls.ts';
import { type Endpoint, type Environment, findEndpoint } from './endpoint.ts';

/** For one short question: version, info, ping. */
const ANSWER_TIMEOUT_MS = 10_000;

/**
 * The engine of DOCKER_HOST, of the Docker context, or on the usual socket. It has answered a ping.
 * Environment errors: DOCKER_UNREACHABLE, DOCKER_PERMISSION, and those of `findEndpoint`.
 */
export async function connectEngine(env: Environment): Promise<Docker> {
  return (await connectEndpoint(env)).docker;
}

/** `connectEngine`, with where the engine was found. */
export async function connectEndpoint(
  env: Environment,
): Promise<{ readonly docker: Docker; readonly endpoint: Endpoint }> {
  const endpoint = await findEndpoint(env);
  const docker = new Docker(endpoint.options);
  healthOf(docker);
  await answered(endpoint, docker.ping());
  return { docker, endpoint };
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
