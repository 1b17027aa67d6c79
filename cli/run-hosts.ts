/** Where a run's agents work: the hosts that the user means, each opened when the run wants it. */

import type { CoordinatorParts, HostServices, RunHost } from '../src/coordinator.ts';
import { environmentError } from '../src/errors.ts';
import { engineFailure } from '../src/sandbox/docker/engine-errors.ts';
import { openDockerHost } from '../src/sandbox/docker/host.ts';
import type { DockerHostOptions } from '../src/sandbox/docker/host-options.ts';
import { LOCAL_ENGINE, type WantedHost, wantedHosts } from '../src/sandbox/docker/hosts.ts';
import type { SandboxHost } from '../src/sandbox/sandbox.ts';
import { liveGuests } from '../src/tasks/guests.ts';
import { HOST_TWICE } from '../src/tasks/hosts.ts';
import type { Context } from './context.ts';
import { drainedFrom } from './drained.ts';
import { hostLike, userFileOf } from './hosts.ts';
import { type ReachedHost, reachHost } from './reach-host.ts';
import type { QueueWork } from './work.ts';

type Hosts = Pick<CoordinatorParts, 'hosts' | 'otherHost'>;

/** @throws usage errors of `wantedHosts` */
export async function runHosts(context: Context, work: QueueWork): Promise<Hosts> {
  const { settings } = work;
  const { objectFormat } = await context.repository();
  const isDrained = drainedFrom(userFileOf(context));
  const engines = new Map<string, string>();
  const hostOf = (wanted: WantedHost): RunHost => ({
    name: wanted.name,
    slots: wanted.slots,
    isDrained: () => isDrained(wanted.name),
    async open(services) {
      const reached = await reachHost(context, wanted);
      await claim(reached, engines);
      return openOn(reached, work, { ...services, objectFormat });
    },
  });
  const otherHost = (name: string): RunHost | null => {
    const wanted = hostLike(name, settings.hosts);
    return wanted && hostOf(wanted);
  };
  const hosts = wantedHosts(settings);
  takeOver(work, hosts);
  if (settings.sandbox === 'docker') return { hosts: hosts.map(hostOf), otherHost };
  const { swarmHosts } = await import('./swarm-hosts.ts');
  const open: OpenOn = (reached, services) => openOn(reached, work, { ...services, objectFormat });
  return {
    hosts: (run, keep) => swarmHosts(context, { work, manager: hosts[0] ?? LOCAL_ENGINE, run, keep, open }),
    otherHost,
  };
}

/** What agents left on a host that was called otherwise then, as by its address, is found by its name of now. */
function takeOver({ state, settings }: QueueWork, hosts: readonly WantedHost[]): void {
  const names = new Set(hosts.map(({ name }) => name));
  for (const name of state.attemptHosts()) {
    const url = hostLike(name, settings.hosts)?.url ?? null;
    const same = names.has(name) || url === null ? undefined : hosts.find((host) => host.url === url);
    if (same !== undefined) state.renameHost(name, same.name);
  }
}

/**
 * What a run has on an engine it has once. Machines that are copies of each other have one id, and names of their own.
 * @param engines of this run, to the hosts that they are
 * @throws environment HOST_TWICE
 */
async function claim({ name, docker, connection }: ReachedHost, engines: Map<string, string>): Promise<void> {
  try {
    const { ID: id, Name: machine } = (await docker.info()) as { ID: string; Name: string };
    const engine = `${id} ${machine}`;
    const other = engines.get(engine) ?? name;
    if (other !== name) {
      throw environmentError(HOST_TWICE, `it is the same Docker engine as ${other}`, { hint: 'name one of them' });
    }
    engines.set(engine, name);
  } catch (cause) {
    await connection?.[Symbol.asyncDispose]();
    throw engineFailure(`the Docker host ${name} does not say what it is`, cause);
  }
}

export type OpenOn = (reached: ReachedHost, services: HostServices) => Promise<SandboxHost>;

function openOn(
  reached: ReachedHost,
  { settings, state, engine }: QueueWork,
  services: HostServices & Pick<DockerHostOptions, 'objectFormat'>,
): Promise<SandboxHost> {
  return openDockerHost({
    ...{ ...reached, installation: state.installation },
    ...{ image: settings.image, dockerfile: settings.dockerfile, programs: engine.programs ?? [] },
    ...{ workspace: settings.workspace, runtime: settings.runtime },
    guests: () => liveGuests(state.directory),
    ...services,
  });
}
