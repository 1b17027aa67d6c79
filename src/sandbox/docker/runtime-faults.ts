/** What a runtime may lack, in words, and what its administrator can do about it. */

import { environmentError, type OrchestrateError } from '../../errors.ts';
import type { WorkspaceKind } from '../../types.ts';
import type { IsolationLevel } from '../sandbox.ts';
import { type EngineRuntimes, GVISOR_ARGUMENTS, isStronger, likelyLevel, type Runtime } from './runtimes.ts';

/** What is tried, and what is said where it fails. */
const TRIALS = {
  start: 'a sandbox does not start',
  workspace: 'the workspace cannot be used',
  gateway: "the gateway's socket cannot be connected to",
  context: 'files laid out later are not seen',
  reaper: 'the sub-reaper does not work',
  guard: 'process 1 is not safe from what runs inside',
  pause: 'it cannot be paused',
  stats: 'its use is not counted',
  signals: 'signals do not reach process 1',
  deadline: 'the deadline is not kept',
  root: 'changes of the root file system are lost, and with them what a set-up installs',
} as const;

export type Trial = keyof typeof TRIALS;

/** Those that the program inside tells of. */
export const TOLD = ['workspace', 'gateway', 'context', 'reaper', 'guard'] as const satisfies readonly Trial[];

export interface RuntimeFault {
  readonly trial: Trial;
  readonly why: string;
}

/** What a runtime was found to give. */
export interface ProvenRuntime {
  readonly level: IsolationLevel;
  readonly workspace: WorkspaceKind;
}

export function fault(trial: Trial, why: unknown): RuntimeFault {
  return { trial, why: (why instanceof Error ? why.message : String(why)).trim() };
}

/** Environment error RUNTIME_UNFIT: every reason, and how the runtime can be set up better where that is known. */
export function unfitRuntime(runtime: Runtime, faults: readonly RuntimeFault[]): OrchestrateError {
  const reasons = faults.map(({ trial, why }) => `${TRIALS[trial]} (${why})`);
  return environmentError(
    'RUNTIME_UNFIT',
    `the runtime ${runtime.name} is not fit for sandboxes: ${reasons.join('; ')}`,
    {
      hint: hintFor(runtime, faults),
    },
  );
}

/** Old gVisor takes every network for the host's where the kernel has rmem_default in all of them. */
const NETWORK_BUG = /cannot run with network enabled in root network namespace/;

/** What tini says on gVisor of 2022 and before. */
const NO_SUB_REAPER = /PR_SET_CHILD_SUBREAPER is unavailable/;

function hintFor(runtime: Runtime, faults: readonly RuntimeFault[]): string {
  const without = 'or leave --runtime out, and the isolation is that of the engine';
  if (likelyLevel(runtime) !== 'gvisor') return `mend it, ${without}`;
  if (faults.some(({ why }) => NO_SUB_REAPER.test(why)))
    return `this gVisor is too old (that of Debian 12 is): install a release of gVisor itself; ${without}`;
  const wanted = [...GVISOR_ARGUMENTS, ...(faults.some(({ why }) => NETWORK_BUG.test(why)) ? ['--network=none'] : [])];
  const missing = wanted.filter((argument) => !runtime.args.includes(argument));
  if (missing.length === 0) return `try a newer gVisor, or another --platform for it; ${without}`;
  const entry = JSON.stringify({ path: runtime.path ?? '/usr/bin/runsc', runtimeArgs: [...runtime.args, ...missing] });
  return `put "runtimes": {${JSON.stringify(runtime.name)}: ${entry}} into the engine's daemon.json and have it read: kill -HUP $(pidof dockerd); ${without}`;
}

/**
 * What the user should know of a runtime that works: where it isolates no better than the engine alone, or needs copies.
 * @param wanted the workspaces that were asked for: overlay was not tried where that is copies
 */
export function saidOfRuntime(
  runtime: Runtime,
  proven: ProvenRuntime,
  { level: without, wanted }: Pick<EngineRuntimes, 'level'> & { readonly wanted: WorkspaceKind | null },
): string[] {
  const { level, workspace } = proven;
  const lines = isStronger(level, without)
    ? []
    : [`the runtime ${runtime.name} isolates no better than the engine by itself: ${level}`];
  if (workspace === 'copy' && wanted !== 'copy')
    lines.push(`workspaces are copies: overlay mounts do not work with the runtime ${runtime.name}`);
  return lines;
}
