/** One model request and its answer: held while the service wants us to wait, metered as it passes, settled at its end. */

import type { IncomingMessage } from 'node:http';
import type { ModelApi, Price } from '../types.ts';
import type { Attempt } from './attempts.ts';
import type { OverBudget, Reservation } from './budget.ts';
import type { Gateway } from './gateway.ts';
import type { Turn } from './lanes.ts';
import { Meter } from './meter.ts';
import { chunksOf, errorBodyOf, passedHeaders } from './model-answer.ts';
import type { ModelRequest } from './model-request.ts';
import { type Cost, costOf, NO_TOKENS, type Tokens } from './price.ts';
import { Refusal, refusalEvent } from './refusal.ts';
import { NoRelay } from './relay.ts';
import { isObject } from './strict-json.ts';
import type { UpstreamClient } from './upstream.ts';
import { statedWait } from './waits.ts';

/** Where the answer goes. */
export interface Sink {
  head(status: number, headers: Readonly<Record<string, string>>): void;
  /** Resolves when more may be written, or whoever asked is gone. */
  write(chunk: Buffer): Promise<void>;
}

/** A request that passed the rules. */
export interface Passing {
  readonly attempt: Attempt;
  readonly api: ModelApi;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly request: ModelRequest;
  readonly upstream: UpstreamClient;
  readonly price: Price | null;
  /** Null where nothing is generated: then nothing is counted either. */
  readonly reservation: Reservation | null;
  /** Fires when the attempt is over or whoever asked is gone. */
  readonly signal: AbortSignal;
}

/** An answer that carries no generated text. */
interface Failed {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const LIMITED = new Set([429, 529]);
const KEY_REFUSED = new Set([401, 403]);
/** Codes of 429 that no waiting cures: the account has no money for this. */
const OUT_OF_CREDIT = new Set(['insufficient_quota', 'billing_hard_limit_reached', 'billing_error']);

export class Exchange {
  readonly #gateway: Gateway;
  readonly #passing: Passing;
  #isSent = false;
  #meter: Meter | null = null;

  constructor(gateway: Gateway, passing: Passing) {
    this.#gateway = gateway;
    this.#passing = passing;
  }

  /** Resolves when the answer was given in full. @throws Refusal before its head; anything else: it was cut */
  async run(sink: Sink): Promise<void> {
    try {
      const answer = await this.#ask();
      if ('body' in answer) {
        sink.head(answer.status, answer.headers);
        await sink.write(answer.body);
      } else await this.#pass(answer, sink);
    } finally {
      this.#settle();
    }
  }

  async #ask(): Promise<IncomingMessage | Failed> {
    const { api, signal } = this.#passing;
    const lane = this.#gateway.lanes[api];
    const ticket = { since: Date.now() };
    for (;;) {
      const turn = await lane.enter(ticket, signal);
      const answer = await this.#send(turn);
      const status = answer.statusCode ?? 0;
      const stated = statedWait(answer.headers, Date.now());
      if (!LIMITED.has(status) && !(status === 503 && stated !== null)) {
        turn.passed();
        return status < 300 ? checked(answer) : this.#failed(answer, await errorBodyOf(answer));
      }
      const body = await errorBodyOf(answer);
      // The service can say that its limit is none that waiting helps against.
      const isHopeless =
        OUT_OF_CREDIT.has(errorKindIn(body)) || (answer.headers['x-should-retry'] === 'false' && stated === null);
      if (isHopeless) turn.passed();
      if (isHopeless || !turn.limited(status, stated)) return this.#failed(answer, body);
      this.#isSent = false;
    }
  }

  async #send(turn: Turn): Promise<IncomingMessage> {
    const { api, path, headers, body, signal } = this.#passing;
    // Whoever waited in the lane may find another one there, with another key.
    const upstream = this.#gateway.upstream(api) ?? this.#passing.upstream;
    try {
      return await upstream.ask({
        path,
        headers,
        body,
        signal,
        onSent: () => {
          this.#isSent = true;
        },
      });
    } catch (error) {
      turn.unknown();
      if (signal.aborted) throw error;
      this.#isSent = false;
      const isAway = error instanceof Error && error.cause instanceof NoRelay;
      throw isAway
        ? new Refusal(503, 'upstream-unreachable', 'the coordinator, which makes the connections, is away')
        : new Refusal(502, 'upstream-unreachable', `the ${api} service cannot be reached`);
    }
  }

  /** @throws Refusal where it is not the client's business what the service says */
  #failed(answer: IncomingMessage, body: Buffer): Failed {
    const { api } = this.#passing;
    const status = answer.statusCode ?? 502;
    const kind = errorKindIn(body);
    if (KEY_REFUSED.has(status) || OUT_OF_CREDIT.has(kind)) {
      const message = `the ${api} service refuses the key with ${status}${kind === '' ? '' : ` (${kind})`}`;
      this.#gateway.keyRefused(api, status, message);
      throw new Refusal(403, 'key-refused', message);
    }
    if (status < 400) throw new Refusal(502, 'upstream-answer', `the ${api} service answers with ${status}`);
    return { status, headers: passedHeaders(answer.headers), body: this.#gateway.redactor.bytes(body) };
  }

  async #pass(answer: IncomingMessage, sink: Sink): Promise<void> {
    const { api, reservation, price, signal, attempt } = this.#passing;
    const meter = new Meter(api, (answer.headers['content-type'] ?? '').startsWith('text/event-stream'));
    this.#meter = meter;
    const cut = (): void => void answer.destroy(new Error('whoever asked is gone'));
    signal.addEventListener('abort', cut, { once: true });
    try {
      signal.throwIfAborted();
      sink.head(answer.statusCode ?? 200, passedHeaders(answer.headers));
      for await (const chunk of chunksOf(answer)) {
        meter.push(chunk);
        await sink.write(chunk);
        signal.throwIfAborted();
        const passed = meter.isFinal ? null : (reservation?.progress(costOf(meter.soFar(), price)) ?? null);
        if (passed === null) continue;
        const refusal = overBudget(this.#gateway, attempt, passed);
        if (!meter.atBoundary) throw refusal;
        await sink.write(refusalEvent(api, refusal));
        return;
      }
    } finally {
      signal.removeEventListener('abort', cut);
      answer.destroy();
    }
  }

  #settle(): void {
    const { attempt, price, reservation } = this.#passing;
    if (reservation === null) return;
    const used = this.#used();
    const cost = costOf(used ?? NO_TOKENS, price);
    reservation.settle(cost);
    if (used !== null) this.#count(used, cost);
    this.#gateway.unsettled(attempt);
  }

  #count(used: Tokens, cost: Cost): void {
    const { attempt, api, request } = this.#passing;
    attempt.count(used, cost);
    const { input: inputTokens, output: outputTokens, cacheRead: cacheReadTokens, cacheWrite: cacheWriteTokens } = used;
    const usage = { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, usd: cost.usd };
    const [model = ''] = request.models;
    this.#gateway.events.emit({ type: 'usage', attempt: attempt.id, api, model, usage, total: attempt.usage });
  }

  /** Null: nothing. */
  #used(): Tokens | null {
    const { inputTokens, maxOutput, stream } = this.#passing.request;
    if (this.#meter !== null) return this.#meter.total({ inputTokens, maxOutput });
    // Going away before the answer begins does not make the work undone: what is not known is taken to be its most.
    if (!this.#isSent || !this.#passing.signal.aborted) return null;
    return { ...NO_TOKENS, input: inputTokens, output: stream ? 0 : maxOutput };
  }
}

/** Says it aloud, each cap once; the answer is what the client gets. */
export function overBudget(gateway: Gateway, attempt: Attempt, { scope, unit }: OverBudget): Refusal {
  if (attempt.passes(`${scope} ${unit}`)) {
    gateway.events.emit({ type: 'over-budget', attempt: attempt.id, scope, unit });
  }
  return new Refusal(403, 'over-budget', `the ${scope}'s budget in ${unit} does not allow more`);
}

/** The meter must be able to read it. */
function checked(answer: IncomingMessage): IncomingMessage {
  const encoding = answer.headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity') return answer;
  answer.destroy();
  throw new Refusal(502, 'upstream-answer', 'the model service answers in an encoding that it was not asked for');
}

/** The code or type of an error's body, a word; empty where there is none. Nothing else of it is told: it may quote the key. */
function errorKindIn(body: Buffer): string {
  try {
    const json: unknown = JSON.parse(body.toString('utf8'));
    const error = isObject(json) && isObject(json.error) ? json.error : {};
    const kind = error.code ?? error.type;
    return typeof kind === 'string' && /^[a-z_]{1,60}$/.test(kind) ? kind : '';
  } catch {
    return '';
  }
}
