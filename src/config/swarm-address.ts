/** How the engines of a Swarm's nodes are reached, as people write it: one address, with what differs left open. */

import { usageError } from '../errors.ts';
import { type HostPlace, parseHostUrl } from './host-url.ts';

/** `addr`: where Swarm reaches the node; `hostname`: what it calls itself, for names that ssh or a name server knows. */
export interface NodeNames {
  readonly addr: string;
  readonly hostname: string;
}

const OPEN = /\{(addr|hostname)\}/g;

export function fillAddress(address: string, names: NodeNames): string {
  return address.replace(OPEN, (_, what: keyof NodeNames) => names[what]);
}

/**
 * `ssh://ops@{addr}`, `ssh://{hostname}`, `tcp://{addr}:2376`: where one of its nodes would be.
 * @throws usage `BAD_VALUE` that says what is wrong with it
 */
export function parseSwarmAddress(written: string): HostPlace {
  if (written.search(OPEN) < 0) {
    throw usageError('BAD_VALUE', `"${written}" is the same for all nodes: {addr} or {hostname} has to stand in it`);
  }
  const place = parseHostUrl(fillAddress(written, { addr: '192.0.2.1', hostname: 'node' }));
  if (place.kind === 'ssh' || place.kind === 'tcp') return place;
  throw usageError('BAD_VALUE', `"${written}" is on no other machine: expected ssh://user@{addr} or tcp://{addr}:2376`);
}
