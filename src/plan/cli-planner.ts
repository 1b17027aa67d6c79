/**
 * Plans with the `claude` or `codex` program: each question is asked of it in a sandbox of its own, with the repository to look
 * at and not to write, the model through a gateway, and nothing kept but the answer.
 */

import type { QuestionSession } from '../engine/cli.ts';
import type { Access, Assignment } from '../engine/engine.ts';
import { failure, OrchestrateError } from '../errors.ts';
import type { BaseTree, RunningSandbox, SandboxHost, SandboxSpec } from '../sandbox/sandbox.ts';
import { sanitiseLine } from '../sanitise.ts';
import { type GatewayOptions, openRunGateway, type RunGateway } from '../tasks/gateway.ts';
import { Watermarks } from '../tasks/watermarks.ts';
import { type AttemptId, type Limits, NO_USAGE, type TaskId, tokensOf, type Usage } from '../types.ts';
import type { Answer } from './answers.ts';
import { type Mind, modelPlanner, type Question } from './model-planner.ts';
import type { Planner } from './planner.ts';
import { repairText } from './prompts.ts';

/** Where one question is asked. Disposing removes all of it. */
export interface Place extends AsyncDisposable {
  readonly host: SandboxHost;
  /** Stands for the task that there is not; no task and no other question has this id. */
  readonly task: TaskId;
  readonly containerName: string;
  /** What the program may look at. */
  readonly start: BaseTree;
}

export interface CliPlannerOptions {
  readonly program: 'claude' | 'codex';
  /** Starts it with `system` as its role's prompt. */
  begin(question: {
    readonly system: string;
    readonly assignment: Assignment;
    readonly access: Access;
    readonly schema: Question['schema'];
  }): QuestionSession;
  openPlace(): Promise<Place>;
  readonly gateway: GatewayOptions;
  readonly limits: Limits;
  /** Milliseconds for one answer. */
  readonly timeoutMs: number;
  /** One line for people: what it waits for. */
  onProgress(line: string): void;
  onWarning(line: string): void;
}

const ROLE = 'planner';
const TITLE = 'Make a plan';
/** Of an answer that cannot be used, the program sees so many characters again. */
const MAX_ECHO = 30_000;

export function cliPlanner(options: CliPlannerOptions): Planner {
  return modelPlanner(new CliMind(options));
}

class CliMind implements Mind {
  readonly canLook = true;
  readonly #options: CliPlannerOptions;
  #used: Usage = NO_USAGE;

  constructor(options: CliPlannerOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.program;
  }

  get used(): Usage {
    return this.#used;
  }

  async ask(question: Question, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    await using place = await this.#options.openPlace();
    signal.throwIfAborted();
    await using gateway = await openRunGateway(place.host, this.#gatewayOptions());
    const end = new Ending(signal, this.#options);
    gateway.listen(end);
    await place.host.prepareTree(place.start);
    const text = await this.#askIn(place, { gateway, question, end });
    return { text, isCut: false };
  }

  async #askIn(place: Place, at: { gateway: RunGateway; question: Question; end: Ending }): Promise<string> {
    const { gateway, question, end } = at;
    const { host, task, containerName, start } = place;
    const attempt = `${task}.1` as AttemptId;
    const access = await gateway.admit(attempt, end);
    try {
      const session = this.#options.begin({
        system: question.system,
        assignment: { task, attempt: 1, role: ROLE, title: TITLE, description: promptOf(question) },
        access,
        schema: question.schema,
      });
      const spec: SandboxSpec = {
        ...{ attempt, task, containerName, tree: start.tree, commit: start.commit },
        ...session.program,
        ...{ limits: this.#options.limits, timeoutMs: this.#options.timeoutMs },
        ...{ isReadOnly: true, hasGateway: true, toolboxToken: null },
      };
      const created = await host.create(spec);
      let unwatch = (): void => {};
      try {
        const running = await created.start();
        unwatch = new Watermarks(() => host.resources()).watch(attempt, {
          limitBytes: spec.limits.diskBytes,
          memoryBytes: () => running.memoryBytes(),
          onShort: ({ reason }) => end.onShort(reason),
        });
        return await this.#answerOf(running, session, end);
      } finally {
        unwatch();
        await created.discard();
      }
    } finally {
      this.#count((await gateway.release(attempt)).usage);
    }
  }

  async #answerOf(running: RunningSandbox, session: QuestionSession, end: Ending): Promise<string> {
    const { program, timeoutMs } = this.#options;
    using _stopping = end.stops(running, timeoutMs);
    for await (const chunk of running.output()) session.read(chunk);
    const { exitCode, outOfMemory, cutOff } = await running.ended();
    end.throwIfEnded();
    if (cutOff !== null) throw cutOff;
    const verdict = session.verdict(exitCode);
    if (verdict.done) return session.answer();
    const why = outOfMemory ? `${program} ran out of memory (--memory)` : sanitiseLine(verdict.reason);
    throw failure('PLAN_REFUSED', `there is no plan: ${why}`, {
      hint: 'try again, or plan without a model: --engine demo',
    });
  }

  #count(usage: Usage): void {
    const sum = (field: Exclude<keyof Usage, 'usd'>): number => this.#used[field] + usage[field];
    this.#used = {
      inputTokens: sum('inputTokens'),
      outputTokens: sum('outputTokens'),
      cacheReadTokens: sum('cacheReadTokens'),
      cacheWriteTokens: sum('cacheWriteTokens'),
      usd: usage.usd === null ? this.#used.usd : (this.#used.usd ?? 0) + usage.usd,
    };
  }

  /** Each question has a gateway of its own: what the ones before cost counts against the budget as well. */
  #gatewayOptions(): GatewayOptions {
    const { gateway } = this.#options;
    const spent = { usd: this.#used.usd ?? 0, tokens: tokensOf(this.#used) };
    return { ...gateway, configuration: { ...gateway.configuration, spent } };
  }
}

function promptOf({ ground, request, repair }: Question): string {
  if (repair === null) return `${ground}\n\n${request}`;
  const { answer, problems } = repair;
  return `${ground}\n\n${request}\n\nYou have answered before:\n${answer.slice(0, MAX_ECHO)}\n\n${repairText(problems)}`;
}

/** What may end a question before the program does: the person, the clock, the budget, a key that is refused. */
class Ending {
  readonly #signal: AbortSignal;
  readonly #parts: Pick<CliPlannerOptions, 'program' | 'onProgress' | 'onWarning'>;
  readonly #ended = new AbortController();

  constructor(signal: AbortSignal, parts: Pick<CliPlannerOptions, 'program' | 'onProgress' | 'onWarning'>) {
    this.#signal = signal;
    this.#parts = parts;
  }

  /** @throws why it was ended */
  throwIfEnded(): void {
    this.#signal.throwIfAborted();
    this.#ended.signal.throwIfAborted();
  }

  /** Kills the sandbox when it is time: there is nothing in it to save. */
  stops(running: RunningSandbox, timeoutMs: number): Disposable {
    const either = AbortSignal.any([this.#signal, this.#ended.signal]);
    // Waiting for the end reports an engine in trouble.
    const kill = (): void => void running.kill().catch(() => {});
    const minutes = Math.round(timeoutMs / 60_000);
    const late = `${this.#parts.program} had no plan after ${minutes} minutes (--timeout)`;
    const timer = setTimeout(() => this.#ended.abort(failure('PLAN_REFUSED', late)), timeoutMs);
    either.addEventListener('abort', kill, { once: true });
    if (either.aborted) kill();
    return {
      [Symbol.dispose]: () => {
        clearTimeout(timer);
        either.removeEventListener('abort', kill);
      },
    };
  }

  onActive(): void {}
  onUsage(): void {}
  onResume(): void {}

  onDenied(host: string, reason: string): void {
    this.#parts.onWarning(`the planner was refused to reach ${host} (${reason})`);
  }

  onBudget(reason: string): void {
    this.#ended.abort(new OrchestrateError('limit', 'OVER_BUDGET', `there is no plan: ${reason}`));
  }

  onRunBudget(reason: string): void {
    this.onBudget(reason);
  }

  onPause(reason: string): void {
    this.#parts.onProgress(reason);
  }

  onShort(reason: string): void {
    this.#ended.abort(failure('PLAN_REFUSED', `there is no plan: ${reason}`));
  }

  onUnusable(error: OrchestrateError): void {
    this.#ended.abort(error);
  }

  onWarning(message: string): void {
    this.#parts.onWarning(message);
  }
}
