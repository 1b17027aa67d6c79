/** How the engines of a Swarm's nodes are reached: one address for all of them, with what differs left open. Pure. */

import { usageError } from '../../errors.ts';
import type { SwarmNode } from './reading.ts';

/** `{addr}`: where Swarm reaches the node; `{hostname}`: what it calls itself, for names of the user's ssh configuration. */
const OPEN = /\{(addr|hostname)\}/g;
/** Nothing that has a meaning in a URL or to ssh. */
const PLAIN_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
const PLAIN_ADDRESS = /^[0-9a-f:.]+$/i;

export interface AddressTemplate {
  /** `ssh://ops@{addr}`, `ssh://{hostname}`, `tcp://{addr}:2376`. */
  readonly address: string;
  /** Folder with ca.pem, cert.pem and key.pem, for tcp. */
  readonly tls?: string | undefined;
}

/** A node as a Docker host; the address is of a form that `connectHost` takes. */
export interface NodeHost {
  readonly name: string;
  readonly url: string;
  readonly tls: string | null;
  /** Swarm counts what is free. */
  readonly slots: null;
  readonly labels: readonly string[];
}

/**
 * Where the engine of a node is.
 * @param template null: nobody said
 * @throws usage `SWARM_ADDRESS` where that is so, or where what the node calls itself is no address
 */
export function nodeHost(
  template: AddressTemplate | null,
  node: Pick<SwarmNode, 'name' | 'hostname' | 'address' | 'labels'>,
): NodeHost {
  if (template === null) {
    throw usageError('SWARM_ADDRESS', `nobody said how the engine of the Swarm's node ${node.name} is reached`, {
      hint: 'say so in the settings, for instance: swarm: {address: "ssh://ops@{addr}"}',
    });
  }
  const url = template.address.replace(OPEN, (_, what: string) =>
    what === 'addr' ? plainAddress(node) : plainName(node),
  );
  return { name: node.name, url, tls: template.tls ?? null, slots: null, labels: node.labels };
}

/** Whether it is an address with something left open that tells nodes apart. */
export function isTemplate(address: string): boolean {
  return address.search(OPEN) >= 0 && !/[{}]/.test(address.replace(OPEN, ''));
}

function plainAddress({ name, address }: Pick<SwarmNode, 'name' | 'address'>): string {
  if (PLAIN_ADDRESS.test(address)) return address.includes(':') ? `[${address}]` : address;
  if (PLAIN_NAME.test(address)) return address;
  throw unusable(name, address);
}

function plainName({ name, hostname }: Pick<SwarmNode, 'name' | 'hostname'>): string {
  if (PLAIN_NAME.test(hostname)) return hostname;
  throw unusable(name, hostname);
}

function unusable(name: string, said: string) {
  return usageError('SWARM_ADDRESS', `the Swarm's node ${name} says that it is at "${said}", which is no address`, {
    hint: 'swarm.address in the settings takes {addr} or {hostname}; see: docker node ls',
  });
}
