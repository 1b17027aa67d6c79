/** One `orchestrate run`, read like a sentence: base → host → queue → sandbox → patch → end. */

import type { Readable } from 'node:stream';
import { ulid } from 'ulid';
import type { Engine } from './engine/engine.ts';
import { OrchestrateError } from './errors.ts';
import type { EventBody, EventBus } from './events.ts';
import { type Base, resolveBase } from './git/base.ts';
import { nameSome } from './git/bytes.ts';
import { rootCommit } from './git/commits.ts';
import { type ShallowHistory, shallowHistory } from './git/history.ts';
import { packOfTree } from './git/objects.ts';
import { removeQuarantines } from './git/private-dir.ts';
import type { Repository } from './git/repository.ts';
import type { SandboxHost } from './sandbox/sandbox.ts';
import type { AttemptEnd, AttemptRecord, RunRecord, TaskRecord } from './state/records.ts';
import type { State } from './state/state.ts';
import {
  type AttemptBounds,
  type AttemptContext,
  type EndedAttempt,
  lostEnd,
  resumeAttempt,
  runAttempt,
  withoutSandbox,
} from './tasks/attempt.ts';
import { Control } from './tasks/control.ts';
import { DiskWatch } from './tasks/disk-watch.ts';
import { type Adopted, adoptAttempt, lostAttempt } from './tasks/recovery.ts';
import { dropOld } from './tasks/retention.ts';
import { workQueue } from './tasks/scheduler.ts';
import { NO_WAIT, StartLine, type StartTurn } from './tasks/start-line.ts';
import { type StartConflict, type StartTree, startTreeOf } from './tasks/start-tree.ts';
import { type AttemptId, NO_USAGE, type ObjectId, type RunId, type TaskId } from './types.ts';

/** What a host asks of the coordinator while it is used. */
export interface HostServices {
  readonly run: RunId;
  /** Attempts of an earlier run that are still to be adopted: what they left stays. */
  readonly keep: readonly AttemptId[];
  packOf(tree: ObjectId, without: ObjectId | null): Promise<{ commit: ObjectId; pack: Readable }>;
  readonly history: number;
  historyOf(commit: ObjectId): Promise<ShallowHistory>;
  onProgress(line: string): void;
  onWarning(line: string): void;
}

export interface RunOptions {
  readonly maxAgents: number;
  readonly engine: Engine;
  readonly bounds: AttemptBounds;
  /** What agents start from; undefined: HEAD. */
  readonly baseRef?: string | undefined;
  readonly includeDirty: boolean;
  /** Only these tasks; not given: the whole queue. */
  readonly only?: readonly TaskId[] | undefined;
  /** How many commits deep the history is that agents see; 1: none but one made up for the tree. */
  readonly history: number;
  /** Aborted: agents are stopped, their work is salvaged, the run ends. */
  readonly signal: AbortSignal;
  readonly pid: number;
}

export interface CoordinatorParts {
  readonly repository: Repository;
  readonly state: State;
  readonly bus: EventBus;
  openHost(services: HostServices): Promise<SandboxHost>;
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
}

/**
 * Works the queue to its end. The caller holds the repository's coordinator lock.
 * Rejects with an OrchestrateError when the run could not be done at all; a task's failure is in the summary.
 */
export async function runQueue(parts: CoordinatorParts, options: RunOptions): Promise<RunSummary> {
  const { repository, state, bus } = parts;
  const base = await resolveBase(repository, {
    ...(options.baseRef === undefined ? {} : { ref: options.baseRef }),
    includeDirty: options.includeDirty,
  });
  await removeQuarantines(repository);
  const id = ulid() as RunId;
  const host = await parts.openHost(hostServices(parts, id, options.history));
  const run = state.beginRun({
    id,
    pid: options.pid,
    base: base.commit,
    deadline: null,
    budgetUsd: null,
    budgetTokens: null,
  });
  const coordinator = new Run({ parts, options, run, base, host });
  try {
    return await coordinator.work();
  } finally {
    // One that has no end has left something in the engine: the next start looks after it.
    if (await closed(host, bus)) state.endRun(run.id);
    await dropOld(repository, state, new Date()).catch((error) => warn(bus, error));
    bus.emit({
      type: 'run.ended',
      run: run.id,
      ...coordinator.tally,
      reason: options.signal.aborted ? 'interrupted' : null,
    });
  }
}

/** False where the engine did not let us remove what the run needed. */
async function closed(host: SandboxHost, bus: EventBus): Promise<boolean> {
  try {
    await host[Symbol.asyncDispose]();
    return true;
  } catch (error) {
    warn(bus, error);
    return false;
  }
}

function warn(bus: EventBus, error: unknown): void {
  bus.emit({ type: 'warning', message: error instanceof Error ? error.message : String(error) });
}

function hostServices(parts: CoordinatorParts, run: RunId, history: number): HostServices {
  const { repository, bus } = parts;
  return {
    run,
    // Its tree is written down right before an attempt starts: nothing of one without is wanted.
    keep: parts.state
      .unendedAttempts()
      .filter((attempt) => attempt.baseTree !== null)
      .map((attempt) => attempt.id),
    history,
    historyOf: (commit) => shallowHistory(repository, commit, history),
    onProgress: (line) => parts.onProgress(line),
    onWarning: (message) => bus.emit({ type: 'warning', message }),
    // Without a history the agent's own repository has one commit, the same for the same tree.
    async packOf(tree, without) {
      const commit = await rootCommit(repository, tree);
      const pack = packOfTree(repository, tree, { commit, ...(without === null ? {} : { without }) });
      return { commit, pack };
    },
  };
}

interface RunParts {
  readonly parts: CoordinatorParts;
  readonly options: RunOptions;
  readonly run: RunRecord;
  readonly base: Base;
  readonly host: SandboxHost;
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

interface Performed {
  readonly ended: EndedAttempt;
  readonly conflict: string | null;
}

class Run {
  readonly #the: RunParts;
  readonly #tally = { succeeded: 0, failed: 0 };
  readonly #line = new StartLine();
  readonly #control: Control;
  readonly #disk: DiskWatch;
  /** Sandboxes on their way out. */
  readonly #leaving = new Set<Promise<void>>();

  constructor(the: RunParts) {
    this.#the = the;
    this.#control = new Control(the.parts.state, the.options.signal);
    this.#disk = new DiskWatch(() => the.host.diskUse());
  }

  get tally(): Omit<RunSummary, 'run'> {
    return { ...this.#tally, blocked: this.#the.parts.state.counts().blocked };
  }

  async work(): Promise<RunSummary> {
    const { parts, options, run, base, host } = this.#the;
    const counts = parts.state.counts();
    this.#emit({
      type: 'run.started',
      run: run.id,
      tasks: counts.queued + counts.blocked,
      isolation: host.isolation,
      base: base.commit,
    });
    for (const message of base.warnings) this.#emit({ type: 'warning', message });
    if (base.leftOut.length > 0 && options.baseRef === undefined) {
      const message = `Agents start from the last commit: ${nameSome(base.leftOut)} left out (--include-dirty takes local changes in).`;
      this.#emit({ type: 'warning', message });
    }
    // Laid out while the first tasks are being claimed; they wait for the same work.
    host.prepareTree({ tree: base.tree, commit: base.commit, near: null }).catch(() => {});
    const adopted = await this.#adopt();
    using control = this.#control;
    await workQueue({
      state: parts.state,
      run,
      maxAgents: options.maxAgents,
      adopted,
      only: options.only,
      signal: control.stopStarting,
      host: host.name,
      engine: options.engine.name,
      container: parts.containerName,
      attempt: (task, attempt) => this.#attempt(task, attempt),
    }).finally(() => Promise.all(this.#leaving));
    return { run: run.id, ...this.tally };
  }

  /** Takes over what an earlier run left: what can go on does, what is gone waits again. */
  async #adopt(): Promise<(() => Promise<void>)[]> {
    const { parts, options, run, host } = this.#the;
    const recovery = { ...parts, host, diskBytes: options.bounds.limits.diskBytes };
    const going: (() => Promise<void>)[] = [];
    for (const attempt of parts.state.unendedAttempts()) {
      if (attempt.run === run.id) continue;
      const found = await adoptAttempt(recovery, attempt);
      if (found === null) await this.#end(attempt, withoutSandbox(await lostAttempt(recovery, attempt)), 0);
      else going.push(() => this.#resume(found));
    }
    return going;
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
    const context = this.#contextOf(attempt, NO_WAIT);
    const task = this.#the.parts.state.task(attempt.task);
    await this.#end(attempt, await resumeAttempt(context, task, found), began);
  }

  async #attempt(task: TaskRecord, attempt: AttemptRecord): Promise<void> {
    const { parts, run } = this.#the;
    const began = performance.now();
    const turn = this.#line.turn();
    // Before anything is awaited: whoever wants it ended asks once.
    const context = this.#contextOf(attempt, turn);
    const { ended, conflict } = await this.#perform(task, attempt, context).finally(turn.pass);
    await this.#end(attempt, ended, began, conflict !== null);
    if (conflict === null) return;
    parts.state.blockTask(task.id, run.fence, conflict);
    this.#emit({ type: 'task.blocked', task: task.id, reason: conflict });
  }

  /** Writes the end of an attempt down, tells it, then lets its sandbox go. */
  async #end(attempt: AttemptRecord, { end, discard }: EndedAttempt, began: number, silent = false): Promise<void> {
    const { parts, run } = this.#the;
    this.#control.ended(attempt.id);
    if (!parts.state.endAttempt(attempt.id, run.fence, end)) {
      throw new OrchestrateError('failure', 'FENCED', `another coordinator has taken over ${attempt.id}`);
    }
    if (silent) return;
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
      .catch((error) => warn(parts.bus, error))
      .finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
    if (this.#leaving.size > this.#the.options.maxAgents) await Promise.race(this.#leaving);
  }

  /** The attempt's end, and why its task cannot start where the results it builds on do not merge. */
  async #perform(task: TaskRecord, attempt: AttemptRecord, context: AttemptContext): Promise<Performed> {
    const { repository, state } = this.#the.parts;
    let start: StartTree | StartConflict;
    try {
      start = await startTreeOf(repository, state, this.#the.base, attempt);
    } catch (error) {
      return { ended: withoutSandbox(lostEnd(attempt, error)), conflict: null };
    }
    if ('with' in start) {
      const conflict = `the result of ${start.with} conflicts with the others it depends on in ${nameSome(start.paths)}`;
      return { ended: withoutSandbox({ ...NOT_STARTED, reason: conflict }), conflict };
    }
    return { ended: await runAttempt(context, task, attempt, start), conflict: null };
  }

  #contextOf(attempt: AttemptRecord, turn: StartTurn): AttemptContext {
    const { parts, options, run, host } = this.#the;
    const { repository, state } = parts;
    return {
      host,
      engine: options.engine,
      bounds: options.bounds,
      disk: this.#disk,
      signal: this.#control.signalFor(attempt),
      repository,
      turn,
      emit: (event) => this.#emit(event),
      onStarted: (from) => void state.attemptStarted(attempt.id, run.fence, from),
      onCollecting: () => void state.attemptCollecting(attempt.id, run.fence),
    };
  }

  /** Tells the listeners; what belongs to the timeline is written down as well. */
  #emit(event: EventBody): void {
    const { parts, run } = this.#the;
    parts.bus.emit(event);
    if (event.type !== 'agent.output') parts.state.appendEvent({ at: new Date().toISOString(), ...event }, run.id);
  }
}
