/** One attempt's container from creation to removal. */

import type { Readable } from 'node:stream';
import type { Container } from 'dockerode';
import type { KeeperClient } from '../../keeper/client.ts';
import type { AttemptId, ObjectId } from '../../types.ts';
import type { Collection, CreatedSandbox, EndedSandbox, OutputChunk, RunningSandbox } from '../sandbox.ts';
import { engineFailure, isStatus } from './engine-errors.ts';
import { STOP_GRACE_MS } from './spec.ts';
import { demultiplex } from './streams.ts';

/** More changed entries than this are not a patch that anybody reviews. */
const MAX_ENTRIES = 1_000_000;
const MAX_BYTES = 2 * 1024 ** 3;
/** The toolbox ends everything after its grace period; the engine does so itself these seconds later. */
const KILL_AFTER_GRACE_S = 2;

interface Parts {
  readonly container: Container;
  readonly keeper: KeeperClient;
  readonly objectFormat: 'sha1' | 'sha256';
  readonly attempt: AttemptId;
  readonly tree: ObjectId;
}

export class DockerSandbox implements CreatedSandbox, RunningSandbox, EndedSandbox {
  readonly #parts: Parts;
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

  async *output(): AsyncGenerator<OutputChunk> {
    const log = await this.#parts.container.logs({ follow: true, stdout: true, stderr: true });
    yield* demultiplex(log as unknown as Readable);
  }

  async ended(): Promise<EndedSandbox> {
    const { container, attempt } = this.#parts;
    try {
      await container.wait({ condition: 'not-running' });
      const { State } = await container.inspect();
      this.exitCode = State.ExitCode;
      this.outOfMemory = State.OOMKilled;
      return this;
    } catch (cause) {
      throw engineFailure(`the sandbox of ${attempt} vanished`, cause);
    }
  }

  async stop(): Promise<void> {
    await this.#parts.container.stop({ t: STOP_GRACE_MS / 1000 + KILL_AFTER_GRACE_S }).catch((error) => {
      if (!isStatus(error, 304) && !isStatus(error, 404)) throw error;
    });
  }

  collect(): Promise<Collection> {
    const { keeper, attempt, tree, objectFormat } = this.#parts;
    return keeper.collect({ attempt, tree, objectFormat, maxEntries: MAX_ENTRIES, maxBytes: MAX_BYTES });
  }

  async discard(): Promise<void> {
    const { container, keeper, attempt } = this.#parts;
    await container.remove({ force: true, v: true }).catch((error) => {
      if (!isStatus(error, 404)) throw error;
    });
    await keeper.removeAttempt(attempt);
  }
}
