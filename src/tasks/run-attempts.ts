/** The attempts of one run: each taken over or placed on a host, worked to its end, and that end written down. */

import { environmentError, OrchestrateError } from '../errors.ts';
import type { EventBody } from '../events.ts';
import { nameSome } from '../git/bytes.ts';
import type { Repository } from '../git/repository.ts';
import { summaryOf } from '../notes/summary.ts';
import { type Restacked, restackAbove } from '../review/restack.ts';
import type { AttemptEnd, AttemptRecord, TaskRecord } from '../state/records.ts';
import type { State } from '../state/state.ts';
import { type AttemptId, NO_USAGE, type TaskId } from '../types.ts';
import { type EndedAttempt, lostEnd, resumeAttempt, runAttempt, withoutSandbox } from './attempt.ts';
import type { AttemptContext } from './attempt-parts.ts';
import { end, RUN_STOPPED } from './conclude.ts';
import type { Control } from './control.ts';
import { earlierWork } from './earlier.ts';
import { HOST_LOST } from './faults.ts';
import type { HostAtWork } from './host-at-work.ts';
import { type Adopted, adoptAttempt, lostAttempt, salvageOf } from './recovery.ts';
import type { RunForecast } from './run-forecast.ts';
import type { RunParts } from './run-parts.ts';
import { NO_WAIT } from './start-line.ts';
import { type StartConflict, type StartTree, startTreeOf } from './start-tree.ts';
import type { StateRoom } from './state-room.ts';
import { KILLED_BY_USER } from './supervise.ts';

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

interface Performed {
  /** Null: it has no end, and is left to the next run. */
  readonly ended: EndedAttempt | null;
  readonly conflict: string | null;
}

export interface AttemptsParts {
  readonly the: RunParts;
  readonly control: Control;
  readonly room: StateRoom;
  readonly forecast: RunForecast;
  /** One is about to begin: something goes on. */
  onBegin(): void;
  /** One has left a patch. */
  onPatch(): void;
  emit(event: EventBody): void;
}

export class RunAttempts {
  readonly tally = { succeeded: 0, failed: 0 };
  readonly #parts: AttemptsParts;
  /** To end those whose place is taken away. */
  readonly #taken = new Map<AttemptId, AbortController>();
  /** Sandboxes on their way out. */
  readonly #leaving = new Set<Promise<void>>();

  constructor(parts: AttemptsParts) {
    this.#parts = parts;
    parts.the.hosts.onTaken((attempt, why) => this.#taken.get(attempt)?.abort(why));
  }

  /** Resolves when the sandboxes of those that have ended are removed. */
  async gone(): Promise<void> {
    await Promise.all(this.#leaving);
  }

  /** Takes over what an earlier run left: what can go on does, what is gone waits again. */
  async adopt(): Promise<(() => Promise<void>)[]> {
    const { parts, options, run, hosts } = this.#parts.the;
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
    const { parts, run } = this.#parts.the;
    if (gateway === null || attempt.baseTree === null) return;
    const { requests, usage, unsettled } = await gateway.settle(attempt.id, attempt);
    if (requests > 0) parts.state.attemptUsage(attempt.id, run.fence, usage);
    parts.state.attemptUnsettled(attempt.id, run.fence, unsettled);
  }

  async #resume(found: Adopted, at: HostAtWork): Promise<void> {
    const { attempt } = found;
    const began = performance.now();
    this.#parts.emit({
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
    this.remark(attempt.task, null);
    const task = this.#parts.the.parts.state.task(attempt.task);
    const ended = await resumeAttempt(context, task, found);
    if (ended !== null) await this.#end(attempt, ended, began);
    else if (this.#parts.the.hosts.isLost(at)) await this.#endOnLostHost(attempt, began);
  }

  /** The host may be back one day: what the sandbox holds is fetched then. */
  async #endOnLostHost(attempt: AttemptRecord, began: number): Promise<void> {
    const { parts } = this.#parts.the;
    const error = environmentError(HOST_LOST, `the host ${attempt.host} was lost`);
    const losses = (): (string | null)[] => parts.state.lossesOf(attempt.task);
    const patch = await salvageOf(parts, attempt);
    await this.#end(attempt, withoutSandbox({ ...lostEnd({ losses }, error), patch }), began);
  }

  /** What an attempt was started with goes on, whatever this run would give it. */
  async #ownTerms(attempt: AttemptRecord): Promise<Partial<AttemptContext>> {
    const { engine, engineNamed, bounds } = this.#parts.the.options;
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

  async attempt(task: TaskRecord, attempt: AttemptRecord): Promise<void> {
    const { parts, run, hosts } = this.#parts.the;
    const began = performance.now();
    this.#parts.onBegin();
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
    this.#parts.emit({ type: 'task.blocked', task: task.id, reason: conflict });
  }

  /** Writes the end of an attempt down, tells it, then lets its sandbox go. */
  async #end(attempt: AttemptRecord, { end, discard }: EndedAttempt, began: number, silent = false): Promise<void> {
    const { parts, run } = this.#parts.the;
    this.#parts.control.ended(attempt.id);
    this.#taken.delete(attempt.id);
    const note = await summaryOf(parts, attempt.task, end);
    const goesOn = this.#parts.the.options.engine.goesOn === true;
    if (!parts.state.endAttempt(attempt.id, run.fence, { ...end, note, goesOn })) {
      throw new OrchestrateError('failure', 'FENCED', `another coordinator has taken over ${attempt.id}`);
    }
    this.#parts.forecast.attemptEnded(attempt.id, end.patch !== null);
    if (end.patch !== null) await this.restack((repository, state) => restackAbove(repository, state, attempt.id));
    if (silent) return;
    if (end.patch !== null) this.#parts.onPatch();
    if (end.taskState === 'succeeded') this.tally.succeeded += 1;
    else if (end.taskState === 'failed') this.tally.failed += 1;
    this.#parts.emit({
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
      .catch((error: Error) => this.#parts.emit({ type: 'warning', message: error.message }))
      .finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
    if (this.#leaving.size > this.#parts.the.options.maxAgents) await Promise.race(this.#leaving);
  }

  /** What is to be seen of a task at work. What cannot be written down here is told where something depends on it. */
  remark(task: TaskId, remark: string | null): void {
    const { parts, run } = this.#parts.the;
    try {
      parts.state.remarkTask(task, run.fence, remark);
    } catch (error) {
      if (!(error instanceof OrchestrateError)) throw error;
    }
  }

  /** What stands on results that are others now follows them. */
  async restack(act: (repository: Repository, state: State) => Promise<readonly Restacked[]>): Promise<void> {
    const { repository, state } = this.#parts.the.parts;
    try {
      for (const { patch, reason } of await act(repository, state)) {
        this.#parts.emit({ type: 'warning', message: `${patch}: ${reason}` });
      }
    } catch (error) {
      if (!(error instanceof OrchestrateError)) throw error;
      this.#parts.emit({ type: 'warning', message: `what is stale was not restacked: ${error.message}` });
    }
  }

  /** The attempt's end, and why its task cannot start where the results it builds on do not merge. */
  async #perform(task: TaskRecord, attempt: AttemptRecord, context: AttemptContext): Promise<Performed> {
    const { repository, state } = this.#parts.the.parts;
    let start: StartTree | StartConflict;
    try {
      start = await startTreeOf(repository, state, this.#parts.the.base, attempt);
      if (!('with' in start) && (await this.#parts.the.hosts.first.setUp?.isOf(start.tree)) === false) {
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
    const { parts, run } = this.#parts.the;
    const taken = new AbortController();
    this.#taken.set(attempt.id, taken);
    const signal = AbortSignal.any([this.#parts.control.signalFor(attempt), taken.signal]);
    const onAbort = (): void => {
      const cause = signal.reason === KILLED_BY_USER ? 'killed' : 'interrupted';
      parts.state.attemptStopping(attempt.id, run.fence, cause);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    return signal;
  }

  #waitsForPlace({ task, id }: AttemptRecord, why: string): void {
    this.#parts.emit({ type: 'warning', task, attempt: id, message: `it waits for a place: ${why}` });
  }

  /** The end of an attempt that found no host. */
  #notPlaced({ task }: AttemptRecord, signal: AbortSignal, error: unknown): AttemptEnd {
    const losses = (): (string | null)[] => this.#parts.the.parts.state.lossesOf(task);
    if (!signal.aborted) return lostEnd({ losses }, error);
    const reason = typeof signal.reason === 'string' ? signal.reason : RUN_STOPPED;
    return end('killed', { reason, exitCode: null, patch: null, fault: null });
  }

  #contextOf(
    attempt: AttemptRecord,
    at: HostAtWork,
    { turn, signal }: Pick<AttemptContext, 'turn' | 'signal'>,
  ): AttemptContext {
    const { parts, options, run } = this.#parts.the;
    const { repository, state } = parts;
    return {
      host: at.host,
      engine: options.engine,
      roleOf: options.roleOf,
      gateway: at.gateway,
      bounds: options.bounds,
      watermarks: at.watermarks,
      room: this.#parts.room,
      notes: at.notes,
      signal,
      repository,
      turn,
      emit: (event) => this.#parts.emit(event),
      earlier: () => earlierWork(state, attempt.task),
      losses: () => state.lossesOf(attempt.task),
      onStarted: (from) => void state.attemptStarted(attempt.id, run.fence, from),
      onCollecting: () => void state.attemptCollecting(attempt.id, run.fence),
      onUsage: (usage) => void state.attemptUsage(attempt.id, run.fence, usage),
      onUnsettled: (spent) => void state.attemptUnsettled(attempt.id, run.fence, spent),
      onSnapshot: (trees) => this.#parts.forecast.snapshotKept({ id: attempt.id, task: attempt.task, ...trees }),
      onPaused: (reason) => void state.pauseTask(attempt.task, run.fence, reason),
      onQuiet: (minutes) => this.remark(attempt.task, minutes === null ? null : `quiet for ${minutes} min`),
    };
  }
}
