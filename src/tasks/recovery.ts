/**
 * What a run that was cut off has left: agents that still run are adopted, ended ones harvested, and where the sandbox is
 * gone the last snapshot is salvaged and the task waits again.
 */

import type { Repository } from '../git/repository.ts';
import { salvageSnapshot } from '../patch/collect.ts';
import type { AdoptedSandbox, SandboxHost } from '../sandbox/sandbox.ts';
import type { AttemptEnd, AttemptRecord } from '../state/records.ts';
import type { State } from '../state/state.ts';
import { NO_USAGE } from '../types.ts';
import { afterLoss, COORDINATOR_KILLED } from './faults.ts';
import { recordedStart, type StartTree } from './start-tree.ts';

/** There is work to recover. */
export function recoverable(state: State): boolean {
  return state.unendedAttempts().length > 0;
}

export interface RecoveryParts {
  readonly repository: Repository;
  readonly state: State;
  readonly host: SandboxHost;
  /** Limit of an attempt that does not know its own. */
  readonly diskBytes: number;
}

/** An attempt of an earlier run whose sandbox is still there, with the tree it started from. */
export interface Adopted {
  readonly attempt: AttemptRecord;
  readonly start: StartTree;
  readonly adopted: AdoptedSandbox;
}

/** Finds the sandbox of an attempt that an earlier run did not end; null: it is lost. */
export async function adoptAttempt(parts: RecoveryParts, attempt: AttemptRecord): Promise<Adopted | null> {
  const start = await startOf(parts, attempt);
  // Its tree is written down right before it starts: one without has not started.
  if (start === null) return null;
  const { id, container: containerName } = attempt;
  const diskBytes = attempt.diskBytes ?? parts.diskBytes;
  const adopted = await parts.host.adopt({ attempt: id, containerName, tree: start.tree, diskBytes });
  return adopted === null ? null : { attempt, start, adopted };
}

/** The end of an attempt whose sandbox is gone: its last snapshot is kept, its task waits for another attempt. */
export async function lostAttempt(parts: Stored, attempt: AttemptRecord): Promise<AttemptEnd> {
  const { task } = attempt;
  const message = 'the run that worked on it was cut off';
  const earlier = parts.state.lossesOf(task);
  return {
    outcome: 'lost',
    ...afterLoss({ code: COORDINATOR_KILLED, kind: 'failure', message, earlier }, new Date(), Math.random),
    exitCode: null,
    fault: COORDINATOR_KILLED,
    usage: NO_USAGE,
    egressDenied: [],
    summary: null,
    patch: await salvageOf(parts, attempt),
  };
}

/** The last snapshot of what it did, as a salvaged patch; null: there is none. */
export async function salvageOf(parts: Stored, attempt: AttemptRecord): Promise<AttemptEnd['patch']> {
  const start = await startOf(parts, attempt);
  const { id, task } = attempt;
  return start === null ? null : salvageSnapshot(parts.repository, { attempt: id, task, start });
}

type Stored = Pick<RecoveryParts, 'repository' | 'state'>;

async function startOf(parts: Stored, attempt: AttemptRecord): Promise<StartTree | null> {
  const { baseTree: tree, baseCommit: commit } = attempt;
  if (tree === null || commit === null) return null;
  const goesOn = parts.state.task(attempt.task).startFrom !== null;
  return recordedStart(parts.repository, { tree, commit }, goesOn);
}
