// The logs of faults that nobody foresaw: where they are told of, and that they do not add up.
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { describeFailure } from '../../cli/failures.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'faults-'));
  vi.stubEnv('XDG_STATE_HOME', folder);
  vi.useFakeTimers({ toFake: ['Date'] });
});
afterEach(async () => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

it('the newest 20 stay, none of them large', async () => {
  let last = '';
  for (let n = 0; n < 25; n += 1) {
    vi.advanceTimersByTime(1000);
    ({ text: last } = await describeFailure(new Error(`fault ${n}: ${'x'.repeat(1_000_000)}`), true));
  }
  const { hint } = (JSON.parse(last) as { error: { hint: string } }).error;
  const log = hint.replace('details are in ', '');
  const logs = await readdir(path.dirname(log));
  expect(logs).toHaveLength(20);
  expect(logs.sort().at(-1)).toBe(path.basename(log));
  expect(await readFile(log, 'utf8')).toContain('fault 24');
  expect((await stat(log)).size).toBeLessThan(300_000);
});
