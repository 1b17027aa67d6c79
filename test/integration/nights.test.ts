// Many nights in one repository, each with a new commit, three days apart by the clock of what they leave: all that stays
// is bounded, but for patches that nobody decided about.
import { readdir, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import Database from 'better-sqlite3';
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { times } from '../support/endurance.ts';
import { workNight } from '../support/nights.ts';
import { Scratch } from '../support/scratch.ts';

const NIGHTS = times({ short: 8, long: 200 });
const TIMEOUT_MS = times({ short: 10, long: 120 }) * 60_000;
const DAYS_APART = times({ short: 6, long: 3 });
/** Results and transcripts are promised to stay for 30 days; the last night's are of today. */
const NIGHTS_KEPT = 30 / DAYS_APART + 1;
const TASKS_A_NIGHT = 2;
const LAYERS = 8;
const DAY_MS = 24 * 3_600_000;
const MIB = 1024 ** 2;

let scratch: Scratch;

beforeAll(async () => {
  scratch = await Scratch.create({ 'big.txt': 'x'.repeat(MIB) });
  // As much as git allows: whatever is not kept by a ref goes at once.
  await scratch.git('config', 'gc.auto', '100');
  await scratch.git('config', 'gc.autoDetach', 'false');
  await scratch.git('config', 'gc.pruneExpire', 'now');
});
afterAll(() => scratch?.[Symbol.asyncDispose]());

it(`${NIGHTS} nights leave what is promised and no more`, { timeout: TIMEOUT_MS }, async () => {
  const undecided: string[] = [];
  for (let night = 1; night <= NIGHTS; night += 1) {
    await scratch.write({ 'day.txt': `${night}\n` });
    await scratch.git('add', '--all');
    await scratch.git('commit', '--quiet', '--message', `day ${night}`);
    const one = { key: 'one', title: `one ${night}`, description: 'x' };
    await scratch.submitBatch(one, { title: `two ${night}`, description: 'x', dependsOn: ['one'] });
    const command = 'echo "$ORCHESTRATE_TASK_ID" | tee "$ORCHESTRATE_TASK_ID.txt"';
    const storeLimits = { bytes: 1024 * MIB, partOfDisk: 1, layers: LAYERS };
    expect(await workNight(scratch, { command, history: 2, storeLimits })).toEqual([]);
    await scratch.must(['patch', 'apply', `one-${night}`, '--unreviewed']);
    if (night % 4 === 0) undecided.push(`two-${night}`);
    else await scratch.must(['patch', 'reject', `two-${night}`]);
    await expectBounded(night, undecided);
    await letDaysPass();
  }
  for (const task of undecided) expect(await scratch.must(['patch', 'show', task])).toContain(`+${task}`);
  await scratch.git('fsck', '--strict');
  expect(await scratch.git('status', '--porcelain')).toBe('');
});

async function expectBounded(night: number, undecided: readonly string[]): Promise<void> {
  const refs = (await scratch.git('for-each-ref', '--format=%(refname)', 'refs/orchestrate')).split('\n');
  expect(refs.filter((ref) => !ref.endsWith('/result'))).toEqual([]);
  const kept = NIGHTS_KEPT * TASKS_A_NIGHT;
  expect(refs.length).toBeLessThanOrEqual(kept + undecided.length);
  for (const task of undecided) expect(refs).toContain(`refs/orchestrate/${task}/1/result`);

  const state = path.join(scratch.repository, '.git/orchestrate');
  expect((await readdir(path.join(state, 'transcripts'))).length).toBeLessThanOrEqual(kept);
  expect((await readdir(path.join(state, 'git'))).sort()).toEqual(['HEAD', 'config', 'objects', 'refs']);
  expect(await readdir(path.join(state, 'git/objects'))).toEqual([]);
  expect(await entriesOf(path.join(state, 'quarantine'))).toEqual([]);
  expect(await entriesOf(state)).not.toContainEqual(expect.stringMatching(/^git\./));
  const bytes = (await stat(path.join(state, 'state.db'))).size;
  expect(bytes).toBeLessThan(MIB / 4 + night * TASKS_A_NIGHT * 8 * 1024);

  const objects = await scratch.git('count-objects', '-v');
  expect(Number(/^count: (\d+)/m.exec(objects)?.[1])).toBeLessThan(1000);
  expect(Number(/^packs: (\d+)/m.exec(objects)?.[1])).toBeLessThanOrEqual(50);

  const store = await storeFolder();
  const layers = await readdir(path.join(store, 't'));
  expect(layers.length).toBeLessThanOrEqual(LAYERS);
  expect(await readdir(path.join(store, 'a'))).toEqual([]);
  expect(await bytesIn(store)).toBeLessThan(LAYERS * 4 * MIB);
}

/** What the state and the disk hold is older by some days from here on. */
async function letDaysPass(): Promise<void> {
  const state = path.join(scratch.repository, '.git/orchestrate');
  const database = new Database(path.join(state, 'state.db'));
  const sql = `UPDATE patches SET createdAt = strftime('%Y-%m-%dT%H:%M:%fZ', createdAt, '-${DAYS_APART} days')`;
  database.exec(sql);
  database.close();
  for (const name of await readdir(path.join(state, 'transcripts'))) {
    const file = path.join(state, 'transcripts', name);
    const then = new Date((await stat(file)).mtimeMs - DAYS_APART * DAY_MS);
    await utimes(file, then, then);
  }
}

async function storeFolder(): Promise<string> {
  const docker = new Docker();
  const filters = { label: [`orchestrate=${await scratch.installation()}`, 'orchestrate.kind=store'] };
  const { Volumes: volumes } = await docker.listVolumes({ filters });
  return volumes[0]?.Mountpoint ?? '';
}

/** Apparent sizes. */
async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(files.map(async (file) => (await stat(path.join(file.parentPath, file.name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function entriesOf(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
