/**
 * Watches what agents take of the engine's host: who is over the own limit has to end; with little disk or memory left
 * nothing more is started; with hardly any, the biggest has to end, one at a time. Deleted files that are still open are
 * seen by what is free alone.
 */

import type { Amount, HostResources } from '../sandbox/sandbox.ts';
import type { AttemptId } from '../types.ts';
import type { Holds } from './holds.ts';
import { freeOf, type Level, levelOf, MARKS } from './marks.ts';

/** Milliseconds from the end of one look to the next: at least, at most, and as a multiple of what a look took. */
const PAUSE = { least: 1000, most: 30_000, timesLook: 20 } as const;
/** The same while something is short: it may be gone in seconds. */
const PAUSE_SHORT = { ...PAUSE, most: 5000, timesLook: 4 } as const;
/** What a sandbox takes soon is not seen at once: so much memory is set aside for each, for so long. */
const GROWTH = { bytes: 512 * 1024 ** 2, ms: 60_000 } as const;
/** Whoever was told to end, and has not made room by then, is waited for no longer. Milliseconds. */
const GOING_MS = 120_000;

/** Why an attempt has to end. */
export interface Shortage {
  /** `state`: of the coordinator's own disk. */
  readonly why: 'disk' | 'memory' | 'state';
  /** For people. */
  readonly reason: string;
}

export interface Watched {
  /** What it may write. */
  readonly limitBytes: number;
  /** What it holds of the host's memory; asked only where that is short. */
  memoryBytes(): Promise<number>;
  /** Called once, when it has to end. */
  onShort(shortage: Shortage): void;
}

interface Entry extends Watched {
  /** When it was told to end, monotonic; null: it was not. */
  toldAt: number | null;
}

type Scarce = 'disk' | 'inodes' | 'memory';

/** One per run and host. Without holds it looks only while something is watched; with them, until it is disposed. */
export class Watermarks implements Disposable {
  readonly #look: () => Promise<HostResources>;
  readonly #holds: Holds | null;
  readonly #watched = new Map<AttemptId, Entry>();
  /** Told to end; they may have ended, and their files be there still. */
  readonly #going = new Map<AttemptId, number>();
  /** When sandboxes were started, monotonic. */
  #young: readonly number[] = [];
  #levels: Readonly<Record<Scarce, Level>> = { disk: 'ample', inodes: 'ample', memory: 'ample' };
  #seen: HostResources | null = null;
  #isLooking = false;
  #isOver = false;

  /**
   * @param look asks the host; a failure is passed over, the next look may do better
   * @param holds told what is short; not given: nobody starts anything
   */
  constructor(look: () => Promise<HostResources>, holds: Holds | null = null) {
    this.#look = look;
    this.#holds = holds;
  }

  /** Looks once before anything is started, and from then on. */
  async begin(): Promise<void> {
    this.#isLooking = true;
    await this.#round();
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
  }

  /** A sandbox is about to take memory that nobody sees yet. */
  starting(): void {
    this.#young = [...this.#young, performance.now()];
    if (this.#seen !== null) this.#judge(this.#seen);
  }

  /** Returns how to stop watching. */
  watch(attempt: AttemptId, watched: Watched): () => void {
    const entry = { ...watched, toldAt: null };
    this.#watched.set(attempt, entry);
    if (!this.#isLooking) this.#plan(PAUSE.least);
    return () => {
      if (this.#watched.get(attempt) === entry) this.#watched.delete(attempt);
    };
  }

  /** Ends the one that has written most, unless one is going already. */
  endBiggest(shortage: Shortage): void {
    const use = this.#seen?.attempts ?? new Map<AttemptId, number>();
    if (!this.#isOneGoing(use)) this.#tell(biggest(this.#left, use), shortage);
  }

  #plan(pauseMs: number): void {
    this.#isLooking = true;
    // What is watched keeps the process alive, not the watching.
    setTimeout(() => void this.#round(), pauseMs).unref();
  }

  async #round(): Promise<void> {
    if (this.#isOver || (this.#holds === null && this.#watched.size === 0)) {
      this.#isLooking = false;
      return;
    }
    const began = performance.now();
    const seen = await this.#look().catch(() => null);
    const took = performance.now() - began;
    if (seen !== null) {
      this.#seen = seen;
      this.#judge(seen);
      await this.#act(seen);
    }
    const isShort = Object.values(this.#levels).some((level) => level !== 'ample');
    const { least, most, timesLook } = isShort ? PAUSE_SHORT : PAUSE;
    this.#plan(Math.min(Math.max(least, took * timesLook), most));
  }

  /** Says what is short as it was when it became so: figures that change all the time would be told all the time. */
  #judge(seen: HostResources): void {
    const before = this.#levels;
    const now = performance.now();
    this.#young = this.#young.filter((startedAt) => now - startedAt < GROWTH.ms);
    this.#levels = {
      disk: levelOf(seen.disk, MARKS.disk, before.disk),
      inodes: levelOf(seen.inodes, MARKS.inodes, before.inodes),
      memory: seen.memory === null ? 'ample' : this.#levelOfMemory(seen.memory, before.memory),
    };
    for (const scarce of ['disk', 'inodes', 'memory'] as const) {
      const isShort = this.#levels[scarce] !== 'ample';
      if (isShort === (before[scarce] !== 'ample')) continue;
      this.#holds?.set(scarce, isShort ? this.#phraseOf(scarce, seen) : null);
    }
  }

  #levelOfMemory(memory: Amount, before: Level): Level {
    const level = levelOf(memory, MARKS.memory, before);
    if (level === 'out') return level;
    const free = Math.max(0, memory.free - this.#young.length * GROWTH.bytes);
    const soon = levelOf({ ...memory, free }, MARKS.memory, before);
    // What is only set aside for somebody ends nobody.
    return soon === 'out' ? 'low' : soon;
  }

  #phraseOf(scarce: Scarce, { disk, inodes, memory }: HostResources): string {
    switch (scarce) {
      case 'disk':
        return `the Docker engine's disk is nearly full (${freeOf(disk)} free; orchestrate cleanup --caches makes room)`;
      case 'inodes':
        return `the Docker engine's disk has hardly any inodes left (${inodes.free} of ${inodes.total})`;
      case 'memory': {
        const young = this.#young.length === 0 ? '' : `, ${this.#young.length} started within the last minute`;
        return `the Docker engine's host is short of memory (${memory === null ? 'none' : freeOf(memory)} available${young})`;
      }
    }
  }

  async #act(seen: HostResources): Promise<void> {
    for (const [attempt, entry] of this.#left) {
      const bytes = seen.attempts.get(attempt) ?? 0;
      if (bytes <= entry.limitBytes) continue;
      const reason = `wrote ${inMebibytes(bytes)}, its limit is ${inMebibytes(entry.limitBytes)} (--disk)`;
      this.#tell(attempt, { why: 'disk', reason });
    }
    const { disk, inodes, memory } = this.#levels;
    if (this.#isOneGoing(seen.attempts)) return;
    if (disk === 'out' || inodes === 'out') {
      const what = disk === 'out' ? 'disk' : 'disk (by its inodes)';
      const reason = `ended because the Docker engine's ${what} is nearly full`;
      this.#tell(biggest(this.#left, seen.attempts), { why: 'disk', reason });
    } else if (memory === 'out') {
      const held = await this.#memoryOfEach();
      const reason = 'ended, as the one with most memory, because the host of the Docker engine had hardly any left';
      this.#tell(biggest(this.#left, held), { why: 'memory', reason });
    }
  }

  /** Those that were not told to end yet. */
  get #left(): readonly [AttemptId, Entry][] {
    return [...this.#watched].filter(([, entry]) => entry.toldAt === null);
  }

  async #memoryOfEach(): Promise<ReadonlyMap<AttemptId, number>> {
    const left = this.#left;
    const asked = left.map(([, entry]) => entry.memoryBytes().catch(() => 0));
    const held = await Promise.all(asked);
    return new Map(left.map(([attempt], at) => [attempt, held[at] ?? 0]));
  }

  #tell(attempt: AttemptId | null, shortage: Shortage): void {
    const entry = attempt === null ? undefined : this.#watched.get(attempt);
    if (attempt === null || entry === undefined || entry.toldAt !== null) return;
    entry.toldAt = performance.now();
    this.#going.set(attempt, entry.toldAt);
    entry.onShort(shortage);
  }

  /** Its room is about to come back: that of its files only when they are removed, some time after its end. */
  #isOneGoing(onDisk: ReadonlyMap<AttemptId, number>): boolean {
    const now = performance.now();
    for (const [attempt, toldAt] of this.#going) {
      const isThere = this.#watched.has(attempt) || onDisk.has(attempt);
      if (!isThere || now - toldAt > GOING_MS) this.#going.delete(attempt);
    }
    return this.#going.size > 0;
  }
}

/** Null where there is none. */
function biggest(left: readonly [AttemptId, unknown][], by: ReadonlyMap<AttemptId, number>): AttemptId | null {
  const [first] = left.map(([attempt]) => attempt).sort((a, b) => (by.get(b) ?? 0) - (by.get(a) ?? 0));
  return first ?? null;
}

function inMebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 1024 ** 2)} MiB`;
}
