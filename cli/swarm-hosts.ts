/** The nodes of a Swarm as the hosts of a run: Swarm says where each attempt goes, its sandbox is made on that node's engine. */

import type { PlacedHosts, RunHost } from '../src/coordinator.ts';
import type { WantedHost } from '../src/sandbox/docker/hosts.ts';
import { ensureImages } from '../src/sandbox/docker/images.ts';
import { nodeHost } from '../src/sandbox/swarm/address.ts';
import { openSwarmPlacement } from '../src/sandbox/swarm/placement.ts';
import type { SwarmNode } from '../src/sandbox/swarm/reading.ts';
import { tagPlacementImage } from '../src/sandbox/swarm/service.ts';
import type { AttemptId, RunId } from '../src/types.ts';
import type { Context } from './context.ts';
import { type ReachedHost, reachHost } from './reach-host.ts';
import type { OpenOn } from './run-hosts.ts';
import type { QueueWork } from './work.ts';

export interface SwarmWanted {
  readonly work: QueueWork;
  /** An engine that manages the Swarm. */
  readonly manager: WantedHost;
  readonly run: RunId;
  readonly keep: readonly AttemptId[];
  readonly open: OpenOn;
}

/** Errors as `openSwarmPlacement`, and usage SWARM_ADDRESS. */
export async function swarmHosts(
  context: Context,
  { work, manager, run, keep, open }: SwarmWanted,
): Promise<PlacedHosts> {
  const { settings, state } = work;
  const reached = await reachHost(context, manager);
  const wantedOf = (node: SwarmNode): WantedHost =>
    node.isManagerItself ? { ...manager, name: node.name } : nodeHost(settings.swarm, node);
  /** A placement's task runs there only with an image of ours. */
  const withImages = async (node: SwarmNode): Promise<ReachedHost> => {
    const at = await reachHost(context, wantedOf(node));
    try {
      const { image, dockerfile } = settings;
      const say = (line: string): void => context.note(`${node.name}: ${line}`);
      const { sidecar } = await ensureImages(at.docker, { image, dockerfile }, say, at.imagesFrom);
      await tagPlacementImage(at.docker, sidecar);
      return at;
    } catch (error) {
      await at.connection?.[Symbol.asyncDispose]();
      throw error;
    }
  };
  const placement = await openSwarmPlacement(reached.docker, {
    ...{ installation: state.installation, run, keep, architecture: null },
    prepare: async (node) => (await withImages(node)).connection?.[Symbol.asyncDispose](),
    onWarning: (line) => context.warn(line),
  });
  const hostOf = (node: SwarmNode): RunHost => ({
    ...{ name: node.name, slots: null },
    open: async (services) => open(await withImages(node), services),
  });
  const nodes = await placement.nodes();
  // Before anything is placed: what cannot be reached would wait for ever.
  for (const node of nodes) wantedOf(node);
  const known = new Map(nodes.map((node) => [node.name, node]));
  const { cpus, memoryBytes } = settings.limits;
  return {
    hosts: nodes.map(hostOf),
    hostNamed: (name) => {
      const node = known.get(name);
      return node === undefined ? null : hostOf(node);
    },
    placement: {
      name: 'swarm',
      async place(attempt, signal, onWaiting) {
        const node = await placement.place(attempt, { cpus, memoryBytes, labels: settings.on, signal, onWaiting });
        known.set(node.name, node);
        return node.name;
      },
      adopt: async (attempt) => void (await placement.adopt(attempt)),
      avoid(name, why) {
        const node = known.get(name);
        if (node !== undefined) placement.avoid(node.node, why);
      },
      release: (attempt) => placement.release(attempt),
      onTaken: (listener) => placement.onTaken(listener),
      async [Symbol.asyncDispose]() {
        await placement[Symbol.asyncDispose]();
        await reached.connection?.[Symbol.asyncDispose]();
      },
    },
  };
}
