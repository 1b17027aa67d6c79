import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Amount } from '../../src/sandbox/sandbox.ts';
import { Database } from '../../src/state/database.ts';
import { Holds } from '../../src/tasks/holds.ts';
import { StateRoom } from '../../src/tasks/state-room.ts';
import type { Shortage } from '../../src/tasks/watermarks.ts';

const MB = 1e6;
const PLENTY: Amount = { free: 5000 * MB, total: 10_000 * MB };
const LOW: Amount = { free: 400 * MB, total: 10_000 * MB };
const OUT: Amount = { free: 100 * MB, total: 10_000 * MB };

let directory: string;
let disk: Amount;
let inodes: Amount;
let told: Shortage[];
let holds: Holds;
let room: StateRoom;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  directory = await mkdtemp(path.join(tmpdir(), 'state-room-'));
  disk = inodes = PLENTY;
  told = [];
  holds = new Holds(() => {});
  const onOut = (shortage: Shortage): void => void told.push(shortage);
  room = new StateRoom({ directory, holds, onOut, look: async () => ({ disk, inodes }) });
  await room.begin();
});
afterEach(async () => {
  room[Symbol.dispose]();
  vi.useRealTimers();
  await rm(directory, { recursive: true, force: true });
});

async function becomes(now: Amount): Promise<void> {
  disk = now;
  await vi.advanceTimersByTimeAsync(600);
}

const spare = (): string => path.join(directory, 'spare');

describe("on the disk of the repository's state", () => {
  it('nothing more is started while there is little room, and it goes on by itself', async () => {
    expect(holds.reason).toBeNull();
    await becomes(LOW);
    expect(holds.reason).toContain('nearly full (400 MB of 10 GB free)');
    expect(told).toEqual([]);
    await becomes(PLENTY);
    expect(holds.reason).toBeNull();
  });

  it('agents are ended, one after the other, while there is hardly any', async () => {
    await becomes(OUT);
    expect(room.isOut).toBe(true);
    await becomes(OUT);
    expect(told).toHaveLength(2);
    expect(told[0]).toEqual({ why: 'state', reason: expect.stringContaining('100 MB of 10 GB free') });
    await becomes(LOW);
    expect(told).toHaveLength(2);
  });

  it('transcripts are short with little room, and none are kept with hardly any', async () => {
    const taken = (): boolean[] => [0, 5 * 1024 ** 2].map((written) => room.takesTranscript(written));
    expect(taken()).toEqual([true, true]);
    await becomes(LOW);
    expect(taken()).toEqual([true, false]);
    await becomes(OUT);
    expect(taken()).toEqual([false, false]);
  });

  it('files are as scarce as bytes', async () => {
    inodes = { free: 10, total: 1_000_000 };
    await becomes(PLENTY);
    expect(holds.reason).toContain('10 of 1000000 inodes');
    expect(room.isOut).toBe(true);
  });

  it('whoever waits for room goes on once there is some, or when that is not wanted any more', async () => {
    await becomes(OUT);
    let isAwaited = true;
    const ends: string[] = [];
    room.untilRoom(() => true).then(() => ends.push('room'));
    room.untilRoom(() => isAwaited).then(() => ends.push('not wanted'));
    await becomes(OUT);
    isAwaited = false;
    await vi.advanceTimersByTimeAsync(600);
    expect(ends).toEqual(['not wanted']);
    await becomes(PLENTY);
    await vi.advanceTimersByTimeAsync(600);
    expect(ends).toEqual(['not wanted', 'room']);
  });
});

describe('the spare file', () => {
  it('is there from the beginning, goes when it is needed, is laid again with the room, and goes in the end', async () => {
    expect((await stat(spare())).size).toBe(8 * 1024 ** 2);
    await becomes(OUT);
    expect([room.giveSpare(), room.giveSpare()]).toEqual([true, false]);
    await becomes(LOW);
    expect(existsSync(spare())).toBe(false);
    await becomes(PLENTY);
    expect(existsSync(spare())).toBe(true);
    room[Symbol.dispose]();
    expect(await readdir(directory)).toEqual([]);
  });

  it('is small on a small disk', async () => {
    await rm(spare());
    await becomes({ free: 90 * MB, total: 100 * MB });
    expect((await stat(spare())).size).toBe(0.5 * MB);
  });
});

describe('records on a disk that is full', () => {
  const LONG = 'x'.repeat(10_000);
  let database: Database;

  /** SQLite itself takes it for a full disk. */
  function limit(pages: number): void {
    database.client.pragma(`max_page_count = ${pages}`);
  }

  function count(): number {
    return database.get<{ n: number }>('SELECT count(*) AS n FROM records')?.n ?? 0;
  }

  beforeEach(async () => {
    const file = path.join(directory, 'state.db');
    await writeFile(file, '');
    database = new Database(file, 'write');
    database.run('CREATE TABLE records (text TEXT)');
    limit(10);
  });
  afterEach(() => database.close());

  const write = (): void => database.insert('records', { text: LONG });
  const writeTwo = (): void =>
    database.transaction(() => {
      write();
      write();
    });

  it.each([
    ['one', write, 1],
    ['several in one transaction', writeTwo, 2],
  ])('find the room that was spared for them: %s', (_, change, each) => {
    const fill = (): void => {
      for (let n = 0; n < 20; n += 1) change();
    };
    expect(fill).toThrow(expect.objectContaining({ code: 'STATE_DISK_FULL' }));
    const before = count();
    let asked = 0;
    database.makeRoom = () => {
      asked += 1;
      limit(10_000);
      return true;
    };
    fill();
    expect([asked, count()]).toEqual([1, before + 20 * each]);
  });
});
