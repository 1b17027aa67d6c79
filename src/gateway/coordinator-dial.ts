/** The coordinator's side of dialling for the gateway: only what it configured itself, directly or through the user's own proxy. */

import type { Duplex } from 'node:stream';
import type { Ranges } from './addresses.ts';
import { type CorporateProxy, connectThrough, proxyFor } from './corporate-proxy.ts';
import { connectTo, DIAL_TIMEOUT_MS, DialError, type Network, systemNetwork, type Target } from './dial.ts';
import type { EgressRule, Upstream } from './protocol.ts';
import { looksLikeAddress, matches, normaliseHost } from './rules.ts';

export interface CoordinatorDialParts {
  /** What the gateway and its attempts were told: a connection to anything else is refused, whatever the gateway says. */
  readonly configured: () => {
    readonly upstreams: readonly Pick<Upstream, 'baseUrl'>[];
    readonly rules: readonly EgressRule[];
  };
  /** Null: there is none in this network. */
  readonly proxy: CorporateProxy | null;
  /** PEM beside the well-known authorities, for a proxy that speaks TLS; null: none. */
  readonly extraCa: string | null;
  /** For tests; by default this machine's. */
  readonly network?: Network;
}

export type CoordinatorDial = (wanted: Target & { readonly ranges: Ranges }) => Promise<Duplex>;

/** Names that stand for a machine or a network of one's own, wherever they are looked up. */
const LOCAL_NAME = /^[^.]+$|\.(?:localhost|localdomain|local|internal|intranet|lan|home|corp|home\.arpa|onion)$/;

/**
 * Makes connections for the gateway. What the user's proxy connects to it looks up itself, so that no address can be checked:
 * only names of the outside go there. Addresses, local names and hosts that were allowed with a range are dialled
 * directly and checked.
 * @throws DialError (the returned function)
 */
export function createCoordinatorDial(parts: CoordinatorDialParts): CoordinatorDial {
  const { configured, proxy, extraCa, network = systemNetwork } = parts;
  return async (wanted) => {
    const { host, port, ranges } = wanted;
    if (!vouchedFor(wanted, configured())) {
      throw new DialError('address-not-allowed', `${host}:${port} is not what this run was told to reach`);
    }
    const signal = AbortSignal.timeout(DIAL_TIMEOUT_MS);
    const via = proxy === null || isLocal(host) || typeof ranges === 'object' ? null : proxyFor(proxy, wanted);
    try {
      if (via === null) return await connectTo(wanted, { ranges, network, signal });
      return await connectThrough(via, wanted, { extraCa, network, signal });
    } catch (error) {
      if (error instanceof DialError) throw error;
      const why = error instanceof Error ? error.message : String(error);
      throw new DialError('upstream-unreachable', `${host}:${port}: ${why}`, { cause: error });
    }
  };
}

/** Where the proxy is, such a target is another one. */
function isLocal(host: string): boolean {
  return looksLikeAddress(host) || LOCAL_NAME.test(normaliseHost(host) ?? '');
}

function vouchedFor(
  { host, port, ranges }: Target & { readonly ranges: Ranges },
  { upstreams, rules }: ReturnType<CoordinatorDialParts['configured']>,
): boolean {
  if (ranges === 'any') return upstreams.some(({ baseUrl }) => isAt(baseUrl, host, port));
  const cidr = ranges === 'public' ? null : ranges.cidr;
  return rules.some((rule) => matches(rule.host, host) && rule.ports.includes(port) && rule.cidr === cidr);
}

function isAt(baseUrl: string, host: string, port: number): boolean {
  const { hostname, port: written, protocol } = new URL(baseUrl);
  const usual = protocol === 'https:' ? 443 : 80;
  return hostname.replace(/^\[(.*)\]$/, '$1') === host && (written === '' ? usual : Number(written)) === port;
}
