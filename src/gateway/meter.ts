/** Reads what a request used out of its answer while that passes by. The service's own figures count; a cut one is estimated. */

import type { ModelApi } from '../types.ts';
import { LIMITS } from './limits.ts';
import { NO_TOKENS, type Tokens } from './price.ts';
import { EventReader } from './sse.ts';
import { isObject, type JsonObject } from './strict-json.ts';

/** Text of an answer that makes a token, on the low side: what was cut counts at least so much. */
const CHARACTERS_PER_TOKEN = 4;

/** What is taken to be used where an answer does not tell. */
export interface Assumed {
  readonly inputTokens: number;
  readonly maxOutput: number;
}

export class Meter {
  readonly #api: ModelApi;
  readonly #events: EventReader | null;
  readonly #body: Buffer[] = [];
  #bodyBytes = 0;
  #known: Tokens | null = null;
  /** Of work that the service's own total leaves out. */
  #beside = NO_TOKENS;
  #characters = 0;
  #isFinal = false;

  /** @param isStream whether the answer is server-sent events; else one JSON document */
  constructor(api: ModelApi, isStream: boolean) {
    this.#api = api;
    this.#events = isStream ? new EventReader() : null;
  }

  push(chunk: Buffer): void {
    if (this.#events !== null) {
      for (const data of this.#events.push(chunk)) this.#event(data);
      return;
    }
    this.#bodyBytes += chunk.length;
    if (this.#bodyBytes <= LIMITS.meteredBytes) this.#body.push(chunk);
  }

  /** Whether something may be said to the client after what has passed. */
  get atBoundary(): boolean {
    return this.#events?.atBoundary ?? false;
  }

  /** Whether the service has told all: nothing more is used. */
  get isFinal(): boolean {
    return this.#isFinal;
  }

  soFar(): Tokens {
    const known = this.#known ?? NO_TOKENS;
    const seen = this.#isFinal ? 0 : Math.ceil(this.#characters / CHARACTERS_PER_TOKEN);
    return sumOf({ ...known, output: Math.max(known.output, seen) }, this.#beside);
  }

  /** To be called when nothing more comes. An answer without a stream that was cut may have been made in full. */
  total(assumed: Assumed): Tokens {
    if (this.#events === null) this.#document();
    if (this.#isFinal) return this.soFar();
    const { output } = this.soFar();
    const made = this.#events === null ? assumed.maxOutput : output;
    return this.#known === null ? { ...NO_TOKENS, input: assumed.inputTokens, output: made } : this.soFar();
  }

  #document(): void {
    const whole = parsed(Buffer.concat(this.#body).toString('utf8'));
    const usage = whole?.usage;
    if (!isObject(usage)) return;
    if (this.#api === 'anthropic') this.#tellAnthropic(usage);
    else this.#known = openAiTokens(usage);
    this.#isFinal = true;
  }

  #event(data: string): void {
    const event = parsed(data);
    if (event === null) return;
    if (this.#api === 'anthropic') this.#anthropic(event);
    else this.#openAi(event);
  }

  /** `message_start` tells the input, each `message_delta` all that was used until then. */
  #anthropic(event: JsonObject): void {
    const usage = event.type === 'message_start' && isObject(event.message) ? event.message.usage : event.usage;
    if (isObject(usage)) this.#tellAnthropic(usage);
    if (event.type === 'message_stop' && this.#known !== null) this.#isFinal = true;
    const { delta } = event;
    if (event.type !== 'content_block_delta' || !isObject(delta)) return;
    for (const part of [delta.text, delta.partial_json, delta.thinking]) this.#count(part);
  }

  #tellAnthropic(usage: JsonObject): void {
    this.#known = anthropicTokens(usage, this.#known ?? NO_TOKENS);
    if (!Array.isArray(usage.iterations)) return;
    const beside = usage.iterations.filter(isBesideTheTotal);
    this.#beside = beside.map((iteration) => anthropicTokens(iteration, NO_TOKENS)).reduce(sumOf, NO_TOKENS);
  }

  /** The last event (`response.completed`, `.incomplete` or `.failed`) carries the response with its usage. */
  #openAi(event: JsonObject): void {
    const { type, response, delta } = event;
    if (isObject(response) && isObject(response.usage)) {
      this.#known = openAiTokens(response.usage);
      this.#isFinal = type === 'response.completed' || type === 'response.incomplete' || type === 'response.failed';
    }
    this.#count(delta);
  }

  #count(text: unknown): void {
    if (typeof text === 'string') this.#characters += text.length;
  }
}

function parsed(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function numberOr(value: unknown, before: number): number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : before;
}

/** Fields that are left out stay what they were. */
function anthropicTokens(usage: JsonObject, before: Tokens): Tokens {
  const creation = isObject(usage.cache_creation) ? usage.cache_creation : {};
  const cacheWrite = numberOr(usage.cache_creation_input_tokens, before.cacheWrite);
  return {
    input: numberOr(usage.input_tokens, before.input),
    output: numberOr(usage.output_tokens, before.output),
    cacheRead: numberOr(usage.cache_read_input_tokens, before.cacheRead),
    cacheWrite,
    cacheWriteHour: Math.min(numberOr(creation.ephemeral_1h_input_tokens, before.cacheWriteHour), cacheWrite),
  };
}

/** Work of the service that its top-level figures leave out: compaction of the conversation, an adviser's answers. */
function isBesideTheTotal(iteration: unknown): iteration is JsonObject {
  return isObject(iteration) && (iteration.type === 'compaction' || iteration.type === 'advisor_message');
}

function sumOf(a: Tokens, b: Tokens): Tokens {
  return {
    input: a.input + b.input,
    output: a.output + b.output,
    cacheRead: a.cacheRead + b.cacheRead,
    cacheWrite: a.cacheWrite + b.cacheWrite,
    cacheWriteHour: a.cacheWriteHour + b.cacheWriteHour,
  };
}

/** What was read from the cache is a part of `input_tokens`. */
function openAiTokens(usage: JsonObject): Tokens {
  const details = isObject(usage.input_tokens_details) ? usage.input_tokens_details : {};
  const input = numberOr(usage.input_tokens, 0);
  const cacheRead = Math.min(numberOr(details.cached_tokens, 0), input);
  return { ...NO_TOKENS, input: input - cacheRead, cacheRead, output: numberOr(usage.output_tokens, 0) };
}
