/**
 * Watches what agents write and says when one has to be ended: over its own limit, or the biggest when the engine's disk
 * is nearly full. Deleted files that are still open are not seen by the first, only by the second.
 */

import type { DiskUse } from '../sandbox/sandbox.ts';
import type { AttemptId } from '../types.ts';

/** Less than this part of the disk, or of its inodes, is nearly full. */
const NEARLY_FULL = 0.03;
/** Milliseconds from the end of one look to the next: at least, at most, and as a multiple of what a look took. */
const PAUSE = { least: 1000, most: 30_000, timesLook: 20 } as const;

export interface OverLimit {
  readonly attempt: AttemptId;
  /** For people. */
  readonly reason: string;
}

interface Watched {
  readonly limitBytes: number;
  readonly onOver: (reason: string) => void;
  /** Told already: it is going. */
  over: boolean;
}

/** One per run and host. Looks only while something is watched. */
export class DiskWatch {
  readonly #look: () => Promise<DiskUse>;
  readonly #watched = new Map<AttemptId, Watched>();
  #isLooking = false;

  /** @param look asks the host; a failure is passed over, the next look may do better */
  constructor(look: () => Promise<DiskUse>) {
    this.#look = look;
  }

  /** Calls `onOver` once when the attempt has to end; returns how to stop watching. */
  watch(attempt: AttemptId, limitBytes: number, onOver: (reason: string) => void): () => void {
    this.#watched.set(attempt, { limitBytes, onOver, over: false });
    if (!this.#isLooking) this.#plan(PAUSE.least);
    return () => void this.#watched.delete(attempt);
  }

  #plan(pauseMs: number): void {
    this.#isLooking = true;
    // What is watched keeps the process alive, not the watching.
    setTimeout(() => void this.#round(), pauseMs).unref();
  }

  async #round(): Promise<void> {
    if (this.#watched.size === 0) {
      this.#isLooking = false;
      return;
    }
    const began = performance.now();
    const use = await this.#look().catch(() => null);
    const took = performance.now() - began;
    if (use !== null) {
      for (const { attempt, reason } of overLimits(use, this.#watched)) {
        const watched = this.#watched.get(attempt);
        if (watched === undefined) continue;
        watched.over = true;
        watched.onOver(reason);
      }
    }
    this.#plan(Math.min(Math.max(PAUSE.least, took * PAUSE.timesLook), PAUSE.most));
  }
}

type Bounds = Pick<Watched, 'limitBytes' | 'over'>;

/** Which attempts have to end. While one is going, a full disk ends no other: its room is about to come back. */
export function overLimits(use: DiskUse, watched: ReadonlyMap<AttemptId, Bounds>): OverLimit[] {
  const going = [...watched.values()].some((one) => one.over);
  const left = [...watched].filter(([, one]) => !one.over);
  const over = left
    .filter(([attempt, one]) => (use.attempts.get(attempt) ?? 0) > one.limitBytes)
    .map(([attempt, one]) => ({
      attempt,
      reason: `wrote ${inMebibytes(use.attempts.get(attempt) ?? 0)}, its limit is ${inMebibytes(one.limitBytes)} (--disk)`,
    }));
  if (over.length > 0 || going || left.length === 0 || !isNearlyFull(use)) return over;
  const [biggest] = left.map(([attempt]) => attempt).sort((a, b) => bytesOf(use, b) - bytesOf(use, a));
  if (biggest === undefined) return [];
  const what = use.freeBytes < use.totalBytes * NEARLY_FULL ? 'disk' : 'disk (by its inodes)';
  return [{ attempt: biggest, reason: `ended because the Docker engine's ${what} is nearly full` }];
}

function isNearlyFull(use: DiskUse): boolean {
  // File systems without a fixed number of inodes say 0.
  const inodes = use.totalInodes > 0 && use.freeInodes < use.totalInodes * NEARLY_FULL;
  return use.freeBytes < use.totalBytes * NEARLY_FULL || inodes;
}

function bytesOf(use: DiskUse, attempt: AttemptId): number {
  return use.attempts.get(attempt) ?? 0;
}

function inMebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 1024 ** 2)} MiB`;
}
