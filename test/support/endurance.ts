/** What the tests of endurance share: how long they are, seeded chance, and what a repository has left. */

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import Docker from 'dockerode';
import { execa } from 'execa';
import { it } from 'vitest';
import type { Scratch } from './scratch.ts';

const CLI = path.resolve(import.meta.dirname, '../../dist/cli/main.js');

/** `npm run test:endurance` sets it: the nights-long form instead of the one for every change. */
const IS_LONG = process.env.ORCHESTRATE_ENDURANCE === 'long';

/** A number of repetitions: `short` in CI, `long` in the long form. */
export function times({ short, long }: { readonly short: number; readonly long: number }): number {
  return IS_LONG ? long : short;
}

/** For what takes long and is proven at another place, in its parts: it is there in the long form alone. */
export function whenLong(name: string, test: () => Promise<void>): void {
  if (IS_LONG) it(name, test);
}

/** Numbers in [0, 1) that a seed determines (mulberry32). */
function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Does something with a seed of its own, or with the one to be tried again, and names it where that fails. */
export async function seeded(act: (random: () => number) => Promise<void>): Promise<void> {
  const seed = Number(process.env.ORCHESTRATE_TEST_SEED ?? Date.now() % 2 ** 32);
  try {
    await act(chance(seed));
  } catch (error) {
    throw new Error(`with ORCHESTRATE_TEST_SEED=${seed}`, { cause: error });
  }
}

/** When to kill: some milliseconds after the n-th event of a type, or after the start of the process (null). */
export interface Moment {
  readonly event: string | null;
  readonly occurrence: number;
  readonly delayMs: number;
}

export interface RunEvent {
  readonly type: string;
  readonly task?: string;
  readonly attempt?: string;
  readonly status?: string;
  readonly host?: string;
  readonly message?: string;
}

export interface CutRun {
  /** Null: killed. */
  readonly exitCode: number | null;
  readonly events: readonly RunEvent[];
  readonly stderr: string;
}

/** `orchestrate run`, killed (-9) at that moment unless it ends before. */
export async function runUntil(scratch: Scratch, command: string, moment: Moment | null): Promise<CutRun> {
  let timer: NodeJS.Timeout | undefined;
  const killLater = (): void => {
    timer ??= setTimeout(() => run.signal('SIGKILL'), moment?.delayMs);
  };
  let left = moment?.occurrence ?? 0;
  const run = startRun(scratch, command, {
    onEvent: ({ type }) => {
      if (type !== moment?.event) return;
      left -= 1;
      if (left === 0) killLater();
    },
  });
  if (moment !== null && moment.event === null) killLater();
  const ended = await run.ended;
  clearTimeout(timer);
  return ended;
}

export interface StartedRun {
  readonly ended: Promise<CutRun>;
  /** @param to `group`: its children too, as when a machine goes down */
  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT', to?: 'group'): void;
}

/** Starts `orchestrate run` in a process group of its own. */
export function startRun(
  scratch: Scratch,
  command: string,
  options: {
    readonly args?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    onEvent?(event: RunEvent): void;
  } = {},
): StartedRun {
  const child = execa(process.execPath, [CLI, 'run', '--json', '--engine-command', command, ...(options.args ?? [])], {
    cwd: scratch.repository,
    env: { ...scratch.env, ...options.env },
    ...{ extendEnv: false, reject: false, stdin: 'ignore', detached: true },
  });
  const events: RunEvent[] = [];
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    const event = parsed(line);
    // The last line of a killed process may be cut off.
    if (event === null) return;
    events.push(event);
    options.onEvent?.(event);
  });
  const end = async (): Promise<CutRun> => {
    const [ended] = await Promise.all([child, once(lines, 'close')]);
    return { exitCode: ended.exitCode ?? null, events, stderr: ended.stderr };
  };
  return {
    ended: end(),
    signal(signal, to) {
      signalTo(child, signal, to);
    },
  };
}

/** Nothing where it has ended: its number may be somebody else's by now. @param to `group`: its children too */
export function signalTo(
  { pid, exitCode, signalCode }: Pick<ChildProcess, 'pid' | 'exitCode' | 'signalCode'>,
  signal: NodeJS.Signals,
  to?: 'group',
): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  process.kill(to === 'group' ? -pid : pid, signal);
}

function parsed(line: string): RunEvent | null {
  try {
    return JSON.parse(line) as RunEvent;
  } catch {
    return null;
  }
}

/** Names of the containers and volumes that a repository has in Docker, sorted. */
export async function leftInDocker(scratch: Scratch): Promise<string[]> {
  const docker = new Docker();
  const filters = { label: [`orchestrate=${await scratch.installation()}`] };
  const containers = await docker.listContainers({ all: true, filters });
  const { Volumes: volumes } = await docker.listVolumes({ filters });
  const names = containers.map((one) => `container ${one.Names[0] ?? one.Id}`);
  return [...names, ...(volumes ?? []).map((one) => `volume ${one.Labels['orchestrate.kind']}`)].sort();
}
