/** One attempt from start to end: sandbox, agent, patch, record. Whatever happens, its end is written down. */

import { once } from 'node:events';
import { createWriteStream, mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Engine } from '../engine/engine.ts';
import { OrchestrateError } from '../errors.ts';
import type { EventBody } from '../events.ts';
import { type CollectedPatch, collectPatch } from '../patch/collect.ts';
import type { EndedSandbox, RunningSandbox, SandboxHost } from '../sandbox/sandbox.ts';
import type { AttemptEnd, AttemptRecord, TaskRecord } from '../state/records.ts';
import { type AttemptOutcome, type Limits, NO_USAGE } from '../types.ts';
import type { StartTree } from './start-tree.ts';

/** An engine in trouble is worth another try; an agent's failure is a result and is not. */
const MAX_INFRASTRUCTURE_TRIES = 3;

export interface AttemptBounds {
  readonly limits: Limits;
  /** Milliseconds from the start of the agent. */
  readonly timeoutMs: number;
}

/** A place in the line of starting agents. */
export interface StartTurn {
  readonly come: Promise<void>;
  /** Idempotent. */
  pass(): void;
}

/** What an attempt needs of the run it belongs to. */
export interface AttemptContext {
  readonly host: SandboxHost;
  readonly engine: Engine;
  readonly bounds: AttemptBounds;
  readonly transcripts: string;
  /** Aborted when the run is to stop now. */
  readonly signal: AbortSignal;
  readonly repository: Parameters<typeof collectPatch>[0];
  /** Starts happen in the order of the queue: waits for this attempt's turn, and lets the next one go. */
  readonly turn: StartTurn;
  emit(event: EventBody): void;
  onStarted(base: StartTree): void;
  onCollecting(): void;
}

/** Why we ended the agent, when it did not end by itself. */
type Stopped = 'timeout' | 'killed';

/**
 * Runs one attempt. Never rejects for what the agent or the engine did: that is in the result.
 * An infrastructure fault gives the outcome `lost` with its message as the reason.
 */
export async function runAttempt(
  context: AttemptContext,
  task: TaskRecord,
  attempt: AttemptRecord,
  start: StartTree,
): Promise<AttemptEnd> {
  try {
    return await attemptInSandbox(context, task, attempt, start);
  } catch (error) {
    return lostEnd(attempt, error);
  }
}

/** The end of an attempt that an infrastructure fault cut off. Anything but our own errors is a bug and thrown on. */
export function lostEnd(attempt: AttemptRecord, error: unknown): AttemptEnd {
  if (!(error instanceof OrchestrateError)) throw error;
  const lost = end('lost', { exitCode: null, reason: error.message, patch: null });
  return attempt.n < MAX_INFRASTRUCTURE_TRIES ? { ...lost, taskState: 'queued' } : lost;
}

async function attemptInSandbox(
  context: AttemptContext,
  task: TaskRecord,
  attempt: AttemptRecord,
  start: StartTree,
): Promise<AttemptEnd> {
  const { host, engine, bounds } = context;
  await host.prepareTree({ tree: start.tree, near: start.near });
  const program = engine.program({
    task: task.id,
    attempt: attempt.n,
    role: task.agent,
    title: task.title,
    description: task.description,
  });
  const created = await host.create({
    attempt: attempt.id,
    task: task.id,
    containerName: attempt.container,
    tree: start.tree,
    ...program,
    limits: bounds.limits,
    timeoutMs: bounds.timeoutMs,
  });
  let ended: EndedSandbox | null = null;
  try {
    await context.turn.come;
    context.onStarted(start);
    context.emit({
      type: 'task.started',
      task: task.id,
      attempt: attempt.id,
      title: task.title,
      agent: task.agent,
      host: host.name,
    });
    const starting = created.start();
    context.turn.pass();
    const running = await starting;
    const transcript = followOutput(context, attempt, running);
    const supervised = await supervise(running, bounds.timeoutMs, context.signal);
    ended = supervised.ended;
    await transcript;
    context.onCollecting();
    return await conclude(context, attempt, start, supervised);
  } finally {
    await (ended ?? created).discard();
  }
}

interface Supervised {
  readonly ended: EndedSandbox;
  readonly stopped: Stopped | null;
}

/** Waits for the agent and ends it at its deadline or when the run is stopped. */
async function supervise(running: RunningSandbox, timeoutMs: number, signal: AbortSignal): Promise<Supervised> {
  let stopped: Stopped | null = null;
  const stop = (why: Stopped): void => {
    stopped ??= why;
    running.stop().catch(() => {
      // The engine is in trouble: waiting for the end reports it.
    });
  };
  const onAbort = (): void => stop('killed');
  const deadline = setTimeout(() => stop('timeout'), timeoutMs);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return { ended: await running.ended(), stopped };
  } finally {
    clearTimeout(deadline);
    signal.removeEventListener('abort', onAbort);
  }
}

/** Writes the transcript (raw bytes, in order of arrival) and tells listeners. A slow disk slows reading, not the agent. */
async function followOutput(context: AttemptContext, attempt: AttemptRecord, running: RunningSandbox): Promise<void> {
  mkdirSync(context.transcripts, { recursive: true, mode: 0o700 });
  const file = createWriteStream(path.join(context.transcripts, `${attempt.id}.log`), { mode: 0o600 });
  await once(file, 'open');
  try {
    for await (const chunk of running.output()) {
      if (!file.write(chunk.data)) await once(file, 'drain');
      context.emit({
        type: 'agent.output',
        task: attempt.task,
        attempt: attempt.id,
        stream: chunk.stream,
        text: chunk.data.toString('utf8'),
      });
    }
  } finally {
    file.end();
    await once(file, 'close');
  }
}

/** Takes the patch out, whatever the end was: an attempt that did not succeed leaves its work as a salvaged patch. */
async function conclude(
  context: AttemptContext,
  attempt: AttemptRecord,
  start: StartTree,
  supervised: Supervised,
): Promise<AttemptEnd> {
  const { ended, stopped } = supervised;
  const verdict = context.engine.verdict(ended.exitCode);
  const failed = failureOf(ended, stopped, context, verdict.done ? null : verdict.reason);
  const collected = await collectPatch(context.repository, ended, { attempt: attempt.id, task: attempt.task, start });
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
  if (failed !== null) return end(failed.outcome, { exitCode: ended.exitCode, reason: failed.reason, patch });
  const summary = verdict.done ? verdict.summary : null;
  const outcome = patch === null ? 'no-changes' : 'succeeded';
  const reason = patch === null ? 'the agent changed nothing' : null;
  return { ...end(outcome, { exitCode: ended.exitCode, reason, patch }), summary };
}

function failureOf(
  ended: EndedSandbox,
  stopped: Stopped | null,
  context: AttemptContext,
  verdict: string | null,
): { outcome: AttemptOutcome; reason: string } | null {
  if (stopped === 'killed') return { outcome: 'killed', reason: 'the run was stopped' };
  if (stopped === 'timeout') {
    return { outcome: 'timeout', reason: `ended after its time-out of ${context.bounds.timeoutMs / 1000} s` };
  }
  if (verdict === null) return null;
  if (ended.outOfMemory) return { outcome: 'oom', reason: 'out of memory (raise --memory)' };
  return { outcome: 'failed', reason: verdict };
}

type End = Pick<AttemptEnd, 'exitCode' | 'reason' | 'patch'>;

function end(outcome: AttemptOutcome, fields: End): AttemptEnd {
  return { outcome, taskState: taskStateAfter(outcome), usage: NO_USAGE, egressDenied: [], summary: null, ...fields };
}

function taskStateAfter(outcome: AttemptOutcome): AttemptEnd['taskState'] {
  if (outcome === 'succeeded' || outcome === 'no-changes') return 'succeeded';
  // Stopped with the run: the next run takes it up again.
  return outcome === 'killed' ? 'queued' : 'failed';
}
