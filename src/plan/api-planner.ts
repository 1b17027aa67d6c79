/** Plans with Claude through the API, asked from this process and without tools. Loads the SDK: to be imported when it is wanted. */

import { setTimeout as wait } from 'node:timers/promises';
import Anthropic, { AnthropicError, APIError } from '@anthropic-ai/sdk';
import type { BetaMessageStream } from '@anthropic-ai/sdk/lib/BetaMessageStream';
import type {
  BetaMessage,
  BetaMessageParam,
  MessageCreateParamsBase,
} from '@anthropic-ai/sdk/resources/beta/messages/messages';
import { withAnswer } from '../engine/api/usage.ts';
import { refusal, saidBy, verdictOf } from '../engine/api/verdicts.ts';
import type { EngineVerdict } from '../engine/engine.ts';
import { priceOf } from '../engine/prices.ts';
import { keyRefused } from '../engine/upstreams.ts';
import { environmentError, failure, OrchestrateError } from '../errors.ts';
import { worstCost } from '../gateway/price.ts';
import { inputTokensOf } from '../gateway/request-rules.ts';
import { sanitiseLine } from '../sanitise.ts';
import { type Caps, type Effort, NO_USAGE, tokensOf, type Usage } from '../types.ts';
import type { Answer } from './answers.ts';
import { type Mind, modelPlanner, type Question } from './model-planner.ts';
import type { Planner } from './planner.ts';
import { repairText } from './prompts.ts';

export interface ApiPlannerOptions {
  readonly model: string;
  /** How much the model puts into an answer; null: its own default. */
  readonly effort: Effort | null;
  /** Of all planning together. */
  readonly caps: Caps;
  /** To the model service, which it gives the key. */
  readonly fetch: typeof globalThis.fetch;
  /** Tokens of one answer, thoughts included. */
  readonly maxTokens?: number;
  /** How often a request is made again where the service is busy or cannot be reached. */
  readonly maxRetries?: number;
  /** Milliseconds before one whose answer broke off is made again; doubled each time. */
  readonly retryMs?: number;
}

/** About a hundred tasks. */
const MAX_TOKENS = 32_000;
const REQUEST_TIMEOUT_MS = 20 * 60_000;
/** The SDK's, half a second before the first, up to eight before the last. */
const MAX_RETRIES = 4;
/** Answers in a row that broke off. */
const MAX_TROUBLES = 2;
const RETRY_MS = 1_000;
/** Of an answer that cannot be used, the model sees so many characters again. */
const MAX_ECHO = 30_000;
const MAX_SAID = 500;

export function apiPlanner(options: ApiPlannerOptions): Planner {
  return modelPlanner(new ApiMind(options));
}

class ApiMind implements Mind {
  readonly name = 'api';
  readonly canLook = false;
  readonly #options: ApiPlannerOptions;
  readonly #client: Anthropic;
  #used: Usage = NO_USAGE;

  constructor(options: ApiPlannerOptions) {
    this.#options = options;
    this.#client = new Anthropic({
      // The fetch knows where the service is and puts the key in.
      apiKey: 'placeholder',
      baseURL: 'http://model.invalid',
      fetch: options.fetch,
      maxRetries: options.maxRetries ?? MAX_RETRIES,
      timeout: REQUEST_TIMEOUT_MS,
      logLevel: 'off',
    });
  }

  get used(): Usage {
    return this.#used;
  }

  async ask(question: Question, signal: AbortSignal): Promise<Answer> {
    const request = this.#request(question);
    for (let troubles = 0; ; troubles += 1) {
      signal.throwIfAborted();
      this.#checkBudget(request);
      const sent = new Sent(this.#client.beta.messages.stream(request, { signal }));
      try {
        return answerOf(await sent.message());
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof AnthropicError)) throw error;
        if (!sent.isBegun || troubles >= MAX_TROUBLES) throw asOurs(error);
        await wait((this.#options.retryMs ?? RETRY_MS) * 2 ** troubles, undefined, { signal }).catch(() => {});
      } finally {
        // What broke off has been paid for as well.
        this.#count(sent.last);
      }
    }
  }

  #request({ system, ground, request, schema, repair }: Question): MessageCreateParamsBase {
    const cached = { type: 'ephemeral' } as const;
    const asked: BetaMessageParam = {
      role: 'user',
      content: [
        { type: 'text', text: ground, cache_control: cached },
        { type: 'text', text: request },
      ],
    };
    const { model, effort, maxTokens = MAX_TOKENS } = this.#options;
    return {
      model,
      max_tokens: maxTokens,
      system: [{ type: 'text', text: system, cache_control: cached }],
      messages: [asked, ...(repair === null ? [] : repairTurns(repair))],
      output_config: {
        format: { type: 'json_schema', schema: { ...schema } },
        ...(effort === null ? {} : { effort }),
      },
    };
  }

  #count(message: BetaMessage | null): void {
    if (message !== null) this.#used = withAnswer(this.#used, message.usage, priceOf(this.#options.model));
  }

  /** As the gateway does: the most that a request can cost must be left before it is made. */
  #checkBudget(request: MessageCreateParamsBase): void {
    const { caps, model } = this.#options;
    const input = inputTokensOf(Buffer.byteLength(JSON.stringify(request)), []);
    const most = worstCost({ input, output: request.max_tokens, hour: false }, priceOf(model));
    const isOver = (cap: number | null, spent: number, more: number | null): boolean =>
      cap !== null && (more === null || spent + more > cap);
    const unit = isOver(caps.usd, this.#used.usd ?? 0, most.usd)
      ? 'usd'
      : isOver(caps.tokens, tokensOf(this.#used), most.tokens)
        ? 'tokens'
        : null;
    if (unit === null) return;
    const needs = unit === 'usd' ? `$${(most.usd ?? 0).toFixed(2)}` : `${most.tokens} tokens`;
    throw new OrchestrateError('limit', 'OVER_BUDGET', `asking for a plan may cost ${needs}, and less is left`, {
      hint: `raise --budget-${unit}, or plan without a model: --engine demo`,
    });
  }
}

/** One request, and what came of it so far. */
class Sent {
  readonly #stream: BetaMessageStream;
  /** As far as it was told; null: nothing was. */
  last: BetaMessage | null = null;

  constructor(stream: BetaMessageStream) {
    this.#stream = stream;
    stream.on('streamEvent', (_event, snapshot) => {
      this.last = snapshot;
    });
  }

  /** The service has begun to answer. */
  get isBegun(): boolean {
    return this.#stream.response?.ok === true;
  }

  message(): Promise<BetaMessage> {
    return this.#stream.finalMessage();
  }
}

function repairTurns({ answer, problems }: NonNullable<Question['repair']>): BetaMessageParam[] {
  const shown = answer.length <= MAX_ECHO ? answer : `${answer.slice(0, MAX_ECHO)}…`;
  return [
    { role: 'assistant', content: shown.trim() === '' ? '(no answer)' : shown.trimEnd() },
    { role: 'user', content: repairText(problems) },
  ];
}

function answerOf(message: BetaMessage): Answer {
  if (message.stop_reason === 'refusal') throw refusedBy(refusal(message));
  const text = message.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
  const isCut = message.stop_reason === 'max_tokens' || message.stop_reason === 'model_context_window_exceeded';
  return { text, isCut };
}

function refusedBy(verdict: EngineVerdict): OrchestrateError {
  return failure('PLAN_REFUSED', `there is no plan: ${reasonOf(verdict)}`, { hint: 'put the goal into other words' });
}

/** Whether the service gave an answer of its own; the SDK has asked again where that could help. */
function isAnswered(error: AnthropicError): error is AnthropicError & APIError {
  return error instanceof APIError && typeof error.status === 'number';
}

function asOurs(error: AnthropicError): OrchestrateError {
  const reason = reasonOf(verdictOf(error));
  if (!isAnswered(error)) {
    return environmentError('UPSTREAM_UNREACHABLE', `there is no plan: ${reason}`, {
      hint: 'check the network, and the base URL if you set one',
      cause: error,
    });
  }
  const status = Number(error.status);
  if (status === 401 || status === 403)
    return keyRefused('anthropic', status, sanitiseLine(saidBy(error)).slice(0, MAX_SAID));
  const isBusy = status === 429 || status >= 500;
  return environmentError(isBusy ? 'MODEL_BUSY' : 'MODEL_REFUSED', `there is no plan: ${reason}`, {
    hint: isBusy ? 'try again later, or plan without a model: --engine demo' : 'check --model and --effort',
    cause: error,
  });
}

function reasonOf(verdict: EngineVerdict): string {
  return verdict.done ? '' : sanitiseLine(verdict.reason).slice(0, MAX_SAID);
}
