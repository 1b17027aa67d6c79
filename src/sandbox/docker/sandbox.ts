/** One attempt's container from creation to removal. */

import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import type { Container, ContainerInspectInfo } from 'dockerode';
import { environmentError } from '../../errors.ts';
import type { KeeperClient } from '../../keeper/client.ts';
import type { AttemptId, ObjectId } from '../../types.ts';
import type { Collection, CreatedSandbox, EndedSandbox, OutputChunk, RunningSandbox } from '../sandbox.ts';
import { engineFailure, isStatus } from './engine-errors.ts';
import { agentOutput } from './output.ts';
import { STOP_GRACE_MS } from './spec.ts';
import { demultiplex } from './streams.ts';

/** More changed entries than this are not a patch that anybody reviews. */
const MAX_ENTRIES = 1_000_000;
const MAX_BYTES = 2 * 1024 ** 3;
/** How long until a signal is sent again: one that comes before PID 1 listens is dropped by the kernel, and later ones do no harm. */
const TERM_AGAIN_MS = 1000;
/** The toolbox ends everything after its grace period and passes on the last output; the engine kills these seconds later. */
const KILL_AFTER_GRACE_S = 4;
/** From one end of a log that was followed to the next look at it, while the agent still runs. */
const LOG_AGAIN_MS = 1000;

const NANOSECONDS_PER_MS = 1e6;
/** Exit code of a main process that SIGKILL ended. */
const KILLED = 128 + constants.signals.SIGKILL;

interface Parts {
  readonly container: Container;
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
  exitCode = -1;
  outOfMemory = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async start(): Promise<RunningSandbox> {
    try {
      await this.#parts.container.start();
    } catch (cause) {
      throw engineFailure(`the sandbox of ${this.#parts.attempt} could not be started`, cause);
    }
    return this;
  }

  output(): AsyncIterable<OutputChunk> {
    const { container } = this.#parts;
    return agentOutput({
      read: (follow) => this.#log(follow),
      isRunning: async () => (await container.inspect()).State.Running,
      pause: () => wait(LOG_AGAIN_MS),
    });
  }

  async *#log(follow: boolean): AsyncGenerator<OutputChunk> {
    const { container, attempt } = this.#parts;
    const log = await openLog(container, follow).catch((cause) => {
      throw engineFailure(`the output of ${attempt} could not be read`, cause);
    });
    yield* demultiplex(log);
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
    const { container, attempt } = this.#parts;
    try {
      await container.wait({ condition: 'not-running' });
      const { State: state } = await container.inspect();
      if (isGoing(state))
        throw environmentError('SANDBOX_REMOVED', `the sandbox of ${attempt} was removed by somebody else`);
      this.exitCode = state.ExitCode;
      // The engine's flag says that something inside ran out of memory, perhaps a child that the agent got over.
      this.outOfMemory = state.OOMKilled && state.ExitCode === KILLED;
      return this;
    } catch (cause) {
      throw engineFailure(`the sandbox of ${attempt} vanished`, cause);
    }
  }

  stop(): Promise<void> {
    return this.#stop(STOP_GRACE_MS / 1000 + KILL_AFTER_GRACE_S);
  }

  async #stop(seconds: number): Promise<void> {
    const { container } = this.#parts;
    const again = setInterval(() => container.kill({ signal: 'SIGTERM' }).catch(() => {}), TERM_AGAIN_MS);
    try {
      await container.stop({ t: seconds }).catch((error) => {
        if (!isStatus(error, 304) && !isStatus(error, 404)) throw error;
      });
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
      if (this.#holds === 0) await this.#parts.container.pause();
      this.#holds += 1;
    });
  }

  #unpause(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#holds === 0) return;
      this.#holds -= 1;
      // Not running any more, or not there: nothing is held still then.
      if (this.#holds === 0) await this.#parts.container.unpause().catch(() => {});
    });
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const acting = this.#turn.then(act);
    this.#turn = acting.catch(() => {});
    return acting;
  }

  async kill(): Promise<void> {
    const { container } = this.#parts;
    // The toolbox kills everything else then, passes on the last output and ends.
    await container.kill({ signal: 'SIGINT' }).catch((error) => {
      // 409: it does not run any more.
      if (!isStatus(error, 409) && !isStatus(error, 404)) throw error;
    });
    await this.#stop(KILL_AFTER_GRACE_S);
  }

  collect(): Promise<Collection> {
    const { keeper, attempt, tree, objectFormat, diskBytes } = this.#parts;
    const maxBytes = Math.min(MAX_BYTES, diskBytes);
    return keeper.collect({ attempt, tree, objectFormat, maxEntries: MAX_ENTRIES, maxBytes });
  }

  async discard(): Promise<void> {
    const { container, keeper, attempt } = this.#parts;
    await container.remove({ force: true, v: true }).catch(async (error) => {
      // 409: somebody else removes it at this moment; its workspace must not be touched before it is gone.
      if (isStatus(error, 409)) await container.wait({ condition: 'removed' }).catch(ignoreMissing);
      else ignoreMissing(error);
    });
    await keeper.removeAttempt(attempt);
  }
}

/** As a stream in both cases: dockerode holds the whole of a log that is not followed in memory. */
function openLog(container: Container, follow: boolean): Promise<Readable> {
  return new Promise((resolve, reject) => {
    const request = {
      path: `/containers/${container.id}/logs?`,
      method: 'GET',
      isStream: true,
      statusCodes: { 200: true, 404: 'no such container', 500: 'server error' },
      options: { follow, stdout: true, stderr: true },
    };
    container.modem.dial(request, (error: unknown, log: Readable) => (error ? reject(error) : resolve(log)));
  });
}

/** A forced removal kills first: what looks like the agent's death is the container's. */
function isGoing(state: ContainerInspectInfo['State']): boolean {
  return state.Dead || state.Status === 'removing' || state.Status === 'dead';
}

function ignoreMissing(error: unknown): void {
  if (!isStatus(error, 404)) throw error;
}
