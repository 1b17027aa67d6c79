/**
 * Works one task: asks the model, has its calls done, asks again. Every answer of the model is saved before anything is done
 * with it, so that whoever goes on from the file makes the same calls with the same numbers, which the toolbox does once.
 *
 * The SDK's runner sends, streams, runs tools and compacts. Its server-side threads are not used: the whole conversation
 * stays here, where it can be saved, and passes the gateway as a whole.
 */

import { setTimeout as wait } from 'node:timers/promises';
import Anthropic, { AnthropicError } from '@anthropic-ai/sdk';
import type { BetaToolRunner, BetaToolRunnerParams } from '@anthropic-ai/sdk/lib/tools/BetaToolRunner';
import type { BetaMessage, BetaMessageParam } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import type { AttemptId } from '../../types.ts';
import type { Assignment, Drive, EngineVerdict } from '../engine.ts';
import { priceOf } from '../prices.ts';
import type { ApiOptions } from './api-engine.ts';
import { goneOnWith } from './goes-on.ts';
import { CUT_OFF, firstMessage, NUDGE, SUMMARISE, systemPrompt } from './prompt.ts';
import { refusalFor } from './role-tools.ts';
import { type Conversation, load, newConversation, save } from './saved.ts';
import type { StaggeredStart, Start } from './staggered-start.ts';
import { numberCalls, Tools } from './tools.ts';
import { contextTokens, withAnswer } from './usage.ts';
import { failed, isPassing, refusal, verdictOf } from './verdicts.ts';

/** The gateway holds requests while the service limits us, for hours if need be, and has time-outs of its own. */
const REQUEST_TIMEOUT_MS = 24 * 3_600_000;
const MAX_RETRIES = 2;
/** Requests in a row that broke off; each waits twice as long as the one before. */
const MAX_TROUBLES = 8;
const MAX_CUT_OFF = 3;
/** Of the runner's compaction. */
const COMPACTION_BETA = 'compact-2026-09-04';
const COMPACTION = { type: 'summarize', instructions: SUMMARISE } as const;

type Runner = BetaToolRunner<true>;
type Next = { readonly verdict: EngineVerdict } | { readonly messages: readonly BetaMessageParam[] };

export class ConversationLoop {
  readonly #options: ApiOptions;
  readonly #work: Drive;
  readonly #client: Anthropic;
  readonly #tools: Tools;
  readonly #start: StaggeredStart;
  #conversation: Conversation;
  /** What was to be asked with the request that broke off; null where that is not worked out yet. */
  #next: readonly BetaMessageParam[] | null = null;
  #troubles = 0;

  private constructor(
    options: ApiOptions,
    assignment: Assignment,
    { work, start, conversation }: { work: Drive; start: StaggeredStart; conversation: Conversation },
  ) {
    this.#options = options;
    this.#work = work;
    this.#start = start;
    this.#conversation = conversation;
    const attempt = `${assignment.task}.${assignment.attempt}` as AttemptId;
    const refusalOf = refusalFor(assignment);
    this.#tools = new Tools({ work, notes: options.notes, timeoutMs: options.toolTimeoutMs, attempt, refusalOf });
    this.#client = new Anthropic({
      // The gateway puts the key in and knows where the service is.
      apiKey: 'placeholder',
      baseURL: 'http://gateway.invalid',
      fetch: work.fetch,
      maxRetries: MAX_RETRIES,
      timeout: REQUEST_TIMEOUT_MS,
      logLevel: 'off',
    });
  }

  /** Of a new attempt, which may go on with the conversation of an earlier one, or of one whose coordinator was killed. */
  static async open(
    options: ApiOptions,
    assignment: Assignment,
    { work, start }: { readonly work: Drive; readonly start: StaggeredStart },
  ): Promise<ConversationLoop> {
    const conversation =
      (await load(work.folder)) ??
      (await goneOnWith(work.earlierFolder ?? null, assignment, options.model)) ??
      newConversation(options.model, [firstMessage(assignment)]);
    return new ConversationLoop(options, assignment, { work, start, conversation });
  }

  /** @throws what the toolbox or the disk failed with; what the model or its service did is in the verdict */
  async run(): Promise<EngineVerdict> {
    if (this.#conversation.turns > 0) this.#work.emit({ type: 'usage', usage: this.#conversation.usage });
    for (;;) {
      try {
        return await this.#ask();
      } catch (error) {
        if (this.#work.signal.aborted) return failed('it was stopped');
        // The sandbox or the disk failed, which nothing here can mend.
        if (!(error instanceof AnthropicError)) throw error;
        if (!isPassing(error) || this.#troubles >= MAX_TROUBLES) return verdictOf(error);
        this.#troubles += 1;
        const { signal } = this.#work;
        await wait(this.#options.retryMs * 2 ** (this.#troubles - 1), undefined, { signal }).catch(() => {});
      }
    }
  }

  /** Until a verdict, or until a request breaks off. */
  async #ask(): Promise<EngineVerdict> {
    const runner = this.#runner();
    if (this.#next === null && this.#conversation.stop !== null) {
      const next = await this.#after(runner, null);
      if ('verdict' in next) return next.verdict;
      this.#next = next.messages;
    }
    if (this.#next !== null) setMessages(runner, this.#next);
    const { turns, tokens = 0 } = this.#conversation;
    // It goes on with one that had become long when it ended.
    if (turns === 0 && tokens > this.#options.compactAtTokens) runner.compactBeforeNextTurn(COMPACTION);
    const start = turns === 0 ? await this.#start.enter(this.#work.signal) : null;
    try {
      for await (const stream of runner) {
        this.#tell(stream, start);
        const message = await stream.finalMessage();
        this.#troubles = 0;
        this.#count(message);
        // The runner puts it in the place of what it sums up, before the next request.
        if (message.content.some(({ type }) => type === 'compaction')) continue;
        await this.#keep(runner.params.messages, message);
        if (contextTokens(message.usage) > this.#options.compactAtTokens) runner.compactBeforeNextTurn(COMPACTION);
        const next = await this.#after(runner, message);
        if ('verdict' in next) return next.verdict;
        this.#next = next.messages;
        setMessages(runner, next.messages);
      }
    } finally {
      start?.over();
    }
    throw new Error('the conversation ended without an end');
  }

  #runner(): Runner {
    const { model, maxTokens, effort, thinking, guidance } = this.#options;
    const params: BetaToolRunnerParams = {
      model,
      max_tokens: maxTokens,
      system: systemPrompt(guidance),
      tools: [...this.#tools.list],
      messages: [...this.#conversation.messages],
      // The other mark, behind tools and system, is the last block of the conversation so far.
      cache_control: { type: 'ephemeral' },
      betas: [COMPACTION_BETA],
      thread: false,
      ...(effort === null ? {} : { output_config: { effort } }),
      ...(thinking === null ? {} : { thinking: { type: thinking } }),
    };
    return this.#client.beta.messages.toolRunner({ ...params, stream: true }, { signal: this.#work.signal });
  }

  #tell(stream: { on: StreamListener }, start: Start | null): void {
    let isInLine = false;
    const emit = (text: string) => this.#work.emit({ type: 'text', stream: 'stdout', text });
    stream.on('streamEvent', (event) => {
      start?.begun();
      if (event.type === 'content_block_stop' && isInLine) emit('\n');
      if (event.type === 'content_block_stop') isInLine = false;
    });
    stream.on('text', (text) => {
      isInLine = true;
      emit(text);
    });
  }

  #count(message: BetaMessage): void {
    const usage = withAnswer(this.#conversation.usage, message.usage, priceOf(this.#options.model));
    this.#conversation = { ...this.#conversation, usage };
    this.#work.emit({ type: 'usage', usage });
  }

  /** The answer is on the disk before anything is done about it; what was done about the ones before can be forgotten then. */
  async #keep(sent: readonly BetaMessageParam[], message: BetaMessage): Promise<void> {
    const { nextCall, turns } = this.#conversation;
    const calls = message.stop_reason === 'tool_use' ? numberCalls(message.content, nextCall) : {};
    this.#conversation = {
      ...this.#conversation,
      messages: [...sent, { role: 'assistant', content: message.content }],
      stop: message.stop_reason ?? 'end_turn',
      calls,
      nextCall: nextCall + Object.keys(calls).length,
      turns: turns + 1,
      tokens: contextTokens(message.usage),
    };
    this.#next = null;
    await save(this.#work.folder, this.#conversation);
    if (nextCall > 1) await this.#work.toolbox.acknowledge(nextCall - 1);
  }

  /** What follows the last answer: its tools' results, a word from us, or the end. */
  async #after(runner: Runner, message: BetaMessage | null): Promise<Next> {
    const { messages, stop, turns, summary } = this.#conversation;
    if (summary !== null) return this.#done(summary);
    const isLast = turns >= this.#options.maxTurns;
    const tooLong = { verdict: failed(`it was not done after ${turns} turns`) };
    switch (stop) {
      case 'tool_use':
        return (await this.#results(runner)) ?? tooLong;
      case 'pause_turn':
        return isLast ? tooLong : { messages };
      case 'refusal':
        return { verdict: message === null ? failed('the model refused the task') : refusal(message) };
      case 'max_tokens':
      case 'model_context_window_exceeded':
        return isLast ? tooLong : this.#cutOff(runner);
      default:
        return isLast ? tooLong : this.#idle();
    }
  }

  /** Null where there may be no further turn. */
  async #results(runner: Runner): Promise<Next | null> {
    const { messages, calls, turns } = this.#conversation;
    this.#tools.begin(calls);
    const results = await runner.generateToolResponse();
    this.#work.signal.throwIfAborted();
    if (this.#tools.fault !== null) throw this.#tools.fault;
    if (this.#tools.summary !== null) return this.#done(this.#tools.summary);
    this.#conversation = { ...this.#conversation, idle: 0, cutOff: 0 };
    if (turns >= this.#options.maxTurns) return null;
    return { messages: results === null ? messages : [...messages, results] };
  }

  /** Without a call: told once, and taken at its word then. */
  async #idle(): Promise<Next> {
    const { messages, idle } = this.#conversation;
    const said = textOf(messages.at(-1));
    if (idle > 0) return this.#done(said);
    this.#conversation = { ...this.#conversation, idle: idle + 1 };
    const spoken: BetaMessageParam[] = said === '' ? messages.slice(0, -1) : [...messages];
    return { messages: [...spoken, { role: 'user', content: NUDGE }] };
  }

  async #cutOff(runner: Runner): Promise<Next> {
    const { messages, stop, cutOff } = this.#conversation;
    if (cutOff >= MAX_CUT_OFF) {
      return { verdict: failed(`${cutOff + 1} answers of the model in a row were cut off (${stop})`) };
    }
    if (stop === 'model_context_window_exceeded') runner.compactBeforeNextTurn(COMPACTION);
    this.#conversation = { ...this.#conversation, cutOff: cutOff + 1 };
    // Half a call and half a thought would be refused.
    const said = textOf(messages.at(-1)) || '[cut off]';
    const whole: BetaMessageParam = { role: 'assistant', content: said };
    return { messages: [...messages.slice(0, -1), whole, { role: 'user', content: CUT_OFF }] };
  }

  async #done(summary: string): Promise<Next> {
    if (this.#conversation.summary === null) {
      this.#conversation = { ...this.#conversation, summary };
      await save(this.#work.folder, this.#conversation);
    }
    await this.#work.toolbox.finish();
    return { verdict: { done: true, summary: summary === '' ? null : summary } };
  }
}

interface StreamListener {
  (event: 'streamEvent', listener: (event: { readonly type: string }) => void): unknown;
  (event: 'text', listener: (text: string) => void): unknown;
}

function setMessages(runner: Runner, messages: readonly BetaMessageParam[]): void {
  runner.setMessagesParams((params) => ({ ...params, messages: [...messages] }));
}

function textOf(message: BetaMessageParam | undefined): string {
  if (message?.content === undefined) return '';
  if (typeof message.content === 'string') return message.content;
  return message.content
    .flatMap((block) => (block.type === 'text' ? [block.text] : []))
    .join('\n')
    .trim();
}
