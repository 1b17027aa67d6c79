/** The engines that agents, checks and shells run on, as the Docker driver takes them. */

import type { Settings } from '../src/config/settings.ts';
import { environmentError, OrchestrateError } from '../src/errors.ts';
import type { EngineConnection } from '../src/sandbox/docker/connect.ts';
import type { DockerHostOptions } from '../src/sandbox/docker/host-options.ts';
import type { WantedHost } from '../src/sandbox/docker/hosts.ts';
import type { AttemptRecord } from '../src/state/records.ts';
import type { Context } from './context.ts';

export type ReachedHost = Pick<DockerHostOptions, 'name' | 'docker' | 'connection' | 'mayHoldKeys' | 'imagesFrom'>;

/** The first of the hosts that agents would run on, for what is no run. */
export async function firstHost(context: Context, settings: Settings): Promise<ReachedHost> {
  const { LOCAL_ENGINE, wantedHosts } = await import('../src/sandbox/docker/hosts.ts');
  const [first = LOCAL_ENGINE] = wantedHosts(settings);
  return reachHost(context, first);
}

/** Connects; whoever opens it as a host lets go of the connection with that. A host elsewhere gets images from here. */
export async function reachHost(context: Context, wanted: WantedHost): Promise<ReachedHost> {
  const connection = await connect(context, wanted);
  const { name, docker, isRemote } = connection;
  const imagesFrom = isRemote ? await localEngine(context) : null;
  const mayHoldKeys = !isRemote || wanted.upstream === 'direct';
  return { name, docker, connection, mayHoldKeys, imagesFrom };
}

/** The host that an attempt runs on. Rejects with environment HOST_UNKNOWN where nobody knows any more where that is. */
export async function hostOfAttempt(
  context: Context,
  settings: Settings,
  { id, host }: Pick<AttemptRecord, 'id' | 'host'>,
): Promise<EngineConnection> {
  const { wantedHost } = await import('../src/sandbox/docker/hosts.ts');
  try {
    return await connect(context, wantedHost(host, settings.hosts));
  } catch (cause) {
    if (!isUnknownHost(cause)) throw cause;
    throw environmentError('HOST_UNKNOWN', `${id} runs on ${host}, which is not among the hosts of the settings`, {
      hint: `say where it is: orchestrate host add ${host} ssh://user@host`,
      cause,
    });
  }
}

export function isUnknownHost(error: unknown): boolean {
  return error instanceof OrchestrateError && error.code === 'HOST_UNKNOWN';
}

async function connect(context: Context, wanted: WantedHost): Promise<EngineConnection> {
  const { connectHost } = await import('../src/sandbox/docker/connect.ts');
  return connectHost(wanted, context.env);
}

/** Null where this machine has none: then images are built where they are needed. */
async function localEngine(context: Context): Promise<ReachedHost['docker'] | null> {
  const { LOCAL_ENGINE } = await import('../src/sandbox/docker/hosts.ts');
  return connect(context, LOCAL_ENGINE).then(
    ({ docker }) => docker,
    () => null,
  );
}
