/** One attempt from start to end: sandbox, agent, patch, record. Whatever happens, its end is written down. */

import type { AgentEvent, AgentSession, Engine } from '../engine/engine.ts';
import { OrchestrateError } from '../errors.ts';
import type { EventBody } from '../events.ts';
import type { Repository } from '../git/repository.ts';
import { keepSnapshot, salvageSnapshot } from '../patch/collect.ts';
import type { RunningSandbox, SandboxHost } from '../sandbox/sandbox.ts';
import type { AttemptEnd, AttemptRecord, TaskRecord } from '../state/records.ts';
import type { Limits } from '../types.ts';
import { conclude, end } from './conclude.ts';
import type { DiskWatch } from './disk-watch.ts';
import { IdleWatch } from './idle.ts';
import type { Adopted } from './recovery.ts';
import { transcriptFile } from './retention.ts';
import type { StartTurn } from './start-line.ts';
import type { StartTree } from './start-tree.ts';
import { type Supervised, supervise } from './supervise.ts';
import { followOutput } from './transcript.ts';

/** An engine in trouble is worth another try; an agent's failure is a result and is not. */
const MAX_INFRASTRUCTURE_TRIES = 3;

export interface AttemptBounds {
  readonly limits: Limits;
  /** Milliseconds from the start of the agent. */
  readonly timeoutMs: number;
  /** Milliseconds without any sign of work. */
  readonly idleTimeoutMs: number;
  /** Milliseconds between two snapshots of the agent's work. */
  readonly snapshotEveryMs: number;
}

/** What an attempt needs of the run it belongs to. */
export interface AttemptContext {
  readonly host: SandboxHost;
  readonly engine: Engine;
  readonly bounds: AttemptBounds;
  readonly disk: DiskWatch;
  /** Aborted when this attempt is to end now; its reason says whether the user or the run wants it. */
  readonly signal: AbortSignal;
  readonly repository: Repository;
  /** Starts happen in the order of the queue: waits for this attempt's turn, and lets the next one go. */
  readonly turn: StartTurn;
  emit(event: EventBody): void;
  onStarted(base: StartTree): void;
  onCollecting(): void;
}

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
    return salvagedEnd(context, { attempt, start }, error);
  }
}

/** The end of an attempt that an infrastructure fault cut off. Anything but our own errors is a bug and thrown on. */
export function lostEnd(attempt: AttemptRecord, error: unknown): AttemptEnd {
  if (!(error instanceof OrchestrateError)) throw error;
  const lost = end('lost', { exitCode: null, reason: error.message, patch: null });
  return attempt.n < MAX_INFRASTRUCTURE_TRIES ? { ...lost, taskState: 'queued' } : lost;
}

/** Goes on with an attempt whose coordinator was killed, whether its agent still runs or has ended meanwhile. */
export async function resumeAttempt(
  context: AttemptContext,
  task: TaskRecord,
  { attempt, start, adopted }: Adopted,
): Promise<AttemptEnd> {
  try {
    const elapsedMs = Math.max(0, Date.now() - adopted.startedAt.getTime());
    const session = beginSession(context, task, attempt);
    return await untilEnd(context, { attempt, start, session, running: adopted.sandbox, elapsedMs });
  } catch (error) {
    return salvagedEnd(context, { attempt, start }, error);
  }
}

/** The same, with the last snapshot of what the agent did. */
async function salvagedEnd(
  context: AttemptContext,
  { attempt, start }: Pick<StartedAttempt, 'attempt' | 'start'>,
  error: unknown,
): Promise<AttemptEnd> {
  if (error instanceof OrchestrateError && error.kind === 'usage') {
    // Asked for something that cannot be: another try would end the same way.
    return end('failed', { exitCode: null, reason: error.message, patch: null });
  }
  const lost = lostEnd(attempt, error);
  return {
    ...lost,
    patch: await salvageSnapshot(context.repository, { attempt: attempt.id, task: attempt.task, start }),
  };
}

async function attemptInSandbox(
  context: AttemptContext,
  task: TaskRecord,
  attempt: AttemptRecord,
  start: StartTree,
): Promise<AttemptEnd> {
  const { host, bounds } = context;
  await host.prepareTree(start);
  const session = beginSession(context, task, attempt);
  const created = await host.create({
    attempt: attempt.id,
    task: task.id,
    containerName: attempt.container,
    tree: start.tree,
    commit: start.commit,
    ...session.program,
    limits: bounds.limits,
    timeoutMs: bounds.timeoutMs,
  });
  let running: RunningSandbox;
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
    running = await starting;
  } catch (error) {
    await created.discard().catch(() => {});
    throw error;
  }
  return untilEnd(context, { attempt, start, session, running, elapsedMs: 0 });
}

function beginSession({ engine }: AttemptContext, task: TaskRecord, attempt: AttemptRecord): AgentSession {
  const { id, agent: role, title, description } = task;
  return engine.begin({ task: id, attempt: attempt.n, role, title, description }, null);
}

interface StartedAttempt {
  readonly attempt: AttemptRecord;
  readonly start: StartTree;
  readonly session: AgentSession;
  readonly running: RunningSandbox;
  /** How long the agent has run already, milliseconds. */
  readonly elapsedMs: number;
}

async function untilEnd(context: AttemptContext, started: StartedAttempt): Promise<AttemptEnd> {
  const { attempt, start, session, running } = started;
  const file = transcriptFile(context.repository.stateDir, attempt.id);
  const idle = new IdleWatch(context.bounds.idleTimeoutMs, () => running.cpuMs());
  const transcript = followOutput(file, running, (chunk) => {
    const events = session.read(chunk);
    // What an engine does not count as an event (it waits for the model again) is no sign of work.
    if (events.length > 0) idle.active();
    for (const event of events) tell(context, attempt, event);
  });
  // Awaited below; a failure meanwhile must not count as unhandled.
  transcript.catch(() => {});
  try {
    const supervised = await untilEnded(context, started, idle);
    await transcript;
    context.onCollecting();
    return await conclude(context, { attempt, start, session }, supervised);
  } finally {
    await running.discard();
  }
}

/** What the agent says of itself, as an event of the run. */
function tell(context: AttemptContext, { id, task }: AttemptRecord, event: AgentEvent): void {
  if (event.type === 'text') {
    context.emit({ type: 'agent.output', task, attempt: id, stream: event.stream, text: event.text });
  } else if (event.type === 'tool') {
    context.emit({ type: 'agent.tool', task, attempt: id, tool: event.tool, detail: event.detail });
  } else context.emit({ type: 'usage', task, attempt: id, usage: event.usage });
}

async function untilEnded(context: AttemptContext, started: StartedAttempt, idle: IdleWatch): Promise<Supervised> {
  const { bounds, disk, signal } = context;
  const { diskBytes } = bounds.limits;
  const snapshots = takeSnapshots(context, started, idle);
  try {
    const leftMs = bounds.timeoutMs - started.elapsedMs;
    return await supervise(started.running, { attempt: started.attempt.id, leftMs, idle, diskBytes, disk, signal });
  } finally {
    await snapshots.stop();
  }
}

/** Keeps the agent's work every few minutes, so that losing the engine costs at most that. */
function takeSnapshots(context: AttemptContext, started: StartedAttempt, idle: IdleWatch): { stop(): Promise<void> } {
  const { attempt, start, running } = started;
  let current: Promise<void> = Promise.resolve();
  let over = false;
  const timer = setInterval(() => {
    current = current.then(async () => {
      const goOn = idle.hold();
      try {
        await running.snapshot((collection) =>
          keepSnapshot(context.repository, collection, { attempt: attempt.id, task: attempt.task, start }),
        );
      } catch (error) {
        if (over) return;
        const why = error instanceof Error ? error.message : String(error);
        context.emit({ type: 'warning', task: attempt.task, attempt: attempt.id, message: `no snapshot: ${why}` });
      } finally {
        goOn();
      }
    });
  }, context.bounds.snapshotEveryMs);
  return {
    stop: () => {
      over = true;
      clearInterval(timer);
      return current;
    },
  };
}
