/** What agents were refused to reach, and the flag that would allow it. Pure. */

import type { OrchestrateEvent } from '../events.ts';
import { looksLikeAddress, normaliseHost } from '../gateway/rules.ts';
import type { AttemptRecord } from '../state/records.ts';
import { type Listed, listed, oneLine } from './words.ts';

export interface Denied {
  readonly host: string;
  /** Of `run`; null: no flag allows it. */
  readonly allowWith: string | null;
  /** As the gateway names it; null: not known any more. */
  readonly reason: string | null;
  readonly attempts: number;
}

const MOST_HOSTS = 40;
const DEFAULT_PORT = /:443$/;

/** The host that most attempts asked for first. */
export function deniedOf(attempts: readonly AttemptRecord[], events: readonly OrchestrateEvent[]): Listed<Denied> {
  const reasons = new Map<string, string>();
  for (const event of events) if (event.type === 'egress.denied') reasons.set(event.host, event.reason);
  const counts = new Map<string, number>();
  for (const { egressDenied } of attempts) {
    for (const host of new Set(egressDenied)) counts.set(host, (counts.get(host) ?? 0) + 1);
  }
  const hosts = [...counts].sort(([, a], [, b]) => b - a);
  const { items, leftOut } = listed(hosts, MOST_HOSTS);
  return { items: items.map(([host, count]) => denied(host, count, reasons.get(host) ?? null)), leftOut };
}

function denied(host: string, attempts: number, reason: string | null): Denied {
  const isForbidden = reason !== null && reason !== 'host-not-allowed' && reason !== 'port-not-allowed';
  return {
    host: oneLine(host, 120),
    allowWith: isForbidden ? null : allowWith(host),
    reason: reason === null ? null : oneLine(reason, 80),
    attempts,
  };
}

/** Of a name in its normal form alone: what is printed here is typed into a shell. */
function allowWith(place: string): string | null {
  const [, name = '', port] = /^([^:]*)(?::(\d{1,5}))?$/.exec(place.replace(DEFAULT_PORT, '')) ?? [];
  const host = looksLikeAddress(name) ? null : normaliseHost(name);
  if (host === null) return null;
  return `--network allowlist --allow ${port === undefined ? host : `${host}:${port}`}`;
}
