/** The engine for what is no run: checks, planning, a shell. */

import type { Settings } from '../src/config/settings.ts';
import type { EngineConnection } from '../src/sandbox/docker/connect.ts';
import type { DockerHostOptions } from '../src/sandbox/docker/host.ts';
import type { WantedHost } from '../src/sandbox/docker/hosts.ts';
import type { Context } from './context.ts';

type Reached = Pick<DockerHostOptions, 'name' | 'docker' | 'connection' | 'isRemote'>;

/** The first of the hosts that agents would run on. Whoever opens it as a host lets go of it with that. */
export async function firstHost(context: Context, settings: Settings): Promise<Reached> {
  const { wantedHosts } = await import('../src/sandbox/docker/hosts.ts');
  const [first] = wantedHosts(settings);
  return asOptions(await reached(context, first));
}

/** The host of that name, as an attempt has it written down. */
export async function hostNamed(context: Context, settings: Settings, name: string): Promise<EngineConnection> {
  const { wantedHost } = await import('../src/sandbox/docker/hosts.ts');
  return reached(context, wantedHost(name, settings.hosts));
}

async function reached(context: Context, wanted: WantedHost | undefined): Promise<EngineConnection> {
  const [{ connectHost }, { LOCAL_ENGINE }] = await Promise.all([
    import('../src/sandbox/docker/connect.ts'),
    import('../src/sandbox/docker/hosts.ts'),
  ]);
  return connectHost(wanted ?? LOCAL_ENGINE, context.env);
}

function asOptions(connection: EngineConnection): Reached {
  const { name, docker, isRemote } = connection;
  return { name, docker, isRemote, connection };
}
