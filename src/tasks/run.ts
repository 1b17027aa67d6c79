/** The queue of one run: set-up, attempts taken over, attempts claimed, each to its end; and what ends all of them early. */

import { setTimeout as pause } from 'node:timers/promises';
import type { Engine } from '../engine/engine.ts';
import { OrchestrateError } from '../errors.ts';
import type { EventBody, EventBus } from '../events.ts';
import type { Base } from '../git/base.ts';
import { nameSome } from '../git/bytes.ts';
import type { Repository } from '../git/repository.ts';
import { summaryOf } from '../notes/summary.ts';
import { type Restacked, restackAbove, restackStale } from '../review/restack.ts';
import type { Role } from '../roles/role.ts';
import type { SandboxHost } from '../sandbox/sandbox.ts';
import { isEngineGone } from '../sandbox/trouble.ts';
import type { AttemptEnd, AttemptRecord, RunRecord, TaskRecord } from '../state/records.ts';
import type { State } from '../state/state.ts';
import { type Caps, NO_USAGE, type RunId, type TaskId } from '../types.ts';
import {
  type AttemptBounds,
  type AttemptContext,
  type EndedAttempt,
  lostEnd,
  resumeAttempt,
  runAttempt,
  withoutSandbox,
} from './attempt.ts';
import { Control } from './control.ts';
import { CLOCK, type Deadline, DeadlineWatch, type WantedEnd } from './deadline.ts';
import { earlierWork } from './earlier.ts';
import type { GatewayOptions, RunGateway } from './gateway.ts';
import { Holds } from './holds.ts';
import { KeptEvents } from './kept-events.ts';
import { NoteExchange } from './note-exchange.ts';
import { outliveOutages } from './outage.ts';
import { preflight, requireRoom, type WantedPreflight } from './preflight.ts';
import { type Adopted, adoptAttempt, lostAttempt } from './recovery.ts';
import { RunForecast } from './run-forecast.ts';
import { RunPatches, type WantedReviews } from './run-patches.ts';
import { workQueue } from './scheduler.ts';
import { RunSetUp, type WantedSetUp } from './set-up.ts';
import { NO_WAIT, StartLine, type StartTurn } from './start-line.ts';
import { type StartConflict, type StartTree, startTreeOf } from './start-tree.ts';
import { StateRoom } from './state-room.ts';
import { KILLED_BY_USER } from './supervise.ts';
import { Watermarks } from './watermarks.ts';

export interface RunOptions {
  readonly maxAgents: number;
  /** Tasks that touch the same files are worked at once as well; not given: one after the other. */
  readonly allowOverlap?: boolean | undefined;
  readonly engine: Engine;
  /** What agents reach, and how; null: nothing at all. */
  readonly gateway: GatewayOptions | null;
  /** The engine of an attempt that is taken over from an earlier run, by the name it was recorded with. */
  engineNamed(name: string): Promise<Engine>;
  /** The role of a task, by its name; throws usage UNKNOWN_ROLE where it is gone. Not given: roles are names and nothing more. */
  readonly roleOf?: ((name: string) => Role) | undefined;
  readonly bounds: AttemptBounds;
  /** What is done once before the first agent; not given: nothing. */
  readonly setUp?: WantedSetUp | null;
  /** Nobody will look after it: what can be tried is tried before anything is started; not given: nothing is. */
  readonly preflight?: WantedPreflight | undefined;
  /** What becomes of patches meanwhile; not given: they wait. */
  readonly reviews?: WantedReviews | undefined;
  /** What agents start from; undefined: HEAD. */
  readonly baseRef?: string | undefined;
  readonly includeDirty: boolean;
  /** Only these tasks; not given: the whole queue. */
  readonly only?: readonly TaskId[] | undefined;
  /** When it ends though there is more to do; not given, or null: when there is not. */
  readonly end?: WantedEnd | null;
  /** How many commits deep the history is that agents see; 1: none but one made up for the tree. */
  readonly history: number;
  /** Aborted: agents are stopped, their work is salvaged, the run ends. */
  readonly signal: AbortSignal;
  readonly pid: number;
}

/** What the runs of a repository have in common. */
export interface RunEnvironment {
  readonly repository: Repository;
  readonly state: State;
  readonly bus: EventBus;
  /** One line for people whenever something slow starts before the run does. */
  onProgress(line: string): void;
  /** Deterministic name of an attempt's container. */
  containerName(task: TaskRecord['id'], n: number): string;
}

export interface RunSummary {
  readonly run: RunId;
  readonly succeeded: number;
  readonly failed: number;
  readonly blocked: number;
  /** Patches with a check that failed. */
  readonly redPatches: number;
  /** Why the run ended before its queue did: a budget or a deadline; null: it did not, or somebody stopped it. */
  readonly limit: string | null;
}

export interface RunParts {
  readonly parts: RunEnvironment;
  readonly options: RunOptions;
  readonly run: RunRecord;
  readonly base: Base;
  readonly host: SandboxHost;
  readonly gateway: RunGateway | null;
  /** Of `options.end`. */
  readonly deadline: Deadline | null;
  /** Why nothing is begun: what the run goes on for has spent all that it may; null: it has not. */
  readonly usedUp: string | null;
}

/** An attempt that had nothing to start from. */
const NOT_STARTED: Omit<AttemptEnd, 'reason'> = {
  outcome: 'failed',
  taskState: 'queued',
  exitCode: null,
  usage: NO_USAGE,
  egressDenied: [],
  summary: null,
  patch: null,
};

const NO_CAPS: Caps = { usd: null, tokens: null };
/** In the reason of what waits for a person to review. */
const WAITS_FOR_REVIEWS = '--max-pending-reviews';

/** Begins at once what is awaited later. */
function begun(work: () => Promise<void>): () => Promise<void> {
  const working = work();
  // Who awaits it hears of its failure.
  working.catch(() => {});
  return () => working;
}

interface Performed {
  /** Null: it has no end, and is left to the next run. */
  readonly ended: EndedAttempt | null;
  readonly conflict: string | null;
}

/** How soon it is seen that nothing stands in the way any more, milliseconds. */
const LOOK_AGAIN_MS = 200;

export class Run {
  readonly #the: RunParts;
  readonly #tally = { succeeded: 0, failed: 0 };
  #limit: string | null = null;
  /** Why no agent can work any more. */
  #unusable: OrchestrateError | null = null;
  readonly #line = new StartLine();
  readonly #control: Control;
  readonly #watermarks: Watermarks;
  readonly #room: StateRoom;
  readonly #kept = new KeptEvents();
  readonly #notes: NoteExchange;
  readonly #forecast: RunForecast;
  /** Sandboxes on their way out. */
  readonly #leaving = new Set<Promise<void>>();
  readonly #setUp: RunSetUp | null;
  readonly #patches: RunPatches;
  /** What stands in the way of starting anything. */
  readonly #holds: Holds;
  readonly #deadline: DeadlineWatch | null;
  /** Why nothing goes on, as it was said last. */
  #saidHeld: string | null = null;

  constructor(the: RunParts) {
    this.#the = the;
    this.#control = new Control(the.parts.state, the.options.signal);
    this.#holds = new Holds((reason, cause) =>
      this.#emit(reason === null || cause === null ? { type: 'run.resumed' } : { type: 'run.paused', cause, reason }),
    );
    this.#deadline = this.#watchOver(the.deadline);
    outliveOutages({
      ...{ host: the.host, holds: this.#holds, stopNow: this.#control.stopNow },
      onTooLong: (error) => this.#cannotGoOn(error, { now: false }),
    });
    this.#watermarks = new Watermarks(() => the.host.resources(), this.#holds);
    this.#room = new StateRoom({
      ...{ directory: the.parts.state.directory, holds: this.#holds },
      onOut: (shortage) => this.#watermarks.endBiggest(shortage),
    });
    the.parts.state.whenFull(() => this.#room.giveSpare());
    this.#notes = new NoteExchange({ ...the.parts, host: the.host, emit: (event) => this.#emit(event) });
    this.#forecast = new RunForecast({ ...the.parts, signal: the.options.signal, emit: (event) => this.#emit(event) });
    the.gateway?.listen({
      onRunBudget: (reason) => {
        // Each agent that it stops says so.
        if (this.#limit !== reason) this.#emit({ type: 'run.stopping', cause: 'budget', reason });
        this.#limit = reason;
        this.#control.stop({ now: false });
      },
      onUnusable: (error) => {
        if (this.#unusable === null) this.#emit({ type: 'run.stopping', cause: 'key', reason: error.message });
        this.#cannotGoOn(error, { now: true });
      },
      onWarning: (message) => this.#emit({ type: 'warning', message }),
    });
    if (the.usedUp !== null) {
      this.#limit = the.usedUp;
      this.#control.stop({ now: false });
    }
    const { options, parts, run, base, host } = the;
    const wanted = options.setUp ?? null;
    this.#setUp =
      wanted &&
      new RunSetUp(wanted, {
        ...{ host, base, repository: parts.repository, watermarks: this.#watermarks, bounds: options.bounds },
        signal: this.#control.stopStarting,
        openEgress: async () => (await the.gateway?.admitSetUp()) ?? null,
        onProgress: (line) => parts.onProgress(line),
        onWarning: (message) => this.#emit({ type: 'warning', message }),
      });
    this.#patches = new RunPatches({
      ...parts,
      ...{ host, run: run.id, watermarks: this.#watermarks, bounds: options.bounds, signal: this.#control.stopNow },
      ...{ wanted: options.reviews, only: options.only },
      emit: (event) => this.#emit(event),
      isSetUpFor: async (tree) => (await this.#setUp?.isOf(tree)) !== false,
    });
  }

  get tally(): Omit<RunSummary, 'run'> {
    const { parts, options } = this.#the;
    const { blocked } = parts.state.counts(options.only);
    return { ...this.#tally, blocked, redPatches: this.#patches.red, limit: this.#limit };
  }

  async work(): Promise<RunSummary> {
    try {
      return await this.#workQueue();
    } catch (error) {
      // Told to end: what is left behind is no failure of the run.
      if (isEngineGone(error) && this.#unusable === null && this.#control.stopNow.aborted) return this.#summary();
      throw this.#unusable ?? error;
    } finally {
      await this.#forecast.end();
    }
  }

  async #workQueue(): Promise<RunSummary> {
    const { parts, options, run, base, host } = this.#the;
    const counts = parts.state.counts(options.only);
    this.#emit({
      type: 'run.started',
      run: run.id,
      tasks: counts.queued + counts.blocked,
      isolation: host.isolation,
      base: base.commit,
    });
    const { usedUp } = this.#the;
    if (usedUp !== null) this.#emit({ type: 'run.stopping', cause: 'budget', reason: usedUp });
    for (const message of base.warnings) this.#emit({ type: 'warning', message });
    if (base.leftOut.length > 0 && options.baseRef === undefined) {
      const message = `Agents start from the last commit: ${nameSome(base.leftOut)} left out (--include-dirty takes local changes in).`;
      this.#emit({ type: 'warning', message });
    }
    using control = this.#control;
    using deadline = this.#deadline;
    deadline?.start();
    using _ = this.#watermarks;
    using _room = this.#room;
    await Promise.all([this.#watermarks.begin(), this.#room.begin()]);
    if (this.#holds.reason === null) {
      // Laid out while the first tasks are being claimed; they wait for the same work.
      host.prepareTree({ tree: base.tree, commit: base.commit, near: null }).catch(() => {});
    }
    await this.#restack(restackStale);
    const adopted = (await this.#adopt()).map(begun);
    try {
      if (options.preflight !== undefined && run.continues === null) requireRoom(this.#holds);
      // Agents that were taken over do not wait; what they were set up with is there then.
      if (this.#setUp !== null && adopted.length === 0) await this.#untilRoom(control.stopStarting);
      await this.#setUp?.make();
      await this.#preflight();
    } catch (error) {
      // Nothing is started; what runs already was set up before.
      await Promise.all(adopted.map((resume) => resume()));
      throw error;
    }
    if (!control.stopStarting.aborted) this.#patches.open();
    await workQueue({
      state: parts.state,
      run,
      maxAgents: options.maxAgents,
      adopted,
      only: options.only,
      allowOverlap: options.allowOverlap,
      signal: control.stopStarting,
      host: host.name,
      engine: options.engine.name,
      timeoutMs: options.bounds.timeoutMs,
      diskBytes: options.bounds.limits.diskBytes,
      container: parts.containerName,
      attempt: (task, attempt) => this.#attempt(task, attempt),
      maxPendingReviews: options.reviews?.maxPending,
      isBusy: () => this.#patches.isBusy,
      hold: () => this.#holds.reason,
      onHeld: (reason) => this.#held(reason),
    })
      .catch((fault) => {
        this.#patches.cancel();
        throw fault;
      })
      .finally(() => Promise.all([...this.#leaving, this.#patches.done()]));
    if (this.#unusable !== null) throw this.#unusable;
    return this.#summary();
  }

  /** @param how `now`: agents at work are ended */
  #cannotGoOn(error: OrchestrateError, how: { readonly now: boolean }): void {
    this.#unusable ??= error;
    this.#control.stop(how);
  }

  #summary(): RunSummary {
    return { run: this.#the.run.id, ...this.tally };
  }

  /** A set-up takes as much as an agent does. */
  async #untilRoom(signal: AbortSignal): Promise<void> {
    while (this.#holds.reason !== null && !signal.aborted) {
      this.#held(this.#holds.reason);
      await pause(LOOK_AGAIN_MS);
    }
  }

  /** Starting stops a while before the deadline; at it what is under way ends, and is kept. */
  #watchOver(deadline: Deadline | null): DeadlineWatch | null {
    if (deadline === null) return null;
    const reason = `the run has reached its deadline (${deadline.text})`;
    return new DeadlineWatch(deadline, CLOCK, {
      onClosing: () => this.#holds.set('deadline', `the run ends at ${deadline.text}`),
      onOver: () => {
        this.#limit ??= reason;
        this.#emit({ type: 'run.stopping', cause: 'deadline', reason });
        this.#control.stop({ now: true, why: reason });
      },
    });
  }

  #held(reason: string): void {
    if (this.#deadline?.isClosing === true) {
      // There is nothing left to wait for.
      this.#limit ??= reason;
      this.#control.stop({ now: false });
    }
    // What holds everything back was told when it came.
    if (this.#saidHeld === reason || this.#holds.reason === reason) return;
    this.#saidHeld = reason;
    if (reason.includes(WAITS_FOR_REVIEWS)) this.#emit({ type: 'run.paused', cause: 'reviews', reason });
    else this.#emit({ type: 'warning', message: `nothing goes on meanwhile, ${reason}` });
  }

  /** Something goes on again. */
  #released(): void {
    if (this.#saidHeld?.includes(WAITS_FOR_REVIEWS) === true) this.#emit({ type: 'run.resumed' });
    this.#saidHeld = null;
  }

  /** Tries what can be tried, where that is wanted and something is left to start. */
  async #preflight(): Promise<void> {
    const { parts, options, run, base, host } = this.#the;
    const { only, gateway, reviews, maxAgents, bounds } = options;
    const tasks = parts.state
      .tasks()
      .filter(({ id, state }) => (state === 'queued' || state === 'blocked') && only?.includes(id) !== false);
    if (options.preflight === undefined || tasks.length === 0) return;
    await preflight({
      ...options.preflight,
      ...{ host, base, tasks, maxAgents, limits: bounds.limits, stateDir: parts.state.directory },
      ...{ checker: this.#patches.checker, checks: reviews?.checks ?? [] },
      ...{ autoApprove: reviews?.autoApprove ?? 'never', autoMerge: reviews?.autoMerge ?? null },
      keys: gateway?.configuration.upstreams.map(({ api }) => api) ?? [],
      budget: gateway?.configuration.caps ?? NO_CAPS,
      attemptBudget: gateway?.plan.caps ?? NO_CAPS,
      deadline: run.deadline,
      earlier: run.continues === null ? null : parts.state.readinessOf(run.continues),
      signal: this.#control.stopStarting,
      emit: (event) => this.#emit(event),
      onProgress: (line) => parts.onProgress(line),
    });
  }

  /** Takes over what an earlier run left: what can go on does, what is gone waits again. */
  async #adopt(): Promise<(() => Promise<void>)[]> {
    const { parts, options, run, host } = this.#the;
    const recovery = { ...parts, host, diskBytes: options.bounds.limits.diskBytes };
    const going: (() => Promise<void>)[] = [];
    for (const attempt of parts.state.unendedAttempts()) {
      if (attempt.run === run.id) continue;
      // Where the sandbox is gone, its outbox goes with what is left of it.
      await this.#notes.take(attempt);
      const found = await adoptAttempt(recovery, attempt);
      if (found === null) {
        await this.#settle(attempt);
        await this.#end(attempt, withoutSandbox(await lostAttempt(recovery, attempt)), 0);
      } else going.push(() => this.#resume(found));
    }
    return going;
  }

  /** What an attempt used whose sandbox is gone, where its gateway still knows. */
  async #settle(attempt: AttemptRecord): Promise<void> {
    const { parts, run, gateway } = this.#the;
    if (gateway === null || attempt.baseTree === null) return;
    const { requests, usage, unsettled } = await gateway.settle(attempt.id, attempt);
    if (requests > 0) parts.state.attemptUsage(attempt.id, run.fence, usage);
    parts.state.attemptUnsettled(attempt.id, run.fence, unsettled);
  }

  async #resume(found: Adopted): Promise<void> {
    const { attempt } = found;
    const began = performance.now();
    this.#emit({
      type: 'warning',
      task: attempt.task,
      attempt: attempt.id,
      message: 'taken over from a run that was cut off',
    });
    const context = { ...this.#contextOf(attempt, NO_WAIT), ...(await this.#ownTerms(attempt)) };
    // Paused by a run that was cut off, and not by this one.
    context.onPaused(null);
    const task = this.#the.parts.state.task(attempt.task);
    const ended = await resumeAttempt(context, task, found);
    if (ended !== null) await this.#end(attempt, ended, began);
  }

  /** What an attempt was started with goes on, whatever this run would give it. */
  async #ownTerms(attempt: AttemptRecord): Promise<Partial<AttemptContext>> {
    const { engine, engineNamed, bounds } = this.#the.options;
    const { limits } = bounds;
    const { stopping } = attempt;
    return {
      // Told to end already, by a coordinator that did not see it happen.
      ...(stopping === null ? {} : { signal: AbortSignal.abort(stopping === 'killed' ? KILLED_BY_USER : undefined) }),
      engine: attempt.engine === engine.name ? engine : await engineNamed(attempt.engine),
      bounds: {
        ...bounds,
        timeoutMs: attempt.timeoutMs ?? bounds.timeoutMs,
        limits: { ...limits, diskBytes: attempt.diskBytes ?? limits.diskBytes },
      },
    };
  }

  async #attempt(task: TaskRecord, attempt: AttemptRecord): Promise<void> {
    const { parts, run } = this.#the;
    const began = performance.now();
    this.#released();
    this.#watermarks.starting();
    const turn = this.#line.turn();
    // Before anything is awaited: whoever wants it ended asks once.
    const context = this.#contextOf(attempt, turn);
    const { ended, conflict } = await this.#perform(task, attempt, context).finally(turn.pass);
    if (ended === null) return;
    await this.#end(attempt, ended, began, conflict !== null);
    if (conflict === null) return;
    parts.state.blockTask(task.id, run.fence, conflict);
    this.#emit({ type: 'task.blocked', task: task.id, reason: conflict });
  }

  /** Writes the end of an attempt down, tells it, then lets its sandbox go. */
  async #end(attempt: AttemptRecord, { end, discard }: EndedAttempt, began: number, silent = false): Promise<void> {
    const { parts, run } = this.#the;
    this.#control.ended(attempt.id);
    const note = await summaryOf(parts, attempt.task, end);
    const goesOn = this.#the.options.engine.goesOn === true;
    if (!parts.state.endAttempt(attempt.id, run.fence, { ...end, note, goesOn })) {
      throw new OrchestrateError('failure', 'FENCED', `another coordinator has taken over ${attempt.id}`);
    }
    this.#forecast.attemptEnded(attempt.id, end.patch !== null);
    if (end.patch !== null) await this.#restack((repository, state) => restackAbove(repository, state, attempt.id));
    if (silent) return;
    if (end.patch !== null) this.#patches.look();
    if (end.taskState === 'succeeded') this.#tally.succeeded += 1;
    else if (end.taskState === 'failed') this.#tally.failed += 1;
    this.#emit({
      type: 'task.ended',
      task: attempt.task,
      attempt: attempt.id,
      outcome: end.outcome,
      status: end.taskState,
      exitCode: end.exitCode,
      durationMs: began === 0 ? 0 : Math.round(performance.now() - began),
      reason: end.reason,
    });
    // Files by the ten thousand take their time: the next agent need not wait, unless too much is going already.
    const leaving: Promise<void> = discard()
      .catch((error: Error) => this.#emit({ type: 'warning', message: error.message }))
      .finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
    if (this.#leaving.size > this.#the.options.maxAgents) await Promise.race(this.#leaving);
  }

  /** What stands on results that are others now follows them. */
  async #restack(act: (repository: Repository, state: State) => Promise<readonly Restacked[]>): Promise<void> {
    const { repository, state } = this.#the.parts;
    try {
      for (const { patch, reason } of await act(repository, state)) {
        this.#emit({ type: 'warning', message: `${patch}: ${reason}` });
      }
    } catch (error) {
      if (!(error instanceof OrchestrateError)) throw error;
      this.#emit({ type: 'warning', message: `what is stale was not restacked: ${error.message}` });
    }
  }

  /** The attempt's end, and why its task cannot start where the results it builds on do not merge. */
  async #perform(task: TaskRecord, attempt: AttemptRecord, context: AttemptContext): Promise<Performed> {
    const { repository, state } = this.#the.parts;
    let start: StartTree | StartConflict;
    try {
      start = await startTreeOf(repository, state, this.#the.base, attempt);
      if (!('with' in start) && (await this.#setUp?.isOf(start.tree)) === false) {
        const message = 'starts from results that change what the set-up depends on, and from the set-up of the base';
        context.emit({ type: 'warning', task: task.id, attempt: attempt.id, message });
      }
    } catch (error) {
      return { ended: withoutSandbox(lostEnd(context, error)), conflict: null };
    }
    if ('with' in start) {
      const conflict = `the result of ${start.with} conflicts with the others it depends on in ${nameSome(start.paths)}`;
      return { ended: withoutSandbox({ ...NOT_STARTED, reason: conflict }), conflict };
    }
    return { ended: await runAttempt(context, task, attempt, start), conflict: null };
  }

  #contextOf(attempt: AttemptRecord, turn: StartTurn): AttemptContext {
    const { parts, options, run, host, gateway } = this.#the;
    const { repository, state } = parts;
    const signal = this.#control.signalFor(attempt);
    const onAbort = (): void => {
      state.attemptStopping(attempt.id, run.fence, signal.reason === KILLED_BY_USER ? 'killed' : 'interrupted');
    };
    signal.addEventListener('abort', onAbort, { once: true });
    return {
      host,
      engine: options.engine,
      roleOf: options.roleOf,
      gateway,
      bounds: options.bounds,
      watermarks: this.#watermarks,
      room: this.#room,
      notes: this.#notes,
      signal,
      repository,
      turn,
      emit: (event) => this.#emit(event),
      earlier: () => earlierWork(state, attempt.task),
      losses: () => state.lossesOf(attempt.task),
      onStarted: (from) => void state.attemptStarted(attempt.id, run.fence, from),
      onCollecting: () => void state.attemptCollecting(attempt.id, run.fence),
      onUsage: (usage) => void state.attemptUsage(attempt.id, run.fence, usage),
      onUnsettled: (spent) => void state.attemptUnsettled(attempt.id, run.fence, spent),
      onSnapshot: (trees) => this.#forecast.snapshotKept({ id: attempt.id, task: attempt.task, ...trees }),
      onPaused: (reason) => void state.pauseTask(attempt.task, run.fence, reason),
      onQuiet: (minutes) => {
        try {
          state.remarkTask(attempt.task, run.fence, minutes === null ? null : `quiet for ${minutes} min`);
        } catch (error) {
          // What cannot be written down here is told where something depends on it.
          if (!(error instanceof OrchestrateError)) throw error;
        }
      },
    };
  }

  /** Tells the listeners; what belongs to the timeline is written down as well. */
  #emit(event: EventBody): void {
    const { parts, run } = this.#the;
    parts.bus.emit(event);
    const kept = this.#kept.of(event);
    if (kept !== null) parts.state.appendEvent({ at: new Date().toISOString(), ...kept }, run.id);
  }
}
