/** A container's log through the Engine API, read so that a connection which carries nothing any more is noticed. */

import type { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import type { Container } from 'dockerode';
import { decodeFrame, type OutputFrame } from '../../toolbox/frames.ts';
import type { OutputChunk } from '../sandbox.ts';
import { engineTimeout, isStatus, isUnanswered } from './engine-errors.ts';
import type { EngineHealth } from './health.ts';
import type { ContainerLog } from './output.ts';
import { demultiplex } from './streams.ts';

/** From one end of a log that was followed to the next look at it, while the agent still runs. */
const LOG_AGAIN_MS = 1000;
/** So long without a byte, twice, and what the log ends with is asked for. */
const SILENCE_MS = 12_000;
/** PID 1 may have said something after its last entry. */
const LAST_ENTRIES = 3;

/** One whose container is gone is empty. */
export function containerLog(container: Container, engine: EngineHealth): ContainerLog {
  return {
    read: (follow) => read(container, follow),
    isRunning: () => engine.steadily(() => isRunning(container)),
    pause: () => wait(LOG_AGAIN_MS),
    mended: async (error) => {
      if (!isUnanswered(error)) return false;
      await engine.look();
      await engine.here();
      return true;
    },
  };
}

/** What the toolbox wrote last of all; null where it did not come to that. */
export async function lastFrame(container: Container): Promise<Extract<OutputFrame, { kind: 'end' }> | null> {
  const lines = (await ending(container)).toString('latin1').split('\n');
  for (const line of lines) {
    const frame = decodeFrame(Buffer.from(line, 'latin1'));
    if (frame?.kind === 'end') return frame;
  }
  return null;
}

async function* read(container: Container, follow: boolean): AsyncGenerator<OutputChunk> {
  const log = await open(container, { follow });
  if (log === null) return;
  using silence = new Silence(container, log);
  yield* demultiplex(follow ? silence.heard() : log);
}

/** Breaks a connection that stays silent while the log goes on, or the container has ended. */
class Silence implements Disposable {
  readonly #container: Container;
  readonly #log: Readable;
  #timer: NodeJS.Timeout | undefined;
  /** What the log ended with at the last look. */
  #before: Buffer | null = null;

  constructor(container: Container, log: Readable) {
    this.#container = container;
    this.#log = log;
  }

  async *heard(): AsyncGenerator<Buffer> {
    this.#listen();
    for await (const bytes of this.#log) {
      // Not while somebody is at work on what came.
      this[Symbol.dispose]();
      yield bytes as Buffer;
      this.#listen();
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#before = null;
  }

  #listen(): void {
    // A look that fails is nothing new: trouble is seen elsewhere.
    this.#timer = setInterval(() => void this.#look().catch(() => {}), SILENCE_MS);
  }

  async #look(): Promise<void> {
    const timer = this.#timer;
    const [now, goesOn] = await Promise.all([ending(this.#container), isRunning(this.#container)]);
    // It has been heard of meanwhile.
    if (this.#timer !== timer) return;
    if (this.#before !== null && (!goesOn || !this.#before.equals(now))) {
      this.#log.destroy(engineTimeout('the log that is followed', SILENCE_MS));
    }
    this.#before = now;
  }
}

async function ending(container: Container): Promise<Buffer> {
  const log = await open(container, { follow: false, tail: LAST_ENTRIES });
  const parts: Buffer[] = [];
  if (log !== null) for await (const { data } of demultiplex(log)) parts.push(data);
  return Buffer.concat(parts);
}

async function isRunning(container: Container): Promise<boolean> {
  try {
    return (await container.inspect()).State.Running;
  } catch (error) {
    if (isStatus(error, 404)) return false;
    throw error;
  }
}

/** As a stream in all cases: dockerode holds the whole of a log that is not followed in memory. Null: no container. */
function open(container: Container, which: { follow: boolean; tail?: number }): Promise<Readable | null> {
  return new Promise((resolve, reject) => {
    const request = {
      path: `/containers/${container.id}/logs?`,
      method: 'GET',
      isStream: true,
      statusCodes: { 200: true, 404: 'no such container', 500: 'server error' },
      options: { ...which, stdout: true, stderr: true },
    };
    container.modem.dial(request, (error: unknown, log: Readable) => {
      if (error === null) resolve(log);
      // 409: it is being removed.
      else if (isStatus(error, 404) || isStatus(error, 409)) resolve(null);
      else reject(error);
    });
  });
}
