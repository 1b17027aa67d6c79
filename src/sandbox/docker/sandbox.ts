/** One attempt's container from creation to removal. */

import { constants } from 'node:os';
import type { Container, ContainerInspectInfo } from 'dockerode';
import { environmentError, type OrchestrateError } from '../../errors.ts';
import type { KeeperClient } from '../../keeper/client.ts';
import type { EndReport } from '../../toolbox/frames.ts';
import type { AttemptId, ObjectId } from '../../types.ts';
import type { Collection, CreatedSandbox, EndedSandbox, OutputChunk, RunningSandbox } from '../sandbox.ts';
import { TROUBLE } from '../trouble.ts';
import { containerLog, lastFrame } from './container-log.ts';
import { engineFailure, ignoreStatus, isStatus, isUnanswered } from './engine-errors.ts';
import type { EngineHealth } from './health.ts';
import { agentOutput } from './output.ts';
import { removeContainer } from './remove-container.ts';
import { STOP_GRACE_MS } from './spec.ts';

/** More changed entries than this are not a patch that anybody reviews. */
const MAX_ENTRIES = 1_000_000;
const MAX_BYTES = 2 * 1024 ** 3;
/** How long until a signal is sent again: one that comes before PID 1 listens is dropped by the kernel, and later ones do no harm. */
const TERM_AGAIN_MS = 1000;
/** The toolbox ends everything after its grace period and passes on the last output; the engine kills these seconds later. */
const KILL_AFTER_GRACE_S = 4;
/** Whoever waits for an agent looks after it so often, too: the connection may carry nothing any more. */
const LOOK_EVERY_MS = 20_000;

const NANOSECONDS_PER_MS = 1e6;
/** Exit code of a main process that SIGKILL ended. */
const KILLED = 128 + constants.signals.SIGKILL;

interface Parts {
  readonly container: Container;
  readonly engine: EngineHealth;
  readonly keeper: KeeperClient;
  readonly objectFormat: 'sha1' | 'sha256';
  readonly attempt: AttemptId;
  readonly tree: ObjectId;
  /** The attempt's limit: more is not taken into a patch either, sparse files by their apparent size. */
  readonly diskBytes: number;
}

export class DockerSandbox implements CreatedSandbox, RunningSandbox, EndedSandbox {
  readonly #parts: Parts;
  #holds = 0;
  #isHeld = false;
  #turn: Promise<void> = Promise.resolve();
  /** We wanted it to end. */
  #isEnding = false;
  exitCode = -1;
  outOfMemory = false;
  outputLost: OrchestrateError | null = null;
  #endedBy: 'us or itself' | 'removal' | { readonly breaks: number } = 'us or itself';

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async start(): Promise<RunningSandbox> {
    const { container, engine, attempt } = this.#parts;
    let isFirst = true;
    try {
      await engine.steadily(async () => {
        // Started again, one that has ended meanwhile would run a second time.
        const isThere = !isFirst && (await container.inspect()).State.Status !== 'created';
        isFirst = false;
        if (!isThere) await container.start().catch(ignoreStatus(304));
      });
    } catch (cause) {
      if (isStatus(cause, 404)) throw removed(attempt);
      throw engineFailure(`the sandbox of ${attempt} could not be started`, cause);
    }
    return this;
  }

  async *output(): AsyncGenerator<OutputChunk> {
    const { container, engine, attempt } = this.#parts;
    try {
      yield* agentOutput(containerLog(container, engine));
    } catch (cause) {
      throw engineFailure(`what ${attempt} prints could not be followed`, cause);
    }
  }

  async cpuMs(): Promise<number> {
    const { cpu_stats: cpu } = await this.#parts.container.stats({ stream: false, 'one-shot': true });
    return cpu.cpu_usage.total_usage / NANOSECONDS_PER_MS;
  }

  async memoryBytes(): Promise<number> {
    const { memory_stats: memory } = await this.#parts.container.stats({ stream: false, 'one-shot': true });
    // The figure counts the page cache as well; cgroup v1 and v2 name the part that can go differently.
    const { total_inactive_file: v1, inactive_file: v2 } = memory.stats ?? {};
    return Math.max(0, (memory.usage ?? 0) - (v1 ?? v2 ?? 0));
  }

  async ended(): Promise<EndedSandbox> {
    const { attempt, engine } = this.#parts;
    try {
      for (;;) {
        const { breaks } = engine;
        await this.#wait();
        const state = await engine.steadily(() => this.#state());
        if (state?.Running === true) continue;
        await this.#ended(state, breaks);
        return this;
      }
    } catch (cause) {
      throw engineFailure(`the sandbox of ${attempt} vanished`, cause);
    }
  }

  /** Until it is worth looking whether it has ended. */
  async #wait(): Promise<void> {
    const { container, engine } = this.#parts;
    const look = new AbortController();
    const { signal: abortSignal } = look;
    const timer = setTimeout(() => look.abort(), LOOK_EVERY_MS);
    try {
      await engine.here();
      await container.wait({ condition: 'not-running', abortSignal });
    } catch (error) {
      if (abortSignal.aborted || isStatus(error, 404)) return;
      if (!isUnanswered(error)) throw error;
      await engine.look();
    } finally {
      clearTimeout(timer);
    }
  }

  /** Null: it is not there, or on its way out. */
  async #state(): Promise<ContainerInspectInfo['State'] | null> {
    try {
      const { State: state } = await this.#parts.container.inspect();
      return isGoing(state) ? null : state;
    } catch (error) {
      if (isStatus(error, 404)) return null;
      throw error;
    }
  }

  /** @param breaks how often the engine had gone away when the agent was known to run */
  async #ended(state: ContainerInspectInfo['State'] | null, breaks: number): Promise<void> {
    const { container, engine } = this.#parts;
    this.exitCode = state?.ExitCode ?? KILLED;
    if (this.#isEnding) return;
    if (state === null) {
      this.#endedBy = 'removal';
      return;
    }
    const last = await engine.steadily(() => lastFrame(container));
    this.outOfMemory = state.ExitCode === KILLED && hasRunOut(state, last);
    if (this.outOfMemory) return;
    if (last === null) this.outputLost = outputLost(this.#parts.attempt);
    // Nothing inside can end PID 1, and what it ends by itself it writes down.
    if (last === null ? state.ExitCode !== KILLED : !last.wasTold) return;
    this.#endedBy = { breaks };
    await engine.look();
    await engine.here();
  }

  /** An engine that is being stopped ends what runs before it is gone: by whom a sandbox was stopped shows later. */
  get cutOff(): OrchestrateError | null {
    const { attempt, engine } = this.#parts;
    if (this.#endedBy === 'us or itself') return null;
    if (this.#endedBy === 'removal') return removed(attempt);
    return engine.breaks > this.#endedBy.breaks ? restarted(attempt) : stopped(attempt);
  }

  onTrouble(listener: (isAway: boolean) => void): () => void {
    return this.#parts.engine.listen(listener);
  }

  async stop(): Promise<void> {
    const { engine } = this.#parts;
    // Whoever wants that waits: an engine that is away is not to be noticed by its next silence.
    void engine.lookSoon();
    // What has ended by then was ended by somebody else, an engine that was stopped for one.
    if ((await engine.steadily(() => this.#state()))?.Running !== true) return;
    this.#isEnding = true;
    await this.#stop(STOP_GRACE_MS / 1000 + KILL_AFTER_GRACE_S);
  }

  async #stop(seconds: number): Promise<void> {
    const { container, engine } = this.#parts;
    const again = setInterval(() => container.kill({ signal: 'SIGTERM' }).catch(() => {}), TERM_AGAIN_MS);
    try {
      await engine.steadily(() => container.stop({ t: seconds }).catch(ignoreStatus(304, 404)));
    } finally {
      clearInterval(again);
    }
  }

  async snapshot<Result>(take: (collection: Collection) => Promise<Result>): Promise<Result> {
    await this.#pause();
    try {
      return await take(await this.collect());
    } finally {
      await this.#unpause();
    }
  }

  async hold(): Promise<void> {
    if (this.#isHeld) return;
    this.#isHeld = true;
    // Ended, or not there any more: nothing goes on.
    await this.#pause().catch(() => {});
  }

  async goOn(): Promise<void> {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    await this.#unpause();
  }

  /** Holds are counted: the last one to let go does. One after the other, as the engine wants it. */
  #pause(): Promise<void> {
    return this.#inTurn(async () => {
      const { container, engine } = this.#parts;
      if (this.#holds === 0) await engine.steadily(() => container.pause().catch(ignorePaused));
      this.#holds += 1;
    });
  }

  #unpause(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#holds === 0) return;
      this.#holds -= 1;
      const { container, engine } = this.#parts;
      // Not running any more, or not there: nothing is held still then.
      if (this.#holds === 0) await engine.steadily(() => container.unpause()).catch(() => {});
    });
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const acting = this.#turn.then(act);
    this.#turn = acting.catch(() => {});
    return acting;
  }

  async kill(): Promise<void> {
    const { container, engine } = this.#parts;
    this.#isEnding = true;
    // The toolbox kills everything else then, passes on the last output and ends. 409: it does not run any more.
    await engine.steadily(() => container.kill({ signal: 'SIGINT' }).catch(ignoreStatus(404, 409)));
    await this.#stop(KILL_AFTER_GRACE_S);
  }

  collect(): Promise<Collection> {
    const { keeper, attempt, tree, objectFormat, diskBytes } = this.#parts;
    const maxBytes = Math.min(MAX_BYTES, diskBytes);
    return keeper.collect({ attempt, tree, objectFormat, maxEntries: MAX_ENTRIES, maxBytes });
  }

  async discard(): Promise<void> {
    const { container, engine, keeper, attempt } = this.#parts;
    this.#isEnding = true;
    try {
      // Its workspace must not be touched before it is gone.
      await engine.steadily(() => removeContainer(container));
    } catch (cause) {
      throw engineFailure(`the sandbox of ${attempt} could not be removed`, cause);
    }
    await keeper.removeAttempt(attempt);
  }
}

function removed(attempt: AttemptId): OrchestrateError {
  return environmentError(TROUBLE.removed, `the sandbox of ${attempt} was removed by somebody else`);
}

function stopped(attempt: AttemptId): OrchestrateError {
  return environmentError(TROUBLE.stopped, `the sandbox of ${attempt} was stopped by somebody else`);
}

function outputLost(attempt: AttemptId): OrchestrateError {
  return environmentError(TROUBLE.output, `the Docker engine lost what ${attempt} printed last`);
}

function restarted(attempt: AttemptId): OrchestrateError {
  return environmentError(TROUBLE.restarted, `the Docker engine was stopped and ended the sandbox of ${attempt}`);
}

/**
 * The engine's flag is set only where it hears of it before it hears of the end, which it need not (20.10, on a busy
 * machine: not of two in sixty); PID 1 asks the kernel, unless it is killed itself.
 */
function hasRunOut({ OOMKilled: isFlagged }: ContainerInspectInfo['State'], last: EndReport | null): boolean {
  return last === null ? isFlagged : !last.wasTold && (isFlagged || last.outOfMemory);
}

/** A forced removal kills first: what looks like the agent's death is the container's. */
function isGoing(state: ContainerInspectInfo['State']): boolean {
  return state.Dead || state.Status === 'removing' || state.Status === 'dead';
}

/** By a call whose answer was lost. */
function ignorePaused(error: unknown): void {
  if (!(isStatus(error, 409) && error instanceof Error && error.message.includes('already paused'))) throw error;
}
