/** One attempt from start to end: sandbox, agent, patch, record. Whatever happens, its end is written down. */

import { mkdir } from 'node:fs/promises';
import type { EarlierWork } from '../engine/earlier.ts';
import type { Access, AgentEvent, AgentSession, Assignment, Engine, EngineVerdict } from '../engine/engine.ts';
import { OrchestrateError } from '../errors.ts';
import type { EventBody } from '../events.ts';
import type { AttemptTotals } from '../gateway/protocol.ts';
import type { Repository } from '../git/repository.ts';
import { keepSnapshot, salvageSnapshot } from '../patch/collect.ts';
import type { Role } from '../roles/role.ts';
import type { OutputChunk, RunningSandbox, SandboxHost } from '../sandbox/sandbox.ts';
import { isEngineGone } from '../sandbox/trouble.ts';
import type { AttemptEnd, AttemptRecord, TaskRecord } from '../state/records.ts';
import type { Limits, ObjectId, Spent, Usage } from '../types.ts';
import { conclude, end, faultAround, leftOutText } from './conclude.ts';
import { earlierAttempt } from './earlier.ts';
import { afterLoss, classOf, faultOf } from './faults.ts';
import type { RunGateway } from './gateway.ts';
import { IdleWatch } from './idle.ts';
import type { KnownAtStart, NoteExchange } from './note-exchange.ts';
import type { Adopted } from './recovery.ts';
import { conversationFolder, transcriptFile } from './retention.ts';
import type { StartTurn } from './start-line.ts';
import type { StartTree } from './start-tree.ts';
import type { StateRoom } from './state-room.ts';
import { type Supervised, supervise } from './supervise.ts';
import { Talk } from './talk.ts';
import { Ties } from './ties.ts';
import { EventTranscript, followOutput, type Keeping } from './transcript.ts';
import type { Watermarks } from './watermarks.ts';

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
  /** As in RunOptions. */
  readonly roleOf?: ((name: string) => Role) | undefined;
  /** Null where the run's agents reach nothing at all. */
  readonly gateway: RunGateway | null;
  readonly bounds: AttemptBounds;
  readonly watermarks: Watermarks;
  readonly room: Pick<StateRoom, 'isOut' | 'untilRoom' | 'takesTranscript'>;
  readonly notes: NoteExchange;
  /** Aborted when this attempt is to end now; its reason says whether the user or the run wants it. */
  readonly signal: AbortSignal;
  readonly repository: Repository;
  /** Starts happen in the order of the queue: waits for this attempt's turn, and lets the next one go. */
  readonly turn: StartTurn;
  emit(event: EventBody): void;
  /** What it goes on with; undefined: it starts afresh. */
  earlier(): Promise<EarlierWork | undefined>;
  /** Faults of the attempts right before this one that were lost too, the newest first. */
  losses(): readonly (string | null)[];
  onStarted(base: StartTree): void;
  onCollecting(): void;
  onUsage(usage: Usage): void;
  onUnsettled(spent: Spent): void;
  /** What the agent has so far was kept. */
  onSnapshot(trees: { readonly baseTree: ObjectId; readonly tree: ObjectId }): void;
  /** Its task is held still for this reason, or goes on (null). */
  onPaused(reason: string | null): void;
  /** Its agent has shown no sign of work for so many minutes, or does again (null). */
  onQuiet(minutes: number | null): void;
}

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

/** The agent of an attempt: the engine's session, and what it may reach. Disposed, it reaches nothing any more. */
interface Agent extends AsyncDisposable {
  readonly session: AgentSession;
  readonly access: Access | null;
  readonly ties: Ties;
  readonly known: KnownAtStart;
  readonly earlier: EarlierWork | undefined;
  /** Shuts it out of the gateway; what the gateway counted, null where there is none. */
  release(): Promise<AttemptTotals | null>;
}

/** Of an agent that works already: where its role is gone meanwhile, it goes on without that role's tools, never with all. */
function roleAtWork({ roleOf }: AttemptContext, name: string): Assignment['specialist'] {
  try {
    return roleOf?.(name);
  } catch (error) {
    if (error instanceof OrchestrateError && error.kind === 'usage') return { prompt: '', tools: [] };
    throw error;
  }
}

interface Admission {
  readonly specialist: Assignment['specialist'];
  readonly task: TaskRecord;
  readonly attempt: AttemptRecord;
}

async function admitAgent(context: AttemptContext, { task, attempt, specialist }: Admission): Promise<Agent> {
  const { engine, gateway } = context;
  const ties = new Ties({ attempt, ...context });
  const { id, agent: role, title, description } = task;
  const known = context.notes.knownTo(attempt.id);
  const earlier = await context.earlier();
  const said = { title, description, notes: known.prompt, earlier };
  const assignment = { task: id, attempt: attempt.n, role, specialist, ...said };
  const access = gateway === null ? null : await gateway.admit(attempt.id, ties, attempt);
  let released: Promise<AttemptTotals | null> | null = null;
  const release = () => {
    released ??= gateway === null ? Promise.resolve(null) : settled(context, gateway.release(attempt.id));
    return released;
  };
  const shutOut = async (): Promise<void> => void (await release().catch(() => {}));
  try {
    const session = engine.begin(assignment, access);
    return { session, access, ties, known, earlier, release, [Symbol.asyncDispose]: shutOut };
  } catch (error) {
    await shutOut();
    throw error;
  }
}

/** What is written down is right from then on, however the attempt ends. */
async function settled(
  { onUsage, onUnsettled }: AttemptContext,
  totals: Promise<AttemptTotals>,
): Promise<AttemptTotals> {
  const { requests, usage, unsettled } = await totals;
  if (requests > 0) onUsage(usage);
  onUnsettled(unsettled);
  return totals;
}

interface StartedAttempt {
  readonly attempt: AttemptRecord;
  readonly start: StartTree;
  readonly agent: Agent;
  readonly running: RunningSandbox;
  /** How long the agent has run already, milliseconds. */
  readonly elapsedMs: number;
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
    const verdict = driven ?? agent.session.verdict(supervised.ended.exitCode);
    const concluded = await conclude(context, { attempt, start, verdict }, supervised);
    const fault = faultAround(supervised, verdict.done);
    const how = fault === null ? concluded : { ...lostEnd(context, fault), patch: concluded.patch };
    return { end: { ...how, ...talk.counted(totals) }, discard: () => running.discard() };
  } catch (error) {
    if (isEngineGone(error)) throw error;
    await context.notes.leave(attempt);
    await running.discard();
    throw error;
  }
}

function keepingOf({ room, emit }: AttemptContext, { id, task }: AttemptRecord): Keeping {
  return {
    hasRoom: (written) => room.takesTranscript(written),
    onCut: (message) => emit({ type: 'warning', task, attempt: id, message }),
  };
}

/** Where the thinking is done on this side, there is nothing to follow: the transcript is written with it. */
async function followAgent(
  context: AttemptContext,
  started: StartedAttempt,
  { talk, idle }: { readonly talk: Talk; readonly idle: IdleWatch },
): Promise<void> {
  const { attempt, agent, running } = started;
  if (agent.session.drive !== undefined) return;
  const file = transcriptFile(context.repository.stateDir, attempt.id);
  const onChunk = (chunk: OutputChunk): void => {
    const events = agent.session.read(chunk);
    // What an engine does not count as an event (it waits for the model again) is no sign of work.
    if (events.length > 0) idle.active();
    for (const event of events) talk.tell(event);
  };
  await followOutput(file, running, onChunk, keepingOf(context, attempt));
}

async function untilEnded(
  context: AttemptContext,
  started: StartedAttempt,
  { talk, idle }: { readonly talk: Talk; readonly idle: IdleWatch },
): Promise<{ supervised: Supervised; driven: EngineVerdict | null }> {
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

/** Where the thinking is done on this side: does it, and ends the sandbox with it. Null where the program thinks by itself. */
async function drive(
  context: AttemptContext,
  { attempt, agent, running }: StartedAttempt,
  { signal, tell }: { readonly signal: AbortSignal; tell(event: AgentEvent): void },
): Promise<EngineVerdict | null> {
  const { gateway, repository } = context;
  const { session } = agent;
  if (session.drive === undefined || gateway === null) return null;
  const transcript = new EventTranscript(transcriptFile(repository.stateDir, attempt.id), keepingOf(context, attempt));
  const folder = conversationFolder(repository.stateDir, attempt.id);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return await session.drive({
      toolbox: gateway.toolboxOf(attempt.id, signal),
      fetch: gateway.fetchAs(attempt.id),
      folder,
      earlierFolder:
        agent.earlier === undefined
          ? null
          : conversationFolder(repository.stateDir, earlierAttempt(attempt.task, agent.earlier)),
      signal,
      emit: (event) => {
        transcript.write(event);
        tell(event);
      },
    });
  } catch (error) {
    if (signal.aborted) return { done: false, reason: 'the sandbox ended before the agent was done' };
    return { done: false, reason: error instanceof Error ? error.message : String(error) };
  } finally {
    running.stop().catch(() => {});
    await transcript.end();
  }
}

/** Keeps the agent's work every few minutes, so that losing the engine costs at most that. */
function takeSnapshots(context: AttemptContext, started: StartedAttempt, idle: IdleWatch): { stop(): Promise<void> } {
  const { attempt, start, running } = started;
  let current: Promise<void> = Promise.resolve();
  let over = false;
  let saidLeftOut: string | null = null;
  const timer = setInterval(() => {
    current = current.then(async () => {
      const goOn = idle.hold();
      try {
        const { tree, tooLarge } = await running.snapshot((collection) =>
          keepSnapshot(context.repository, collection, { attempt: attempt.id, task: attempt.task, start }),
        );
        const leftOut = tooLarge.length === 0 ? null : leftOutText(tooLarge);
        // Who salvages a snapshot later knows no more than is written down now.
        if (leftOut !== null && leftOut !== saidLeftOut) {
          context.emit({ type: 'warning', task: attempt.task, attempt: attempt.id, message: leftOut });
        }
        saidLeftOut = leftOut;
        if (tree !== null) context.onSnapshot({ baseTree: start.base.tree, tree });
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
