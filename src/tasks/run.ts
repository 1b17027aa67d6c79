/** The queue of one run: set-up, attempts taken over, attempts claimed, each to its end; and what ends all of them early. */

import { setTimeout as pause } from 'node:timers/promises';
import { environmentError, OrchestrateError } from '../errors.ts';
import type { EventBody } from '../events.ts';
import { nameSome } from '../git/bytes.ts';
import { restackStale } from '../review/restack.ts';
import { isEngineGone } from '../sandbox/trouble.ts';
import type { Caps } from '../types.ts';
import { Control } from './control.ts';
import { CLOCK, type Deadline, DeadlineWatch } from './deadline.ts';
import type { RunListener } from './gateway.ts';
import { Holds } from './holds.ts';
import { HostAtWork, type HostRun, type OpenedHost } from './host-at-work.ts';
import { KeptEvents } from './kept-events.ts';
import { fetchLeftBehind } from './left-behind.ts';
import { preflight, requireRoom } from './preflight.ts';
import { RunAttempts } from './run-attempts.ts';
import { RunForecast } from './run-forecast.ts';
import type { RunParts, RunSummary } from './run-parts.ts';
import { RunPatches } from './run-patches.ts';
import { workQueue } from './scheduler.ts';
import { StateRoom } from './state-room.ts';
import { awayText } from './why.ts';

/** Longer than a network is usually cut for: whoever starts again elsewhere does all the work again. */
const HOST_LOST_AFTER_MS = 90_000;
const ASKED_TO_STOP = 'somebody stopped it (`orchestrate stop`)';
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

function noHostLeft(): OrchestrateError {
  return environmentError('HOSTS_REMOVED', 'all hosts of this run were removed from the settings', {
    hint: 'what is queued waits for the next one: orchestrate run --host NAME',
  });
}

/** How soon it is seen that nothing stands in the way any more, milliseconds. */
const LOOK_AGAIN_MS = 200;

export class Run {
  readonly #the: RunParts;
  #limit: string | null = null;
  #asked: string | null = null;
  /** Why no agent can work any more. */
  #unusable: OrchestrateError | null = null;
  readonly #control: Control;
  readonly #room: StateRoom;
  readonly #kept = new KeptEvents();
  readonly #forecast: RunForecast;
  readonly #attempts: RunAttempts;
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
    this.#control = new Control(the.parts.state, the.options.signal, () => {
      this.#asked = ASKED_TO_STOP;
      this.#emit({ type: 'run.stopping', cause: 'stop', reason: ASKED_TO_STOP });
    });
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
    this.#attempts = new RunAttempts({
      ...{ the, control: this.#control, room: this.#room, forecast: this.#forecast },
      onBegin: () => this.#released(),
      onPatch: () => this.#patches.look(),
      emit: (event) => this.#emit(event),
    });
    if (the.usedUp !== null) {
      this.#limit = the.usedUp;
      this.#control.stop({ now: false });
    }
    const { options, parts, run, base, hosts } = the;
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
    opened.host.onTrouble((trouble) => this.#hostAway(name, trouble !== null));
    return at;
  }

  #hostHeld({ name }: HostAtWork, reason: string | null): void {
    const message =
      reason === null ? `tasks are given to the host ${name} again` : `no task is given to ${name}: ${reason}`;
    this.#emit({ type: 'warning', message });
  }

  /** What is at work on a host says so while that is away. */
  #hostAway(name: string, isAway: boolean): void {
    for (const { task, host } of this.#the.parts.state.unendedAttempts()) {
      if (host === name) this.#attempts.remark(task, isAway ? awayText(name) : null);
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
    // There are only agents of an earlier run on it.
    if (at.slots === 0) return;
    if (at.holds.reason === null) at.layBase();
    await at.setUp?.make();
  }

  get tally(): Omit<RunSummary, 'run'> {
    const { parts, options } = this.#the;
    const { blocked } = parts.state.counts(options.only);
    return { ...this.#attempts.tally, blocked, redPatches: this.#patches.red, limit: this.#limit };
  }

  /** What happened to a host. Where it cannot be written down, it is told all the same, and the host goes on. */
  warn(message: string): void {
    try {
      this.#emit({ type: 'warning', message });
    } catch (error) {
      if (!(error instanceof OrchestrateError)) throw error;
    }
  }

  /** Why it ended before its queue did; null: it did not. */
  get endedBy(): string | null {
    return this.#limit ?? this.#asked;
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
    await this.#attempts.restack(restackStale);
    const adopted = (await this.#attempts.adopt()).map(begun);
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
      attempt: (task, attempt) => this.#attempts.attempt(task, attempt),
      maxPendingReviews: options.reviews?.maxPending,
      isBusy: () => this.#patches.isBusy,
      hold: () => this.#inTheWay,
      onHeld: (reason) => this.#held(reason),
    })
      .catch((fault) => {
        this.#patches.cancel();
        throw fault;
      })
      .finally(() => Promise.all([this.#attempts.gone(), this.#patches.done()]));
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
    if (this.#the.hosts.areDrained) {
      this.#cannotGoOn(noHostLeft(), { now: false });
      return;
    }
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

  /** Tells the listeners; what belongs to the timeline is written down as well. */
  #emit(event: EventBody): void {
    const { parts, run } = this.#the;
    parts.bus.emit(event);
    const kept = this.#kept.of(event);
    if (kept !== null) parts.state.appendEvent({ at: new Date().toISOString(), ...kept }, run.id);
  }
}
