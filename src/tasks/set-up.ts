/** The set-up before the first attempt: taken over from an earlier run, or run to its end under the eyes of a person. */

import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { environmentError } from '../errors.ts';
import { nameSome } from '../git/bytes.ts';
import type { Repository } from '../git/repository.ts';
import type { BaseTree, SandboxHost, SetUpEgress, SetUpSpec } from '../sandbox/sandbox.ts';
import { insist } from '../sandbox/trouble.ts';
import type { Limits, ObjectId } from '../types.ts';
import { setUpInputs } from './set-up-inputs.ts';
import { isShortage, type Supervised, supervise } from './supervise.ts';
import { followOutput } from './transcript.ts';
import type { Watermarks } from './watermarks.ts';

/** Of a failed set-up's output, told with the failure. */
const LAST_LINES = 10;
/** A longer line is cut. */
const LONGEST_LINE = 500;
const LONGEST_COMMAND = 100;

export interface WantedSetUp {
  readonly command: string;
  /** Globs of files that it depends on, besides lock files and those that the command names. */
  readonly inputs: readonly string[];
}

export interface SetUpContext {
  readonly repository: Repository;
  readonly host: SandboxHost;
  readonly watermarks: Watermarks;
  /** What it is made on, and what agents start from unless they stand on results of others. */
  readonly base: Pick<BaseTree, 'tree' | 'commit'>;
  readonly bounds: { readonly limits: Limits; readonly timeoutMs: number };
  /** Aborted when nothing is to be started any more. */
  readonly signal: AbortSignal;
  /** Name of the file in the state's folder that has its whole output. Not given: `setup.log`. */
  readonly logName?: string;
  /** Opens the way out of a set-up that has to be made, until it is disposed of; null: no network at all. */
  openEgress(): Promise<(SetUpEgress & AsyncDisposable) | null>;
  /** One line for people, as it happens. */
  onProgress(line: string): void;
  onWarning(line: string): void;
}

/** One set-up serves a whole run. */
export class RunSetUp {
  readonly #wanted: WantedSetUp;
  readonly #context: SetUpContext;
  #inputs: Promise<string> | null = null;

  constructor(wanted: WantedSetUp, context: SetUpContext) {
    this.#wanted = wanted;
    this.#context = context;
  }

  /**
   * Has the host start sandboxes from what the set-up makes, which is made again where somebody deletes it meanwhile. When
   * it is cut short by the signal, nothing is kept.
   * Rejects with environment SETUP_FAILED, the last lines of its output in the message.
   */
  async make(): Promise<void> {
    const { host, base, bounds } = this.#context;
    const { tree, commit } = base;
    const { limits, timeoutMs } = bounds;
    const inputs = await this.#inputsOfBase();
    await host.prepareTree({ tree, commit, near: null });
    const spec = { command: this.#wanted.command, inputs, tree, commit, limits, timeoutMs };
    const made = (): Promise<void> => insist(() => setUp(this.#context, spec));
    await made();
    host.onSetUpLost(made);
  }

  /** Whether a set-up on this tree would be the same. */
  async isOf(tree: ObjectId): Promise<boolean> {
    if (tree === this.#context.base.tree) return true;
    return (await setUpInputs(this.#context.repository, tree, this.#wanted)) === (await this.#inputsOfBase());
  }

  #inputsOfBase(): Promise<string> {
    this.#inputs ??= setUpInputs(this.#context.repository, this.#context.base.tree, this.#wanted);
    return this.#inputs;
  }
}

type Spec = Omit<SetUpSpec, 'egress'>;

async function setUp(context: SetUpContext, spec: Spec): Promise<void> {
  const { host, onProgress } = context;
  const began = performance.now();
  if (await host.reuseSetUp(spec)) {
    onProgress(`set-up: nothing it depends on has changed, the earlier result is used: ${shortened(spec.command)}`);
    return;
  }
  if (context.signal.aborted) return;
  onProgress(`set-up: ${shortened(spec.command)}`);
  await using egress = await context.openEgress();
  const created = await host.createSetUp({ ...spec, egress });
  const log = join(context.repository.stateDir, context.logName ?? 'setup.log');
  const lines = new Lines(onProgress);
  try {
    const running = await created.start();
    const output = followOutput(log, running, ({ data }) => lines.write(data));
    output.catch(() => {});
    const supervised = await supervise(running, {
      ...{ attempt: created.attempt, leftMs: spec.timeoutMs, diskBytes: spec.limits.diskBytes },
      ...{ watermarks: context.watermarks, signal: context.signal, idle: null, ties: null },
    });
    await output;
    lines.end();
    if (isCutShort(supervised)) return;
    if (supervised.stopped === null && supervised.ended.cutOff !== null) throw supervised.ended.cutOff;
    const problem = problemOf(supervised, spec);
    if (problem !== null) {
      throw environmentError('SETUP_FAILED', [`the set-up ${problem}`, ...lines.last].join('\n'), {
        hint: `no agent was started; the whole output is in ${log}`,
      });
    }
    const { restored } = await created.keep();
    if (restored.count > 0) {
      const names = nameSome([...restored.paths, ...Array<string>(restored.count - restored.paths.length)]);
      context.onWarning(`the set-up changed tracked files, which agents see as they are committed: ${names}`);
    }
    onProgress(`set-up: done in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  } finally {
    await created.discard();
  }
}

/** A command may be a whole script. */
function shortened(command: string): string {
  const [first = '', ...more] = command.trim().split('\n');
  return more.length === 0 && first.length <= LONGEST_COMMAND ? first : `${first.slice(0, LONGEST_COMMAND)} …`;
}

function isCutShort({ stopped }: Supervised): boolean {
  return stopped?.why === 'interrupted' || stopped?.why === 'killed';
}

function problemOf({ ended, stopped }: Supervised, { timeoutMs, limits }: Spec): string | null {
  if (stopped?.why === 'timeout') return `was not done after ${timeoutMs / 1000} s (--timeout)`;
  if (stopped !== null && isShortage(stopped)) return stopped.reason;
  if (ended.outOfMemory) return `ran out of memory, its limit is ${limits.memoryBytes / 1024 ** 2} MiB (--memory)`;
  return ended.exitCode === 0 ? null : `ended with exit code ${ended.exitCode}`;
}

/** Output as lines for people: each told when it is whole, the last ones kept. */
class Lines {
  readonly last: string[] = [];
  readonly #tell: (line: string) => void;
  readonly #decoder = new StringDecoder('utf8');
  #unfinished = '';

  constructor(tell: (line: string) => void) {
    this.#tell = tell;
  }

  write(data: Buffer): void {
    const parts = (this.#unfinished + this.#decoder.write(data)).split(/[\r\n]+/);
    this.#unfinished = (parts.pop() ?? '').slice(-LONGEST_LINE);
    for (const line of parts) this.#add(line);
  }

  end(): void {
    this.#add(this.#unfinished);
    this.#unfinished = '';
  }

  #add(line: string): void {
    if (line.trim() === '') return;
    const shown = line.slice(0, LONGEST_LINE);
    this.last.push(shown);
    if (this.last.length > LAST_LINES) this.last.shift();
    this.#tell(`set-up | ${shown}`);
  }
}
