import { describe, expect, it } from 'vitest';
import type { DiskUse } from '../../src/sandbox/sandbox.ts';
import { DiskWatch, overLimits } from '../../src/tasks/disk-watch.ts';
import type { AttemptId } from '../../src/types.ts';

const A = 'a.1' as AttemptId;
const B = 'b.1' as AttemptId;

function use(sizes: Readonly<Record<string, number>>, disk: Partial<DiskUse> = {}): DiskUse {
  const attempts = new Map(Object.entries(sizes)) as unknown as DiskUse['attempts'];
  return { attempts, freeBytes: 50, totalBytes: 100, freeInodes: 50, totalInodes: 100, ...disk };
}

function watched(...ids: readonly [AttemptId, boolean][]) {
  return new Map(ids.map(([id, over]) => [id, { limitBytes: 1000, over }]));
}

const BOTH = watched([A, false], [B, false]);

describe('who has to end', () => {
  it('is whoever is over the own limit', () => {
    expect(overLimits(use({ [A]: 1000, [B]: 1001 }), BOTH).map((one) => one.attempt)).toEqual([B]);
    expect(overLimits(use({}), BOTH)).toEqual([]);
  });

  it.each([{ freeBytes: 2 }, { freeInodes: 2 }])('is the biggest one when the disk is nearly full (%o)', (disk) => {
    expect(overLimits(use({ [A]: 10, [B]: 9 }, disk), BOTH).map((one) => one.attempt)).toEqual([A]);
  });

  it('is nobody else while one is going', () => {
    expect(overLimits(use({ [A]: 10, [B]: 900 }, { freeBytes: 0 }), watched([A, true], [B, false]))).toEqual([]);
  });

  it('is nobody for inodes where a file system has no fixed number of them', () => {
    expect(overLimits(use({ [A]: 10 }, { freeInodes: 0, totalInodes: 0 }), BOTH)).toEqual([]);
  });
});

describe('watching', () => {
  it('tells once, after looks that failed, and looks no more when nothing is watched', async () => {
    let looks = 0;
    const watch = new DiskWatch(async () => {
      looks += 1;
      if (looks === 1) throw new Error('the engine did not answer');
      return use({ [A]: 2000 });
    });
    const reasons: string[] = [];
    await new Promise<void>((resolve) => {
      const stop = watch.watch(A, 1000, (reason) => {
        reasons.push(reason);
        stop();
        // Again, from the start.
        watch.watch(B, 1000, () => {});
        watch.watch(A, 1000, (again) => {
          reasons.push(again);
          resolve();
        });
      });
    });
    expect(reasons).toHaveLength(2);
    expect(looks).toBe(3);
  }, 10_000);
});
