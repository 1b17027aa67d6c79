// What is tried before a run is left alone, through the built command line.

import { expect, it } from 'vitest';
import { containersOf } from '../support/killed-run.ts';
import { Scratch } from '../support/scratch.ts';

interface Status {
  readonly counts: Readonly<Record<string, number>>;
}

it('refuses a base on which a check fails, leaves everything as it was, and starts all the same where told to', async () => {
  await using scratch = await Scratch.create();
  await scratch.submitScript('Good', 'echo good > good.txt');
  const run = ['run', '--engine', 'demo', '--for', '1h', '--check', 'echo before; echo it is broken; exit 7'];
  const refused = await scratch.orchestrate(run);
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toMatch(/the check fails on the base \(7\).*\| it is broken.*hint: .*--allow-red-base/s);
  expect(refused.stdout).not.toContain('started (attempt');
  expect((await scratch.json<Status>(['status'])).counts).toMatchObject({ queued: 1, failed: 0 });
  expect(await containersOf(scratch)).toEqual([]);

  const allowed = await scratch.orchestrate([...run, '--allow-red-base']);
  expect(allowed.stdout).toMatch(/ready, agents start\n.*RED \(7\), allowed: echo before.*started \(attempt/s);
  expect((await scratch.json<Status>(['status'])).counts).toMatchObject({ queued: 0, succeeded: 1 });
});
