import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Amount, HostResources } from '../../src/sandbox/sandbox.ts';
import { Holds } from '../../src/tasks/holds.ts';
import { type Level, levelOf, MARKS } from '../../src/tasks/marks.ts';
import { type Shortage, Watermarks } from '../../src/tasks/watermarks.ts';
import type { AttemptId } from '../../src/types.ts';

const GB = 1e9;
const PLENTY: Amount = { free: 50 * GB, total: 100 * GB };

describe('what is too little', () => {
  const half = { free: 50, total: 100 };
  it.each<[keyof typeof MARKS, string, Amount, Level]>([
    ['disk', 'half of a disk', half, 'ample'],
    ['disk', 'a small disk with an eighth free', { free: 2.5 * GB, total: 20 * GB }, 'ample'],
    ['disk', 'a small disk below a tenth', { free: 1.9 * GB, total: 20 * GB }, 'low'],
    ['disk', 'a small disk below 3 %', { free: 0.5 * GB, total: 20 * GB }, 'out'],
    ['disk', 'a big disk with 6 GB', { free: 6 * GB, total: 1000 * GB }, 'ample'],
    ['disk', 'a big disk below 5 GB', { free: 4 * GB, total: 1000 * GB }, 'low'],
    ['disk', 'a big disk with next to nothing', { free: 1 * GB, total: 1000 * GB }, 'out'],
    ['inodes', 'a file system that counts none', { free: 0, total: 0 }, 'ample'],
    ['inodes', 'a file system with few left', { free: 90_000, total: 1_000_000 }, 'low'],
    ['inodes', 'a file system with hardly any', { free: 2000, total: 1_000_000 }, 'out'],
    ['memory', 'a tenth of 8 GB', { free: 0.7 * GB, total: 8 * GB }, 'low'],
    ['memory', 'the last of 8 GB', { free: 0.3 * GB, total: 8 * GB }, 'out'],
    ['memory', '3 of 256 GB', { free: 3 * GB, total: 256 * GB }, 'ample'],
  ])('of %s: %s', (what, _, amount, level) => {
    expect(levelOf(amount, MARKS[what], 'ample')).toBe(level);
  });

  it('is enough again only well above the mark', () => {
    const justAbove = { free: 2.1 * GB, total: 20 * GB };
    expect(levelOf(justAbove, MARKS.disk, 'ample')).toBe('ample');
    expect(levelOf(justAbove, MARKS.disk, 'low')).toBe('low');
    expect(levelOf({ free: 2.6 * GB, total: 20 * GB }, MARKS.disk, 'low')).toBe('ample');
  });
});

const A = 'a.1' as AttemptId;
const B = 'b.1' as AttemptId;
const CHECK = 'check-c.1-1' as AttemptId;

/** A host whose figures are what the test says, and who was told to end on it. */
class Scene {
  resources: HostResources = { attempts: new Map(), disk: PLENTY, inodes: PLENTY, memory: PLENTY };
  readonly told: [AttemptId, Shortage][] = [];
  readonly said: (string | null)[] = [];
  readonly holds = new Holds((reason) => this.said.push(reason));
  looks = 0;
  fails = false;
  readonly watermarks = new Watermarks(async () => {
    this.looks += 1;
    if (this.fails) throw new Error('the engine did not answer');
    return this.resources;
  }, this.holds);

  set(change: Partial<Omit<HostResources, 'attempts'>>, wrote: Readonly<Record<string, number>> = {}): void {
    const attempts = new Map(Object.entries(wrote)) as unknown as HostResources['attempts'];
    this.resources = { ...this.resources, ...change, attempts };
  }

  watch(attempt: AttemptId, { memory = 0, limitBytes = 1000 * GB } = {}): () => void {
    return this.watermarks.watch(attempt, {
      limitBytes,
      memoryBytes: async () => memory,
      onShort: (shortage) => this.told.push([attempt, shortage]),
    });
  }

  /** Lets the next look happen. */
  async look(): Promise<void> {
    const before = this.looks;
    while (this.looks === before) await vi.advanceTimersByTimeAsync(500);
    await vi.advanceTimersByTimeAsync(0);
  }

  get ended(): AttemptId[] {
    return this.told.map(([attempt]) => attempt);
  }
}

const FULL_DISK: Amount = { free: 1 * GB, total: 100 * GB };
const LOW_DISK: Amount = { free: 4 * GB, total: 100 * GB };
const NO_MEMORY: Amount = { free: 0.1 * GB, total: 8 * GB };
const LOW_MEMORY: Amount = { free: 0.6 * GB, total: 8 * GB };

let scene: Scene;
beforeEach(async () => {
  vi.useFakeTimers();
  scene = new Scene();
});
afterEach(() => {
  scene.watermarks[Symbol.dispose]();
  vi.useRealTimers();
});

describe('starting', () => {
  it('is held from the first look on where the disk is nearly full, and goes on with the room', async () => {
    scene.set({ disk: LOW_DISK });
    await scene.watermarks.begin();
    expect(scene.holds.reason).toContain("Docker engine's disk is nearly full (4 GB of 100 GB free");
    scene.set({ disk: { free: 3.5 * GB, total: 100 * GB } });
    await scene.look();
    // Not told anew with each figure.
    expect(scene.said).toHaveLength(1);
    scene.set({ disk: { free: 5.1 * GB, total: 100 * GB } });
    await scene.look();
    expect(scene.holds.reason).not.toBeNull();
    scene.set({ disk: PLENTY });
    await scene.look();
    expect(scene.said).toEqual([expect.any(String), null]);
  });

  it.each<[string, Partial<HostResources>, string]>([
    ['inodes', { inodes: { free: 10, total: 1000 } }, 'inodes'],
    ['memory', { memory: LOW_MEMORY }, 'short of memory (600 MB of 8 GB available)'],
  ])('is held for want of %s', async (_, change, reason) => {
    scene.set(change);
    await scene.watermarks.begin();
    expect(scene.holds.reason).toContain(reason);
    expect(scene.ended).toEqual([]);
  });

  it('is held while sandboxes that have just started may still take what memory there is', async () => {
    scene.set({ memory: { free: 2 * GB, total: 8 * GB } });
    await scene.watermarks.begin();
    scene.watch(A);
    scene.watermarks.starting();
    scene.watermarks.starting();
    expect(scene.holds.reason).toBeNull();
    scene.watermarks.starting();
    expect(scene.holds.reason).toContain('3 started within the last minute');
    await vi.advanceTimersByTimeAsync(65_000);
    expect(scene.holds.reason).toBeNull();
    expect(scene.ended).toEqual([]);
  });

  it('is not held by a host that says nothing, of its memory or at all', async () => {
    scene.set({ memory: null });
    await scene.watermarks.begin();
    scene.fails = true;
    await scene.look();
    expect(scene.holds.reason).toBeNull();
  });
});

describe('who has to end', () => {
  beforeEach(() => scene.watermarks.begin());

  it('is whoever is over the own limit, once', async () => {
    scene.watch(A, { limitBytes: 10 });
    scene.watch(B, { limitBytes: 10 });
    scene.set({}, { [A]: 10, [B]: 11 });
    await scene.look();
    await scene.look();
    expect(scene.told).toEqual([[B, { why: 'disk', reason: expect.stringContaining('--disk') }]]);
  });

  it.each([{ disk: FULL_DISK }, { inodes: { free: 2, total: 100 } }])(
    'is the biggest on a full disk (%o)',
    async (full) => {
      scene.watch(B);
      scene.watch(A);
      scene.watch(CHECK);
      scene.set(full, { [A]: 10, [B]: 9, [CHECK]: 8 });
      await scene.look();
      expect(scene.ended).toEqual([A]);
    },
  );

  it('is nobody where starting nothing more is enough', async () => {
    scene.watch(A);
    scene.set({ disk: LOW_DISK, memory: LOW_MEMORY }, { [A]: 10 });
    await scene.look();
    expect(scene.ended).toEqual([]);
  });

  it('is nobody else until the files of the one before are gone, and somebody else then, if that was not enough', async () => {
    const stop = scene.watch(A);
    scene.watch(B);
    scene.set({ disk: FULL_DISK }, { [A]: 10, [B]: 9 });
    await scene.look();
    await scene.look();
    // It has ended, its work is being collected.
    stop();
    await scene.look();
    expect(scene.ended).toEqual([A]);
    scene.set({ disk: FULL_DISK }, { [B]: 9 });
    await scene.look();
    expect(scene.ended).toEqual([A, B]);
  });

  it('is somebody else where one that was told does not end at all', async () => {
    scene.watch(A);
    scene.watch(B);
    scene.set({ disk: FULL_DISK }, { [A]: 10, [B]: 9 });
    await vi.advanceTimersByTimeAsync(110_000);
    expect(scene.ended).toEqual([A]);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(scene.ended).toEqual([A, B]);
  });

  it('is the one with most memory where the host has hardly any left, and nobody once it has', async () => {
    scene.watch(A, { memory: 1 });
    const stop = scene.watch(B, { memory: 2 });
    scene.watch(CHECK, { memory: 1 });
    scene.set({ memory: NO_MEMORY }, { [A]: 99 });
    await scene.look();
    expect(scene.told).toEqual([[B, { why: 'memory', reason: expect.stringContaining('most memory') }]]);
    stop();
    scene.set({ memory: PLENTY });
    await scene.look();
    expect(scene.ended).toEqual([B]);
  });

  it('is nobody for memory that is only set aside', async () => {
    scene.watch(A, { memory: 1 });
    scene.set({ memory: { free: 1 * GB, total: 8 * GB } });
    for (let started = 0; started < 8; started += 1) scene.watermarks.starting();
    await scene.look();
    expect(scene.holds.reason).not.toBeNull();
    expect(scene.ended).toEqual([]);
  });
});

it('without holds looks only while something is watched', async () => {
  let looks = 0;
  const watermarks = new Watermarks(async () => {
    looks += 1;
    return scene.resources;
  });
  const stop = watermarks.watch(A, { limitBytes: 1, memoryBytes: async () => 0, onShort: () => {} });
  await vi.advanceTimersByTimeAsync(1500);
  expect(looks).toBe(1);
  stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(looks).toBe(1);
});
