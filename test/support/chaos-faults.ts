/** What can happen to a run while it is held at a point. */

import { setTimeout as wait } from 'node:timers/promises';
import { execa } from 'execa';
import { expect } from 'vitest';
import type { Point } from './chaos-points.ts';
import type { StartedRun } from './endurance.ts';
import type { EngineProxy } from './engine-proxy.ts';
import type { Held } from './held.ts';
import { containersOf } from './killed-run.ts';
import type { Scratch } from './scratch.ts';

export interface Victim {
  readonly scratch: Scratch;
  readonly proxy: EngineProxy;
  readonly run: StartedRun;
  readonly held: Held;
  /** How long it is stopped, milliseconds. */
  readonly stopMs: number;
  /** By chance. */
  yesOrNo(): boolean;
}

export interface Fault {
  readonly name: string;
  /** What the run does after it: it dies of it, it goes on as if nothing had been, or its work is in part lost. */
  readonly leaves: 'nobody' | 'all' | 'some';
  /** Flags that the run needs for it. */
  readonly flags?: readonly string[];
  happensAt(point: Point): boolean;
  strike(victim: Victim): Promise<void>;
}

/** How long the engine is away, milliseconds. */
const GONE_MS = 2_000;
/** A gateway that nobody asks anything: there all the same. */
const WITH_GATEWAY = ['--network', 'allowlist', '--allow', 'example.invalid'];

export const KILLED: Fault = {
  name: 'killed',
  leaves: 'nobody',
  happensAt: () => true,
  async strike({ run, held, yesOrNo }) {
    await kill(run, yesOrNo());
    // What it was about may still happen, or not.
    if (yesOrNo()) held.release();
    else held.drop();
  },
};

export const FAULTS: readonly Fault[] = [
  KILLED,
  {
    name: 'stopped',
    leaves: 'all',
    happensAt: () => true,
    async strike({ scratch, run, held, stopMs }) {
      run.signal('SIGSTOP');
      held.release();
      const stopped = wait(stopMs);
      const { counts } = await scratch.json<{ counts: { succeeded: number } }>(['status']);
      const other = await scratch.orchestrate(['run', '--json', '--engine-command', 'true']);
      // Where nothing is left to do, there is nothing to refuse.
      const isIdle = Object.values(counts).every((count) => count === 0 || count === counts.succeeded);
      if (isIdle) expect(other).toMatchObject({ exitCode: 0 });
      else expect(other).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('ALREADY_RUNNING') });
      await stopped;
      run.signal('SIGCONT');
    },
  },
  {
    name: 'engine gone',
    leaves: 'some',
    happensAt: () => true,
    async strike({ proxy, run, held, yesOrNo }) {
      if (yesOrNo()) {
        await proxy.refuse();
        held.drop();
        await Promise.race([run.ended, wait(GONE_MS)]);
        await proxy.pass();
      } else {
        proxy.cut();
        held.drop();
      }
    },
  },
  {
    name: 'killed while its agents were paused',
    leaves: 'nobody',
    happensAt: ({ name }) => name === 'log opened',
    async strike({ scratch, run, held }) {
      const agents = await containersOf(scratch, 'status=running', 'label=orchestrate.kind=agent');
      expect(agents.length).toBeGreaterThan(0);
      await execa('docker', ['pause', ...agents], { reject: false });
      await kill(run, false);
      held.release();
    },
  },
  {
    name: 'keeper killed',
    leaves: 'some',
    happensAt: ({ has }) => has !== undefined,
    strike: (victim) => remove('keeper', victim),
  },
  {
    name: 'gateway killed',
    leaves: 'some',
    flags: WITH_GATEWAY,
    happensAt: ({ has }) => has === 'agent',
    strike: (victim) => remove('gateway', victim),
  },
  {
    name: 'agent removed',
    leaves: 'some',
    happensAt: ({ has }) => has === 'agent',
    strike: (victim) => remove('agent', victim),
  },
];

async function kill(run: StartedRun, withGroup: boolean): Promise<void> {
  run.signal('SIGKILL', ...(withGroup ? (['group'] as const) : []));
  await run.ended;
}

/** As somebody else would: `docker kill` or `docker rm -f`. */
async function remove(kind: 'keeper' | 'gateway' | 'agent', { scratch, held, yesOrNo }: Victim): Promise<void> {
  const names = await containersOf(scratch, `label=orchestrate.kind=${kind}`);
  expect(names).not.toEqual([]);
  await execa('docker', [...(kind === 'agent' || yesOrNo() ? ['rm', '-f'] : ['kill']), ...names], { reject: false });
  held.release();
}
