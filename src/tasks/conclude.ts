/** How an attempt ended, and the patch it left: an attempt that did not succeed leaves its work as a salvaged patch. */

import type { EngineVerdict } from '../engine/engine.ts';
import { environmentError, OrchestrateError } from '../errors.ts';
import { nameSome } from '../git/bytes.ts';
import { type CollectedPatch, collectPatch, type PatchOrigin as Origin } from '../patch/collect.ts';
import type { EndedSandbox } from '../sandbox/sandbox.ts';
import { insist } from '../sandbox/trouble.ts';
import type { AttemptEnd, AttemptRecord } from '../state/records.ts';
import { type AttemptOutcome, NO_USAGE } from '../types.ts';
import type { AttemptContext } from './attempt-parts.ts';
import type { StartTree } from './start-tree.ts';
import { KILLED_BY_USER, type Supervised } from './supervise.ts';

export const RUN_STOPPED = 'the run was stopped';
/** To take the work in, where the disk is said to be full and does not look it. */
const MOST_TRIES = 5;

export interface Concluded extends Thought {
  readonly attempt: AttemptRecord;
  readonly start: StartTree;
}

/** What an agent's thinking came to. */
export interface Thought {
  readonly verdict: EngineVerdict;
  /** What broke between it and the sandbox, where it is done on this side; null: nothing did. */
  readonly fault: OrchestrateError | null;
}

/** Takes the patch out, whatever the end was: an attempt that did not succeed leaves its work as a salvaged patch. */
export async function conclude(
  context: AttemptContext,
  { attempt, start, verdict, fault }: Concluded,
  supervised: Supervised,
): Promise<AttemptEnd> {
  const { ended } = supervised;
  const origin = { attempt: attempt.id, task: attempt.task, start };
  const { patch: collected, problem } = await takePatch(context, ended, origin);
  const failed = failureOf(supervised, context, { verdict, fault }) ?? problem;
  if (problem !== null && failed !== problem) {
    context.emit({ type: 'warning', task: attempt.task, attempt: attempt.id, message: problem.reason });
  }
  const salvaged = failed !== null;
  const patch: CollectedPatch | null =
    collected === null ? null : { ...collected, state: salvaged ? 'salvaged' : 'pending' };
  if (patch !== null) {
    context.emit({
      type: 'patch.created',
      task: attempt.task,
      attempt: attempt.id,
      patch: patch.id,
      salvaged,
      flags: patch.flags,
      ...patch.size,
    });
  }
  if (failed === null && patch !== null && patch.tree === start.tree) {
    const message = 'the agent changed nothing of the work that it went on with';
    context.emit({ type: 'warning', task: attempt.task, attempt: attempt.id, message });
  }
  if (failed !== null) return end(failed.outcome, { exitCode: ended.exitCode, reason: failed.reason, patch });
  const summary = verdict.done ? verdict.summary : null;
  const outcome = patch === null ? 'no-changes' : 'succeeded';
  const reason = patch === null ? 'the agent changed nothing' : null;
  return { ...end(outcome, { exitCode: ended.exitCode, reason, patch }), summary };
}

interface Taken {
  readonly patch: CollectedPatch | null;
  /** Why the patch, if there is one, is not the whole work. */
  readonly problem: Failure | null;
}

/** As takeWhole; where our own disk is full, the work waits in its ended sandbox until there is room for it. */
async function takePatch(context: AttemptContext, ended: EndedSandbox, origin: Origin): Promise<Taken> {
  const { room, signal, emit } = context;
  const isAwaited = (): boolean => !signal.aborted || signal.reason === KILLED_BY_USER;
  for (let tries = 1; ; tries += 1) {
    try {
      return await takeWhole(context, ended, origin);
    } catch (error) {
      const isFull = error instanceof OrchestrateError && error.code === 'DISK_FULL';
      if (!isFull || !isAwaited() || (!room.isOut && tries >= MOST_TRIES)) throw error;
      const message = 'what the agent did waits for room on the disk of the repository';
      if (tries === 1) emit({ type: 'warning', task: origin.task, attempt: origin.attempt, message });
      await room.untilRoom(isAwaited);
    }
  }
}

/** The patch; what an agent made too large to take is its failure, not ours. */
async function takeWhole(context: AttemptContext, ended: EndedSandbox, origin: Origin): Promise<Taken> {
  try {
    // A keeper that was lost meanwhile is started anew, and what it was reading is still there.
    const { patch, tooLarge } = await insist(() => collectPatch(context.repository, ended, origin));
    if (tooLarge.length === 0) return { patch, problem: null };
    return { patch, problem: { outcome: 'failed', reason: leftOutText(tooLarge) } };
  } catch (error) {
    if (!(error instanceof OrchestrateError) || error.code !== 'COLLECT_TOO_LARGE') throw error;
    return { patch: null, problem: { outcome: 'failed', reason: error.message } };
  }
}

/** @param paths printable */
export function leftOutText(paths: readonly string[]): string {
  return `what was changed is more than a patch may have; left out: ${nameSome(paths)}`;
}

interface Failure {
  readonly outcome: AttemptOutcome;
  readonly reason: string;
}

function failureOf({ ended, stopped }: Supervised, context: AttemptContext, thought: Thought): Failure | null {
  switch (stopped?.why) {
    case 'disk':
      return { outcome: 'failed', reason: stopped.reason };
    case 'memory':
      return { outcome: 'oom', reason: stopped.reason };
    case 'state':
      return { outcome: 'lost', reason: stopped.reason };
    case 'budget':
      return { outcome: 'budget', reason: stopped.reason };
    case 'interrupted':
      return { outcome: 'killed', reason: stopped.reason ?? RUN_STOPPED };
    case 'killed':
      return { outcome: 'killed', reason: KILLED_BY_USER };
    case 'idle': {
      const seconds = context.bounds.idleTimeoutMs / 1000;
      const reason = stopped.reason ?? `ended after ${seconds} s without output, CPU time or gateway traffic`;
      return { outcome: 'idle', reason };
    }
    case 'timeout':
      return { outcome: 'timeout', reason: `ended after its time-out of ${context.bounds.timeoutMs / 1000} s` };
  }
  const fault = faultAround({ ended, stopped }, thought);
  if (fault !== null) return { outcome: 'lost', reason: fault.message };
  const { verdict } = thought;
  if (verdict.done) return null;
  if (ended.outOfMemory) return { outcome: 'oom', reason: 'out of memory (raise --memory)' };
  return { outcome: 'failed', reason: verdict.reason };
}

/** What ended the attempt that is no result of the agent's, whatever that made of being told to end; null: nothing. */
export function faultAround({ ended, stopped }: Supervised, { verdict, fault }: Thought): OrchestrateError | null {
  if (stopped === null) return ended.cutOff ?? (verdict.done || ended.outOfMemory ? null : (ended.outputLost ?? fault));
  return stopped.why === 'state' ? environmentError('STATE_DISK_FULL', stopped.reason) : null;
}

type End = Pick<AttemptEnd, 'exitCode' | 'reason' | 'patch' | 'fault'>;

export function end(outcome: AttemptOutcome, fields: End): AttemptEnd {
  return {
    outcome,
    taskState: taskStateAfter(outcome, fields.reason),
    usage: NO_USAGE,
    egressDenied: [],
    summary: null,
    ...fields,
  };
}

function taskStateAfter(outcome: AttemptOutcome, reason: string | null): AttemptEnd['taskState'] {
  if (outcome === 'succeeded' || outcome === 'no-changes') return 'succeeded';
  if (outcome !== 'killed') return 'failed';
  // Stopped with the run: the next run takes it up again.
  return reason === KILLED_BY_USER ? 'cancelled' : 'queued';
}
