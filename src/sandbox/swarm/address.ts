/** The nodes of a Swarm as Docker hosts. Pure. */

import type { SwarmDefinition } from '../../config/settings.ts';
import { fillAddress } from '../../config/swarm-address.ts';
import { usageError } from '../../errors.ts';
import type { WantedHost } from '../docker/hosts.ts';
import type { SwarmNode } from './reading.ts';

/** A node says these of itself: nothing that has a meaning in a URL, or to ssh. */
const PLAIN_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
const PLAIN_ADDRESS = /^[0-9a-f:.]+$/i;

/**
 * Where the engine of a node is. One that is the manager itself is reached already.
 * @param swarm null: nobody said how
 * @throws usage `SWARM_ADDRESS` where that is so, or where what the node says of itself is no address
 */
export function nodeHost(
  swarm: SwarmDefinition | null,
  node: Pick<SwarmNode, 'name' | 'hostname' | 'address' | 'labels'>,
): WantedHost {
  const { name, hostname, address, labels } = node;
  if (swarm === null) {
    throw usageError('SWARM_ADDRESS', `nobody said how the engine of the Swarm's node ${name} is reached`, {
      hint: 'say so in the settings, for instance: swarm: {address: "ssh://ops@{addr}"}',
    });
  }
  const addr = PLAIN_ADDRESS.test(address) && address.includes(':') ? `[${address}]` : address;
  const needed = { addr: [address, PLAIN_ADDRESS], hostname: [hostname, PLAIN_NAME] } as const;
  for (const [what, [said, plain]] of Object.entries(needed)) {
    if (!swarm.address.includes(`{${what}}`) || plain.test(said)) continue;
    throw usageError('SWARM_ADDRESS', `the Swarm's node ${name} says that its ${what} is "${said}", which is none`, {
      hint: 'swarm.address in the settings takes {addr} or {hostname}; see: docker node ls',
    });
  }
  // Swarm counts what is free.
  return { name, url: fillAddress(swarm.address, { addr, hostname }), tls: swarm.tls ?? null, slots: null, labels };
}
