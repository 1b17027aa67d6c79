import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { drainedFrom } from '../../cli/drained.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'orchestrate-drained-'));
});
afterEach(() => rm(folder, { recursive: true }));

it('a host is drained once it is taken out of the settings, and no other is', async () => {
  const file = path.join(folder, 'config.yaml');
  await writeFile(file, 'hosts: {a: {url: ssh://a}, b: {url: ssh://b}}\n');
  const isDrained = drainedFrom(file, 0);
  expect(['a', 'b', 'local'].map(isDrained)).toEqual([false, false, false]);
  await writeFile(file, 'hosts: {b: {url: ssh://b}}\n');
  expect(isDrained('a')).toBe(true);
  expect(['b', 'local'].map(isDrained)).toEqual([false, false]);
  // Somebody is just writing it.
  await writeFile(file, 'hosts: {b: {url');
  expect(isDrained('b')).toBe(false);
  await rm(file);
  expect(isDrained('b')).toBe(true);
});
