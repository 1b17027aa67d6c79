/** A run of the built command line whose coordinator is killed while its agent works, and waiting for what a run does. */

import path from 'node:path';
import Docker from 'dockerode';
import { execa } from 'execa';
import { TestRunner } from 'vitest';
import { openStateForReading, type State } from '../../src/state/state.ts';
import type { Scratch } from './scratch.ts';

const CLI = path.resolve(import.meta.dirname, '../../dist/cli/main.js');
/** How long before the end of a test's time is told what it waited for. */
const TELLING_MS = 2_000;

/** Starts a run with these flags and kills it once its agent has started; returns the name of the agent's container. */
export async function killedRun(scratch: Scratch, flags: readonly string[]): Promise<string> {
  const child = execa(process.execPath, [CLI, 'run', ...flags], {
    cwd: scratch.repository,
    env: scratch.env,
    extendEnv: false,
    reject: false,
  });
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`it ended before that: ${(await child).stderr}`);
    return (await runningAgents(scratch)).length === 1 && atWork(scratch).length === 1;
  });
  child.kill('SIGKILL');
  await child;
  const [name] = await containersOf(scratch, 'label=orchestrate.kind=agent');
  if (name === undefined) throw new Error('the agent is gone');
  return name;
}

/** For an agent that is to work until {@link letGo}. */
export const UNTIL_LET_GO = 'until test -e /tmp/go; do sleep 0.1; done';

/** Lets the agents at work go on that wait for it. */
export async function letGo(scratch: Scratch): Promise<void> {
  for (const name of await runningAgents(scratch)) await execa('docker', ['exec', name, '/usr/bin/touch', '/tmp/go']);
}

/** Names of the containers that run an agent of the repository. */
export function runningAgents(scratch: Scratch): Promise<string[]> {
  return containersOf(scratch, 'status=running', 'label=orchestrate.kind=agent');
}

/** Names of the repository's containers, running or not; `filters` as `docker ps --filter` takes them. */
export async function containersOf(scratch: Scratch, ...filters: string[]): Promise<string[]> {
  const wanted: Record<string, string[]> = { label: [`orchestrate=${await scratch.installation()}`] };
  for (const filter of filters) {
    const [key = '', ...value] = filter.split('=');
    wanted[key] = [...(wanted[key] ?? []), value.join('=')];
  }
  const found = await new Docker().listContainers({ all: true, filters: wanted });
  return found.map(({ Names }) => (Names[0] ?? '').slice(1));
}

/** The tasks whose agents are at work, as the state has it: asked without a process for each look. */
export function atWork(scratch: Scratch): string[] {
  return readState(scratch, (state) => state.unendedAttempts().filter((one) => one.state === 'running')).map(
    ({ task }) => task,
  );
}

/** The state of a task (undefined: there is none), asked in the same way. */
export function stateNow(scratch: Scratch, task: string): string | undefined {
  return readState(scratch, (state) => state.tasks()).find(({ id }) => id === task)?.state;
}

/** Nothing where there is no state yet. */
function readState<Found>(scratch: Scratch, read: (state: State) => readonly Found[]): readonly Found[] {
  const state = openStateForReading(path.join(scratch.repository, '.git/orchestrate'));
  try {
    return state === null ? [] : read(state);
  } finally {
    state?.close();
  }
}

/** Asks again until it holds. The test's own time-out bounds it: a moment before that it says what never held. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  const test = TestRunner.getCurrentTest();
  const deadline = (test?.result?.startTime ?? Number.POSITIVE_INFINITY) + (test?.timeout ?? 0) - TELLING_MS;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`it never held: ${String(holds)}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
