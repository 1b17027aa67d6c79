/** Checks in sandboxes of their own: made like an agent's, without any way out, and thrown away with all that is written. */

import { appendFile, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { PLAIN_ENVIRONMENT } from '../engine/command.ts';
import type { SandboxHost } from '../sandbox/sandbox.ts';
import { insist, isEngineGone } from '../sandbox/trouble.ts';
import type { CheckRecord } from '../state/records.ts';
import { isShortage, type Supervised, supervise } from '../tasks/supervise.ts';
import { followOutput } from '../tasks/transcript.ts';
import type { Watermarks } from '../tasks/watermarks.ts';
import type { AttemptId, Limits, TaskId } from '../types.ts';
import { checkLogName } from './check-logs.ts';
import type { CheckedTree, Checker } from './checker.ts';
import { Room } from './room.ts';

/** Exit code of a check that was ended for its time, as of `timeout`; and for its disk, as of what is killed. */
const TIMED_OUT = 124;
const KILLED = 137;
const ROOM = { least: 2, most: 4 } as const;

/** A host, and who watches over its room. */
export interface CheckPlace {
  readonly host: SandboxHost;
  readonly watermarks: Watermarks;
}

export interface CheckerOptions {
  /** Where the next check runs; another one where the last is gone for good. */
  place(): CheckPlace;
  /** Of each check. */
  readonly limits: Limits;
  /** Of each check, milliseconds; its sandbox ends itself then, even without us. */
  readonly timeoutMs: number;
  /** The state's folder, below which the output is kept. */
  readonly stateDir: string;
  /** Makes ids that are this checker's alone (those of containers and of logs) of ones that are unique within it. */
  containerName(id: string): string;
  /** Unlike that of any other checker, ever: the id of the run, or of the guest. */
  readonly run: string;
  /** How many at once; not given: half the processors, at least 2 and at most 4. */
  readonly parallel?: number | undefined;
}

export function createChecker(options: CheckerOptions): Checker {
  return new SandboxedChecks(options);
}

/** How a command ended once. */
interface Try {
  readonly exitCode: number;
  readonly durationMs: number;
  /** Name of its output within the state's folder. */
  readonly log: string;
  /** Why it has failed, as what follows "the check"; null: it has not. */
  readonly problem: string | null;
}

interface PlacedCheck extends CheckPlace {
  readonly on: CheckedTree;
  readonly command: string;
}

class SandboxedChecks implements Checker {
  readonly #options: CheckerOptions;
  readonly #room: Room;
  #count = 0;

  constructor(options: CheckerOptions) {
    this.#options = options;
    this.#room = new Room(options.parallel ?? roomHere());
  }

  async check(on: CheckedTree, commands: readonly string[], signal: AbortSignal): Promise<readonly CheckRecord[]> {
    signal.throwIfAborted();
    if (commands.length === 0) return [];
    await orAborted(this.#options.place().host.prepareTree(on), signal);
    const failed = new AbortController();
    const ending = AbortSignal.any([signal, failed.signal]);
    // All have ended, and are removed, before anything is said.
    const settled = await Promise.allSettled(
      commands.map((command) =>
        this.#record(on, command, ending).catch((error) => {
          failed.abort(error);
          throw error;
        }),
      ),
    );
    signal.throwIfAborted();
    failed.signal.throwIfAborted();
    return settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  }

  async #record(on: CheckedTree, command: string, signal: AbortSignal): Promise<CheckRecord> {
    const first = await this.#inTurn(on, command, signal);
    if (first.problem === null) return this.#recordOf(on, command, first);
    const second = await this.#inTurn(on, command, signal);
    const isFlaky = second.problem === null;
    // What says most is kept: how a flaky one failed, and how any other did in the end.
    const [kept, other] = isFlaky ? [first, second] : [second, first];
    await this.#removeLog(other.log);
    const more = isFlaky ? 'and passed when it was run once more' : 'when it was run once more as well';
    await this.#say(kept.log, `the check ${kept.problem}, ${more}`);
    return { ...this.#recordOf(on, command, second), isFlaky, log: kept.log };
  }

  #recordOf({ tree }: CheckedTree, command: string, { exitCode, durationMs, log }: Try): CheckRecord {
    return { command, exitCode, durationMs, tree, isFlaky: false, log };
  }

  #inTurn(on: CheckedTree, command: string, signal: AbortSignal): Promise<Try> {
    return this.#room.use(() => insist(() => this.#somewhere(on, command, signal)), signal);
  }

  /** Elsewhere, where the host was given up meanwhile. */
  async #somewhere(on: CheckedTree, command: string, signal: AbortSignal): Promise<Try> {
    const place = this.#options.place();
    try {
      return await this.#try({ ...place, on, command }, signal);
    } catch (error) {
      if (!isEngineGone(error) || this.#options.place().host === place.host) throw error;
      return this.#somewhere(on, command, signal);
    }
  }

  async #try({ host, watermarks, on, command }: PlacedCheck, signal: AbortSignal): Promise<Try> {
    const { limits, timeoutMs, containerName, run, stateDir } = this.#options;
    await host.prepareTree(on);
    this.#count += 1;
    const id = `check-${on.name}-${this.#count}`;
    const attempt = id as AttemptId;
    const log = checkLogName(`${on.name}-${this.#count}-${run.toLowerCase()}`);
    const created = await host.create({
      kind: 'check',
      ...{ attempt, task: 'check' as TaskId, containerName: containerName(id), tree: on.tree, commit: on.commit },
      ...{
        argv: ['/bin/sh', '-c', command],
        env: PLAIN_ENVIRONMENT,
        homeFiles: [],
        oneStream: true,
        limits,
        timeoutMs,
      },
      ...{ hasGateway: false, toolboxToken: null },
    });
    // Nothing of it is wanted then: it gets no time to end by itself.
    const onAbort = (): void => void created.discard().catch(() => {});
    signal.addEventListener('abort', onAbort, { once: true });
    let output = Promise.resolve();
    try {
      signal.throwIfAborted();
      const running = await created.start();
      const began = performance.now();
      output = followOutput(join(stateDir, log), running, () => {});
      // Awaited below; a failure meanwhile must not count as unhandled.
      output.catch(() => {});
      const supervised = await supervise(running, {
        ...{ attempt, leftMs: timeoutMs, diskBytes: limits.diskBytes, watermarks, signal },
        ...{ idle: null, ties: null, isDisposable: true },
      });
      const durationMs = Math.round(performance.now() - began);
      await output;
      signal.throwIfAborted();
      const { ended, stopped } = supervised;
      if (stopped === null && ended.cutOff !== null) throw ended.cutOff;
      return { ...this.#outcomeOf(supervised), durationMs, log };
    } finally {
      signal.removeEventListener('abort', onAbort);
      // Begun by the abort already: the engine may refuse to do it twice at once.
      await created.discard().catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
      await output.catch(() => {});
      if (signal.aborted) await this.#removeLog(log);
    }
  }

  /** What we ended has failed, whatever it made of that. */
  #outcomeOf({ ended, stopped }: Supervised): Pick<Try, 'exitCode' | 'problem'> {
    const { limits, timeoutMs } = this.#options;
    const { exitCode } = ended;
    if (stopped?.why === 'timeout') {
      return { exitCode: TIMED_OUT, problem: `ended after its time-out of ${timeoutMs / 1000} s (--timeout)` };
    }
    if (stopped !== null && isShortage(stopped)) return { exitCode: exitCode || KILLED, problem: stopped.reason };
    if (ended.outOfMemory) {
      const problem = `ran out of memory, its limit is ${limits.memoryBytes / 1024 ** 2} MiB (--memory)`;
      return { exitCode, problem };
    }
    return { exitCode, problem: exitCode === 0 ? null : `ended with exit code ${exitCode}` };
  }

  async #say(log: string, what: string): Promise<void> {
    await appendFile(join(this.#options.stateDir, log), `orchestrate: ${what}\n`, { mode: 0o600 });
  }

  async #removeLog(log: string): Promise<void> {
    await rm(join(this.#options.stateDir, log), { force: true });
  }
}

/** What was begun goes on where the signal comes first. */
function orAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(signal.reason);
    signal.addEventListener('abort', giveUp, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
  });
}

function roomHere(): number {
  return Math.min(ROOM.most, Math.max(ROOM.least, Math.floor(availableParallelism() / 2)));
}
