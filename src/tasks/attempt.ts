/** One attempt from start to end: sandbox, agent, patch, record. Whatever happens, its end is written down. */

import { salvageSnapshot } from '../patch/collect.ts';
import type { RunningSandbox } from '../sandbox/sandbox.ts';
import { isEngineGone } from '../sandbox/trouble.ts';
import type { AttemptEnd, AttemptRecord, TaskRecord } from '../state/records.ts';
import { admitAgent, roleAtWork } from './admission.ts';
import type { AttemptContext, StartedAttempt } from './attempt-parts.ts';
import { conclude, end, faultAround, type Thought } from './conclude.ts';
import { afterLoss, classOf, faultOf } from './faults.ts';
import { IdleWatch } from './idle.ts';
import type { Adopted } from './recovery.ts';
import { takeSnapshots } from './snapshots.ts';
import type { StartTree } from './start-tree.ts';
import { type Supervised, supervise } from './supervise.ts';
import { Talk } from './talk.ts';
import { drive, followAgent } from './thinking.ts';

/** How an attempt ended. */
export interface EndedAttempt {
  readonly end: AttemptEnd;
  /** To be called once the end is written down: cut off before that, the work can still be collected again. */
  discard(): Promise<void>;
}

/**
 * Runs one attempt. Never rejects for what the agent or the engine did: that is in the result.
 * An infrastructure fault gives the outcome `lost` with its message as the reason. Null: its engine is gone and nobody
 * waits for it; the attempt has no end, and the next run looks after it.
 */
export async function runAttempt(
  context: AttemptContext,
  task: TaskRecord,
  attempt: AttemptRecord,
  start: StartTree,
): Promise<EndedAttempt | null> {
  try {
    return await attemptInSandbox(context, task, attempt, start);
  } catch (error) {
    if (isEngineGone(error)) return null;
    return withoutSandbox(await salvagedEnd(context, { attempt, start }, error));
  }
}

/** The end of an attempt that an error around its agent cut off. Anything but our own errors is a bug and thrown on. */
export function lostEnd({ losses }: Pick<AttemptContext, 'losses'>, error: unknown): AttemptEnd {
  const fault = faultOf(error);
  const { kind, code, message, hint } = fault;
  const fields = { exitCode: null, patch: null, fault: code };
  // Asked for something that cannot be, or the agent's own doing: another try would end the same way.
  if (kind === 'usage') return end('failed', { ...fields, reason: message });
  if (classOf(fault) === 'result') return end('failed', { ...fields, fault: null, reason: message });
  const after = afterLoss({ code, kind, message, hint, earlier: losses() }, new Date(), Math.random);
  return { ...end('lost', { ...fields, reason: after.reason }), ...after };
}

/** Goes on with an attempt whose coordinator was killed, whether its agent still runs or has ended meanwhile. */
export async function resumeAttempt(
  context: AttemptContext,
  task: TaskRecord,
  { attempt, start, adopted }: Adopted,
): Promise<EndedAttempt | null> {
  try {
    await using agent = await admitAgent(context, { task, attempt, specialist: roleAtWork(context, task.agent) });
    const elapsedMs = Math.max(0, Date.now() - adopted.startedAt.getTime());
    return await untilEnd(context, { attempt, start, agent, running: adopted.sandbox, elapsedMs });
  } catch (error) {
    if (isEngineGone(error)) return null;
    return withoutSandbox(await salvagedEnd(context, { attempt, start }, error));
  }
}

/** An end that left no sandbox. */
export function withoutSandbox(end: AttemptEnd): EndedAttempt {
  return { end, discard: async () => {} };
}

/** The same, with the last snapshot of what the agent did. */
async function salvagedEnd(
  context: AttemptContext,
  { attempt, start }: Pick<StartedAttempt, 'attempt' | 'start'>,
  error: unknown,
): Promise<AttemptEnd> {
  const lost = lostEnd(context, error);
  if (lost.outcome === 'failed' && lost.fault != null) return lost;
  const patch = await salvageSnapshot(context.repository, { attempt: attempt.id, task: attempt.task, start });
  return { ...lost, patch };
}

async function attemptInSandbox(
  context: AttemptContext,
  task: TaskRecord,
  attempt: AttemptRecord,
  start: StartTree,
): Promise<EndedAttempt> {
  const { host, bounds } = context;
  const specialist = context.roleOf?.(task.agent);
  await host.prepareTree(start);
  await using agent = await admitAgent(context, { task, attempt, specialist });
  const { session, access } = agent;
  const egress = access === null ? undefined : context.gateway?.egressOf(access);
  const created = await host.create({
    attempt: attempt.id,
    task: task.id,
    containerName: attempt.container,
    tree: start.tree,
    commit: start.commit,
    ...session.program,
    contextFiles: [...(session.program.contextFiles ?? []), ...agent.known.contextFiles],
    env: { ...egress?.env, ...session.program.env },
    homeFiles: [...(egress?.homeFiles ?? []), ...session.program.homeFiles],
    limits: bounds.limits,
    timeoutMs: bounds.timeoutMs,
    hasGateway: access !== null,
    toolboxToken: session.drive === undefined ? null : (context.gateway?.toolboxToken(attempt.id) ?? null),
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
  return await untilEnd(context, { attempt, start, agent, running, elapsedMs: 0 });
}

async function untilEnd(context: AttemptContext, started: StartedAttempt): Promise<EndedAttempt> {
  const { attempt, start, agent, running } = started;
  const talk = new Talk(context, attempt);
  const cpuMs = (): Promise<number> => running.cpuMs();
  const idle = new IdleWatch(context.bounds.idleTimeoutMs, cpuMs, (minutes) => context.onQuiet(minutes));
  agent.ties.onActive = () => idle.active();
  const transcript = followAgent(context, started, { talk, idle });
  // Awaited below; a failure meanwhile must not count as unhandled.
  transcript.catch(() => {});
  context.notes.join(attempt);
  try {
    const { supervised, driven } = await untilEnded(context, started, { talk, idle });
    await transcript;
    context.onCollecting();
    await context.notes.leave(attempt);
    // From here on nothing that it left behind can ask for anything.
    const totals = await agent.release();
    const thought = driven ?? { verdict: agent.session.verdict(supervised.ended.exitCode), fault: null };
    const concluded = await conclude(context, { attempt, start, ...thought }, supervised);
    const fault = faultAround(supervised, thought);
    const how = fault === null ? concluded : { ...lostEnd(context, fault), patch: concluded.patch };
    return { end: { ...how, ...talk.counted(totals) }, discard: () => running.discard() };
  } catch (error) {
    if (isEngineGone(error)) throw error;
    await context.notes.leave(attempt);
    await running.discard();
    throw error;
  }
}

async function untilEnded(
  context: AttemptContext,
  started: StartedAttempt,
  { talk, idle }: { readonly talk: Talk; readonly idle: IdleWatch },
): Promise<{ supervised: Supervised; driven: Thought | null }> {
  const { bounds, watermarks, signal } = context;
  const { attempt, agent, running } = started;
  const { diskBytes } = bounds.limits;
  const snapshots = takeSnapshots(context, started, idle);
  const over = new AbortController();
  const driving = drive(context, started, {
    signal: over.signal,
    tell: (event) => {
      idle.active();
      talk.tell(event);
    },
  });
  try {
    const leftMs = bounds.timeoutMs - started.elapsedMs;
    const supervision = {
      attempt: attempt.id,
      leftMs,
      idle,
      diskBytes,
      watermarks,
      signal,
      ties: agent.ties,
      stuck: talk.stuck,
    };
    const supervised = await supervise(running, supervision);
    over.abort();
    return { supervised, driven: await driving };
  } finally {
    over.abort();
    await snapshots.stop();
  }
}
