/** When there is too little of something to start more, or to go on as before. Pure. */

import type { Amount } from '../sandbox/sandbox.ts';

/** `low`: nothing more is started. `out`: somebody has to end. */
export type Level = 'ample' | 'low' | 'out';

/** Less than this part of all is too little, or less than this amount, whichever asks for less. */
interface Mark {
  readonly part: number;
  readonly amount: number;
}

export interface Marks {
  readonly low: Mark;
  readonly out: Mark;
}

const GB = 1e9;

export const MARKS = {
  disk: { low: { part: 0.1, amount: 5 * GB }, out: { part: 0.03, amount: 1.5 * GB } },
  inodes: { low: { part: 0.1, amount: 200_000 }, out: { part: 0.03, amount: 60_000 } },
  memory: { low: { part: 0.1, amount: 2 * GB }, out: { part: 0.04, amount: 0.8 * GB } },
  /** The disk of the state needs room for results and records, and for no agent's builds. */
  state: { low: { part: 0.05, amount: 0.5 * GB }, out: { part: 0.015, amount: 0.15 * GB } },
} as const satisfies Record<string, Marks>;

/** So many times the mark has to be free again before anything is started: at the mark itself it would come and go. */
const ENOUGH_AGAIN = 1.25;

/** @param before what it was at the last look: what was too little is enough again only well above the mark */
export function levelOf({ free, total }: Amount, { low, out }: Marks, before: Level): Level {
  // File systems without a fixed number of inodes have 0 of 0.
  if (total <= 0) return 'ample';
  if (free < least(out, total)) return 'out';
  return free < least(low, total) * (before === 'ample' ? 1 : ENOUGH_AGAIN) ? 'low' : 'ample';
}

function least({ part, amount }: Mark, total: number): number {
  return Math.min(part * total, amount);
}

/** `1.2 GB of 20 GB`, for people. */
export function freeOf({ free, total }: Amount): string {
  return `${size(free)} of ${size(total)}`;
}

function size(bytes: number): string {
  if (bytes < GB) return `${Math.round(bytes / 1e6)} MB`;
  return `${Number((bytes / GB).toPrecision(bytes < 10 * GB ? 2 : 3))} GB`;
}
