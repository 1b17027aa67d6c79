/** The queue of one run: set-up, attempts taken over, attempts claimed, each to its end; and what ends all of them early. */

import { setTimeout as pause } from 'node:timers/promises';
import type { Engine } from '../engine/engine.ts';
import { environmentError, OrchestrateError } from '../errors.ts';
import type { EventBody, EventBus } from '../events.ts';
import type { Base } from '../git/base.ts';
import { nameSome } from '../git/bytes.ts';
import type { Repository } from '../git/repository.ts';
import { summaryOf } from '../notes/summary.ts';
import { type Restacked, restackAbove, restackStale } from '../review/restack.ts';
import type { Role } from '../roles/role.ts';
import { isEngineGone } from '../sandbox/trouble.ts';
import type { AttemptEnd, AttemptRecord, RunRecord, TaskRecord } from '../state/records.ts';
import type { State } from '../state/state.ts';
import { type AttemptId, type Caps, NO_USAGE, type RunId, type TaskId } from '../types.ts';
import {
  type AttemptBounds,
  type AttemptContext,
  type EndedAttempt,
  lostEnd,
  resumeAttempt,
  runAttempt,
  withoutSandbox,
} from './attempt.ts';
import { end, RUN_STOPPED } from './conclude.ts';
import { Control } from './control.ts';
import { CLOCK, type Deadline, DeadlineWatch, type WantedEnd } from './deadline.ts';
import { earlierWork } from './earlier.ts';
import { HOST_LOST } from './faults.ts';
import type { GatewayOptions, RunListener } from './gateway.ts';
import { Holds } from './holds.ts';
import { HostAtWork, type HostRun, type OpenedHost } from './host-at-work.ts';
import type { Hosts } from './hosts.ts';
import { KeptEvents } from './kept-events.ts';
import { fetchLeftBehind } from './left-behind.ts';
import { preflight, requireRoom, type WantedPreflight } from './preflight.ts';
import { type Adopted, adoptAttempt, lostAttempt, salvageOf } from './recovery.ts';
import { RunForecast } from './run-forecast.ts';
import { RunPatches, type WantedReviews } from './run-patches.ts';
import { workQueue } from './scheduler.ts';
import type { WantedSetUp } from './set-up.ts';
import { NO_WAIT } from './start-line.ts';
import { type StartConflict, type StartTree, startTreeOf } from './start-tree.ts';
import { StateRoom } from './state-room.ts';
import { KILLED_BY_USER } from './supervise.ts';
import { awayText } from './why.ts';

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
  /** Where there are other hosts, how long one may be away before its tasks go elsewhere, milliseconds; not given: 90 s. */
  readonly hostLostAfterMs?: number | undefined;
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
  /** Begun, and not attached yet. */
  readonly hosts: Hosts;
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

/** Longer than a network is usually cut for: whoever starts again elsewhere does all the work again. */
const HOST_LOST_AFTER_MS = 90_000;
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
  readonly #control: Control;
  /** To end those whose place is taken away. */
  readonly #taken = new Map<AttemptId, AbortController>();
  readonly #room: StateRoom;
  readonly #kept = new KeptEvents();
  readonly #forecast: RunForecast;
  /** Names of hosts that do not answer. */
  readonly #away = new Set<string>();
  /** Sandboxes on their way out. */
  readonly #leaving = new Set<Promise<void>>();
  /** What its hosts have in common. */
  readonly #forHosts: HostRun;
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
    this.#room = new StateRoom({
      ...{ directory: the.parts.state.directory, holds: this.#holds },
      onOut: (shortage) => the.hosts.busiest.watermarks.endBiggest(shortage),
    });
    the.parts.state.whenFull(() => this.#room.giveSpare());
    this.#forecast = new RunForecast({ ...the.parts, signal: the.options.signal, emit: (event) => this.#emit(event) });
    if (the.usedUp !== null) {
      this.#limit = the.usedUp;
      this.#control.stop({ now: false });
    }
    const { options, parts, run, base, hosts } = the;
    hosts.onTaken((attempt, why) => this.#taken.get(attempt)?.abort(why));
    this.#forHosts = {
      ...{ repository: parts.repository, base, bounds: options.bounds, setUp: options.setUp ?? null },
      ...{ stopStarting: this.#control.stopStarting, listener: this.#listener() },
      notes: { state: parts.state, emit: (event) => this.#emit(event) },
      onProgress: (line) => parts.onProgress(line),
      onWarning: (message) => this.#emit({ type: 'warning', message }),
    };
    this.#patches = new RunPatches({
      ...parts,
      ...{ run: run.id, bounds: options.bounds, signal: this.#control.stopNow },
      ...{ wanted: options.reviews, only: options.only },
      place: () => hosts.first,
      emit: (event) => this.#emit(event),
      isSetUpFor: async (tree) => (await hosts.first.setUp?.isOf(tree)) !== false,
    });
  }

  /** What concerns the whole run, from whichever host's gateway. */
  #listener(): RunListener {
    return {
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
    };
  }

  /** Takes a host into service. Where it is the only one, what stands in its way stands in the run's. */
  #attach(opened: OpenedHost): HostAtWork {
    const { hosts } = this.#the;
    const { isAlone } = hosts;
    const { name } = opened.host;
    const at: HostAtWork = new HostAtWork(opened, this.#forHosts, {
      label: isAlone ? null : name,
      holds: isAlone ? this.#holds : new Holds((reason) => this.#hostHeld(at, reason)),
      stopNow: this.#control.stopNow,
      onTooLong: (error) => this.#cannotGoOn(error, { now: false }),
      handOver: isAlone
        ? null
        : {
            afterMs: this.#the.options.hostLostAfterMs ?? HOST_LOST_AFTER_MS,
            isPossible: () => hosts.isReplaceable(at),
            onLost: () => {
              const message = `the host ${name} does not answer: its tasks go elsewhere, and what they left is fetched when it is back`;
              this.#emit({ type: 'warning', message });
              hosts.lost(at);
            },
          },
    });
    return at;
  }

  #hostHeld({ name, holds }: HostAtWork, reason: string | null): void {
    const message =
      reason === null ? `tasks are given to the host ${name} again` : `no task is given to ${name}: ${reason}`;
    this.#emit({ type: 'warning', message });
    const isAway = holds.of('engine') !== null;
    if (isAway === this.#away.has(name)) return;
    if (isAway) this.#away.add(name);
    else this.#away.delete(name);
    for (const { task, host } of this.#the.parts.state.unendedAttempts()) {
      if (host === name) this.#remark(task, isAway ? awayText(name) : null);
    }
  }

  /** What cannot be written down here is told where something depends on it. */
  #remark(task: TaskId, remark: string | null): void {
    const { parts, run } = this.#the;
    try {
      parts.state.remarkTask(task, run.fence, remark);
    } catch (error) {
      if (!(error instanceof OrchestrateError)) throw error;
    }
  }

  /** Once per host, before its first task. */
  async #prepareHost(at: HostAtWork): Promise<void> {
    const { hosts, parts, options } = this.#the;
    if (at !== hosts.first) await at.watermarks.begin();
    await fetchLeftBehind({
      ...{ ...parts, host: at.host, diskBytes: options.bounds.limits.diskBytes },
      onWarning: (message) => this.#emit({ type: 'warning', message }),
    });
    if (at.holds.reason === null) at.layBase();
    await at.setUp?.make();
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
    const { parts, options, run, base, hosts } = this.#the;
    const counts = parts.state.counts(options.only);
    this.#emit({
      type: 'run.started',
      run: run.id,
      tasks: counts.queued + counts.blocked,
      isolation: hosts.isolation,
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
    using _room = this.#room;
    const joining = {
      attach: (opened: OpenedHost) => this.#attach(opened),
      prepare: (at: HostAtWork) => this.#prepareHost(at),
    };
    const atWork = hosts.attach(joining);
    await Promise.all([this.#room.begin(), ...atWork.map(({ watermarks }) => watermarks.begin())]);
    // Laid out while the first tasks are being claimed; they wait for the same work.
    if (this.#holds.reason === null) hosts.first.layBase();
    await this.#restack(restackStale);
    const adopted = (await this.#adopt()).map(begun);
    try {
      if (options.preflight !== undefined && run.continues === null) {
        requireRoom({ of: (cause) => this.#holds.of(cause) ?? hosts.first.holds.of(cause) });
      }
      // Agents that were taken over do not wait; what they were set up with is there then.
      if (hosts.first.setUp !== null && adopted.length === 0) await this.#untilRoom(control.stopStarting);
      await hosts.prepare();
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
      place: () => hosts.next(),
      engine: options.engine.name,
      timeoutMs: options.bounds.timeoutMs,
      diskBytes: options.bounds.limits.diskBytes,
      container: parts.containerName,
      attempt: (task, attempt) => this.#attempt(task, attempt),
      maxPendingReviews: options.reviews?.maxPending,
      isBusy: () => this.#patches.isBusy,
      hold: () => this.#inTheWay,
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

  /** Why nothing is started just now. */
  get #inTheWay(): string | null {
    return this.#holds.reason ?? this.#the.hosts.inTheWay;
  }

  /** A set-up takes as much as an agent does. */
  async #untilRoom(signal: AbortSignal): Promise<void> {
    for (;;) {
      const reason = this.#holds.reason ?? this.#the.hosts.first.holds.reason;
      if (reason === null || signal.aborted) return;
      this.#held(reason);
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
    const { parts, options, run, base, hosts } = this.#the;
    const { only, gateway, reviews, maxAgents, bounds } = options;
    const tasks = parts.state
      .tasks()
      .filter(({ id, state }) => (state === 'queued' || state === 'blocked') && only?.includes(id) !== false);
    if (options.preflight === undefined || tasks.length === 0) return;
    await preflight({
      ...options.preflight,
      ...{ host: hosts.first.host, base, tasks, maxAgents, limits: bounds.limits, stateDir: parts.state.directory },
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
    const { parts, options, run, hosts } = this.#the;
    const recovery = { ...parts, diskBytes: options.bounds.limits.diskBytes };
    const going: (() => Promise<void>)[] = [];
    for (const attempt of parts.state.unendedAttempts()) {
      if (attempt.run === run.id) continue;
      const at = hosts.named(attempt.host);
      if (at === null) {
        await this.#endOnLostHost(attempt, 0);
        continue;
      }
      await hosts.adopt(attempt.id, at);
      // Where the sandbox is gone, its outbox goes with what is left of it.
      await at.notes.take(attempt);
      const found = await adoptAttempt({ ...recovery, host: at.host }, attempt);
      if (found === null) {
        await this.#settle(attempt, at);
        await this.#end(attempt, withoutSandbox(await lostAttempt(recovery, attempt)), 0);
        hosts.leave(attempt.id);
      } else going.push(() => this.#resume(found, at).finally(() => hosts.leave(attempt.id)));
    }
    return going;
  }

  /** What an attempt used whose sandbox is gone, where its gateway still knows. */
  async #settle(attempt: AttemptRecord, { gateway }: HostAtWork): Promise<void> {
    const { parts, run } = this.#the;
    if (gateway === null || attempt.baseTree === null) return;
    const { requests, usage, unsettled } = await gateway.settle(attempt.id, attempt);
    if (requests > 0) parts.state.attemptUsage(attempt.id, run.fence, usage);
    parts.state.attemptUnsettled(attempt.id, run.fence, unsettled);
  }

  async #resume(found: Adopted, at: HostAtWork): Promise<void> {
    const { attempt } = found;
    const began = performance.now();
    this.#emit({
      type: 'warning',
      task: attempt.task,
      attempt: attempt.id,
      message: 'taken over from a run that was cut off',
    });
    const context = {
      ...this.#contextOf(attempt, at, { turn: NO_WAIT, signal: this.#signalOf(attempt) }),
      ...(await this.#ownTerms(attempt)),
    };
    // Paused by a run that was cut off, and not by this one.
    context.onPaused(null);
    this.#remark(attempt.task, null);
    const task = this.#the.parts.state.task(attempt.task);
    const ended = await resumeAttempt(context, task, found);
    if (ended !== null) await this.#end(attempt, ended, began);
    else if (this.#the.hosts.isLost(at)) await this.#endOnLostHost(attempt, began);
  }

  /** The host may be back one day: what the sandbox holds is fetched then. */
  async #endOnLostHost(attempt: AttemptRecord, began: number): Promise<void> {
    const { parts } = this.#the;
    const error = environmentError(HOST_LOST, `the host ${attempt.host} was lost`);
    const losses = (): (string | null)[] => parts.state.lossesOf(attempt.task);
    const patch = await salvageOf(parts, attempt);
    await this.#end(attempt, withoutSandbox({ ...lostEnd({ losses }, error), patch }), began);
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
    const { hosts } = this.#the;
    // Before anything is awaited: whoever wants it ended asks once.
    const signal = this.#signalOf(attempt);
    let at: HostAtWork;
    try {
      at = await hosts.place(attempt, { signal, onWaiting: (why) => this.#waitsForPlace(attempt, why) });
    } catch (error) {
      hosts.leave(attempt.id);
      return this.#end(attempt, withoutSandbox(this.#notPlaced(attempt, signal, error)), began);
    }
    if (at.name !== attempt.host) parts.state.attemptPlaced(attempt.id, run.fence, at.name);
    at.watermarks.starting();
    const turn = at.line.turn();
    const context = this.#contextOf({ ...attempt, host: at.name }, at, { turn, signal });
    const { ended, conflict } = await this.#perform(task, attempt, context).finally(() => {
      turn.pass();
      hosts.leave(attempt.id);
    });
    if (ended === null) {
      if (hosts.isLost(at)) await this.#endOnLostHost({ ...attempt, host: at.name }, began);
      return;
    }
    await this.#end(attempt, ended, began, conflict !== null);
    if (conflict === null) return;
    parts.state.blockTask(task.id, run.fence, conflict);
    this.#emit({ type: 'task.blocked', task: task.id, reason: conflict });
  }

  /** Writes the end of an attempt down, tells it, then lets its sandbox go. */
  async #end(attempt: AttemptRecord, { end, discard }: EndedAttempt, began: number, silent = false): Promise<void> {
    const { parts, run } = this.#the;
    this.#control.ended(attempt.id);
    this.#taken.delete(attempt.id);
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
      if (!('with' in start) && (await this.#the.hosts.first.setUp?.isOf(start.tree)) === false) {
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

  /** Aborted when the attempt is to end, which is written down then. */
  #signalOf(attempt: AttemptRecord): AbortSignal {
    const { parts, run } = this.#the;
    const taken = new AbortController();
    this.#taken.set(attempt.id, taken);
    const signal = AbortSignal.any([this.#control.signalFor(attempt), taken.signal]);
    const onAbort = (): void => {
      const cause = signal.reason === KILLED_BY_USER ? 'killed' : 'interrupted';
      parts.state.attemptStopping(attempt.id, run.fence, cause);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    return signal;
  }

  #waitsForPlace({ task, id }: AttemptRecord, why: string): void {
    this.#emit({ type: 'warning', task, attempt: id, message: `it waits for a place: ${why}` });
  }

  /** The end of an attempt that found no host. */
  #notPlaced({ task }: AttemptRecord, signal: AbortSignal, error: unknown): AttemptEnd {
    const losses = (): (string | null)[] => this.#the.parts.state.lossesOf(task);
    if (!signal.aborted) return lostEnd({ losses }, error);
    const reason = typeof signal.reason === 'string' ? signal.reason : RUN_STOPPED;
    return end('killed', { reason, exitCode: null, patch: null, fault: null });
  }

  #contextOf(
    attempt: AttemptRecord,
    at: HostAtWork,
    { turn, signal }: Pick<AttemptContext, 'turn' | 'signal'>,
  ): AttemptContext {
    const { parts, options, run } = this.#the;
    const { repository, state } = parts;
    return {
      host: at.host,
      engine: options.engine,
      roleOf: options.roleOf,
      gateway: at.gateway,
      bounds: options.bounds,
      watermarks: at.watermarks,
      room: this.#room,
      notes: at.notes,
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
      onQuiet: (minutes) => this.#remark(attempt.task, minutes === null ? null : `quiet for ${minutes} min`),
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
