/** On which host an attempt ran, for where that says something. Pure. */

import type { AttemptRecord } from '../state/records.ts';
import { oneLine } from './words.ts';

/** Null where all attempts ran on the same one. */
export type HostOf = (attempt: Pick<AttemptRecord, 'host'>) => string | null;

export function hostsOf(attempts: readonly AttemptRecord[]): HostOf {
  const areMany = new Set(attempts.map(({ host }) => host)).size > 1;
  return ({ host }) => (areMany ? oneLine(host, 60) : null);
}
