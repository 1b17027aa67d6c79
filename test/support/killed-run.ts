/** A run of the built command line whose coordinator is killed while its agent works. */

import path from 'node:path';
import { execa } from 'execa';
import type { Scratch } from './scratch.ts';

const CLI = path.resolve(import.meta.dirname, '../../dist/cli/main.js');

/** Starts a run with these flags and kills it once its agent has started; returns the name of the agent's container. */
export async function killedRun(scratch: Scratch, flags: readonly string[]): Promise<string> {
  const child = execa(process.execPath, [CLI, 'run', ...flags], {
    cwd: scratch.repository,
    env: scratch.env,
    extendEnv: false,
    reject: false,
  });
  await until(async () => (await containersOf(scratch, 'status=running', 'label=orchestrate.kind=agent')).length === 1);
  // The state says so a moment after the engine does.
  await until(async () => (await scratch.json<{ counts: { running: number } }>(['status'])).counts.running === 1);
  child.kill('SIGKILL');
  await child;
  const [name] = await containersOf(scratch, 'label=orchestrate.kind=agent');
  if (name === undefined) throw new Error('the agent is gone');
  return name;
}

/** Names of the repository's containers, running or not; `filters` as `docker ps --filter` takes them. */
export async function containersOf(scratch: Scratch, ...filters: string[]): Promise<string[]> {
  const own = `label=orchestrate=${await scratch.installation()}`;
  const args = [own, ...filters].flatMap((filter) => ['--filter', filter]);
  const { stdout } = await execa('docker', ['ps', '-a', '--format', '{{.Names}}', ...args]);
  return stdout.split('\n').filter(Boolean);
}

/** Asks again until it holds; the test's own time-out bounds it. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 200));
}
