/** Where a run's agents work: the hosts that the user means, each opened when the run wants it. */

import type { CoordinatorParts, RunHost } from '../src/coordinator.ts';
import { connectHost } from '../src/sandbox/docker/connect.ts';
import { openDockerHost } from '../src/sandbox/docker/host.ts';
import { type WantedHost, wantedHost, wantedHosts } from '../src/sandbox/docker/hosts.ts';
import { liveGuests } from '../src/tasks/guests.ts';
import type { Context } from './context.ts';
import type { QueueWork } from './work.ts';

type Hosts = Pick<CoordinatorParts, 'hosts' | 'otherHost'>;

/** @throws usage errors of `wantedHosts` */
export async function runHosts(context: Context, work: QueueWork): Promise<Hosts> {
  const { objectFormat } = await context.repository();
  const { settings, state, engine } = work;
  const hostOf = (wanted: WantedHost): RunHost => ({
    name: wanted.name,
    slots: wanted.slots,
    async open(services) {
      const connection = await connectHost(wanted, context.env);
      const { docker, isRemote } = connection;
      return openDockerHost({
        ...{ name: wanted.name, docker, connection, isRemote, installation: state.installation, objectFormat },
        ...{ image: settings.image, dockerfile: settings.dockerfile, programs: engine.programs ?? [] },
        ...{ workspace: settings.workspace, runtime: settings.runtime },
        guests: () => liveGuests(state.directory),
        ...services,
      });
    },
  });
  return {
    hosts: wantedHosts(settings).map(hostOf),
    otherHost: (name) => {
      try {
        return hostOf(wantedHost(name, settings.hosts));
      } catch {
        return null;
      }
    },
  };
}
