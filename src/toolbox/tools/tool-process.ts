/**
 * The process that does what tools do, seen from process 1: it runs as the agent does, below a sub-reaper and with the
 * agent's environment, so that nothing a tool reads or loads can reach what process 1 knows. Started again when it is gone.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { Duplex } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { Caller } from '../../session/caller.ts';
import type { ToolAnswer, ToolCall } from '../toolbox.ts';

/** What a tool may take beyond its own time-out to end what it started and say so. */
const WIND_UP_MS = 10_000;
/** Processes that were killed are still being taken away: the next one may not find room at once. */
const START_TRIES = 5;
const TRY_AGAIN_MS = 200;

export interface ToolProcessOptions {
  /** Sub-reaper, runtime, program. */
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** It ended, and with it whatever kept the agent's other processes together. */
  onLost(): void;
}

interface Running {
  readonly child: ChildProcess;
  readonly caller: Caller;
  /** Why it is no more. */
  readonly gone: Promise<string>;
}

export class ToolProcess {
  readonly #options: ToolProcessOptions;
  #running: Running | null = null;
  #starting: Promise<Running | string> | null = null;
  /** Resolves when the last one is gone, with all that it kept together. */
  #cleared: Promise<unknown> = Promise.resolve();

  constructor(options: ToolProcessOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#running?.child.pid;
  }

  /** Never rejects: what goes wrong is told as an answer. */
  async run({ n, tool, input, timeoutMs }: ToolCall): Promise<ToolAnswer> {
    const running = await this.start();
    if (typeof running === 'string') return { text: `the tools could not be started: ${running}`, isError: true };
    const timer = new AbortController();
    try {
      const answer = running.caller.call(tool, { n, input, timeoutMs }).result.catch((error: Error) => error);
      const late = wait(timeoutMs + WIND_UP_MS, 'late' as const, { signal: timer.signal });
      late.catch(() => {});
      const ended = await Promise.race([answer, running.gone, late]);
      if (ended === 'late') {
        this.#drop(running);
        return lost('they did not answer in time');
      }
      if (typeof ended === 'string') return lost(ended);
      if (ended instanceof Error) {
        if (running.caller.isClosed) {
          this.#drop(running);
          return lost(await running.gone);
        }
        return { text: `the tool failed: ${ended.message}`, isError: true };
      }
      return { text: String(ended.text), isError: ended.isError === true };
    } finally {
      timer.abort();
    }
  }

  /** Makes sure that it runs; the reason where it cannot. */
  start(): Promise<Running | string> {
    if (this.#running !== null) return Promise.resolve(this.#running);
    this.#starting ??= this.#tryStart().finally(() => {
      this.#starting = null;
    });
    return this.#starting;
  }

  async #tryStart(): Promise<Running | string> {
    await this.#cleared;
    let reason = '';
    for (let tries = 0; tries < START_TRIES; tries += 1) {
      const started = await this.#spawn();
      if (typeof started !== 'string') return started;
      reason = started;
      await wait(TRY_AGAIN_MS);
    }
    return reason;
  }

  async #spawn(): Promise<Running | string> {
    const { argv, env, cwd } = this.#options;
    const [program, ...args] = argv;
    let child: ChildProcess;
    try {
      child = spawn(program, args, { cwd, env: { ...env }, stdio: ['pipe', 'pipe', 'inherit'] });
    } catch (error) {
      // What the system seldom refuses for, such as memory, is thrown.
      return String(error);
    }
    const failed = await new Promise<string | null>((resolve) => {
      child.once('spawn', () => resolve(null));
      child.once('error', (error) => resolve(error.message));
    });
    if (failed !== null) return failed;
    const duplex = Duplex.from({ readable: child.stdout, writable: child.stdin });
    // A pipe may report more than one error; the session ends with the first.
    duplex.on('error', () => {});
    child.on('error', () => {});
    const gone = new Promise<string>((resolve) => {
      child.once('exit', (code, signal) => {
        if (this.#running?.child === child) this.#drop(this.#running);
        this.#options.onLost();
        resolve(signal === null ? `they ended with exit code ${code}` : `they were ended by ${signal}`);
      });
    });
    this.#cleared = gone;
    const running = { child, caller: new Caller(duplex), gone };
    // It may have ended before we looked.
    if (child.exitCode === null && child.signalCode === null) this.#running = running;
    return running;
  }

  #drop(running: Running): void {
    if (this.#running === running) this.#running = null;
    running.caller.close();
    running.child.kill('SIGKILL');
  }
}

function lost(why: string): ToolAnswer {
  return {
    text:
      `the tools of this sandbox had to be started again: ${why}. Whether the call was done is not known. ` +
      'Files are as they were left; the shell is a new one, and all processes were ended',
    isError: true,
  };
}
