/**
 * The way of one model request: rules, budget, lane, service, meter. Agents' requests and those that are thought up on the
 * coordinator go the same way.
 */

import type { Price } from '../types.ts';
import type { Attempt } from './attempts.ts';
import { OverBudget, type Reservation } from './budget.ts';
import { Exchange, overBudget, type Sink } from './exchange.ts';
import type { Gateway } from './gateway.ts';
import { LIMITS } from './limits.ts';
import { askedHeaders } from './model-answer.ts';
import { type ModelRequest, readModelRequest, routeOf } from './model-request.ts';
import { type Cost, dearestOf, worstCost } from './price.ts';
import { Refusal } from './refusal.ts';

export interface Asked {
  readonly attempt: Attempt;
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<Buffer>;
  /** Fires when whoever asked is gone. */
  readonly signal: AbortSignal;
}

/** What the audit will say. */
interface Line {
  host: string;
  status: number;
  reason: Refusal['code'] | null;
  /** Into the sandbox. */
  bytesIn: number;
  bytesOut: number;
}

/** Output that a request must be able to pay for at least, or it is not worth its input. */
const LEAST_OUTPUT = 1_000;
/** What the attempt may not do; all else that ends a request has an event of its own, or passes. */
const DENIALS: ReadonlySet<Refusal['code']> = new Set([
  ...(['path-not-allowed', 'api-not-allowed', 'model-not-allowed'] as const),
  ...(['feature-not-allowed', 'too-large', 'unknown-price'] as const),
]);

let heldInAll = 0;

/** Resolves when the answer was given in full. @throws Refusal before its head; anything else: it was cut */
export async function serveModel(gateway: Gateway, asked: Asked, sink: Sink): Promise<void> {
  const begun = Date.now();
  const line: Line = { host: '-', status: 0, reason: null, bytesIn: 0, bytesOut: 0 };
  try {
    await pass(
      gateway,
      asked,
      audited(sink, line, () => gateway.traffic(asked.attempt)),
      line,
    );
  } catch (error) {
    const isOver = asked.attempt.revoked.signal.aborted && line.status === 0;
    const reason = isOver ? new Refusal(401, 'revoked-token', 'the attempt is over') : error;
    if (reason instanceof Refusal) {
      line.status = reason.status;
      line.reason = reason.code;
      if (DENIALS.has(reason.code)) {
        gateway.denied(asked.attempt, { host: line.host, reason: reason.code, allowWith: null });
      }
    }
    throw reason;
  } finally {
    const [path = ''] = asked.target.split('?', 1);
    const { method, attempt } = asked;
    gateway.events.emit({
      type: 'audit',
      attempt: attempt.id,
      method,
      path: path.slice(0, 200),
      ...line,
      ms: Date.now() - begun,
    });
  }
}

function audited(sink: Sink, line: Line, onTraffic: () => void): Sink {
  return {
    head: (status, headers) => {
      line.status = status;
      sink.head(status, headers);
    },
    write: (chunk) => {
      line.bytesIn += chunk.length;
      onTraffic();
      return sink.write(chunk);
    },
  };
}

async function pass(gateway: Gateway, asked: Asked, sink: Sink, line: Line): Promise<void> {
  const { attempt } = asked;
  const { api, route, path } = routeOf(asked.method, asked.target);
  if (!attempt.access.apis.includes(api)) throw new Refusal(403, 'api-not-allowed', `${api} is not for this agent`);
  const upstream = gateway.upstream(api);
  if (upstream === null) throw new Refusal(503, 'not-configured', `no ${api} service is configured`);
  line.host = upstream.host;
  const body = await readBody(asked);
  try {
    line.bytesOut = body.length;
    const request = readModelRequest(route, body, asked.headers['anthropic-beta'] ?? '');
    const price = allowedPrice(gateway, attempt, request);
    const signal = AbortSignal.any([asked.signal, attempt.revoked.signal]);
    const reservation = route === 'count-tokens' ? null : await reserve(gateway, attempt, { request, price, signal });
    const headers = askedHeaders(asked.headers, upstream.upstream.betas ?? []);
    const passing = { attempt, api, path, headers, body, request, upstream, price, reservation, signal };
    await new Exchange(gateway, passing).run(sink);
  } finally {
    attempt.heldBytes -= body.length;
    heldInAll -= body.length;
  }
}

/** Counts as held from here on. */
async function readBody({ attempt, body }: Asked): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      bytes += chunk.length;
      attempt.heldBytes += chunk.length;
      heldInAll += chunk.length;
      if (bytes > LIMITS.bodyBytes) throw new Refusal(413, 'too-large', 'the body is too large');
      if (attempt.heldBytes > LIMITS.bodyBytesPerAttempt || heldInAll > LIMITS.bodyBytesInAll) {
        throw new Refusal(503, 'too-many', 'too many large requests at one time');
      }
      chunks.push(chunk);
    }
  } catch (error) {
    attempt.heldBytes -= bytes;
    heldInAll -= bytes;
    throw error;
  }
  return Buffer.concat(chunks);
}

function allowedPrice(gateway: Gateway, attempt: Attempt, { models }: ModelRequest): Price | null {
  const { models: allowed } = attempt.access;
  const stranger = models.find((model) => allowed !== null && !allowed.includes(model));
  if (stranger !== undefined) throw new Refusal(403, 'model-not-allowed', 'this agent may not ask for that model');
  const price = dearestOf(models.map((model) => gateway.priceOf(model)));
  if (price === null && gateway.budget.capsDollars(attempt.account)) {
    throw new Refusal(403, 'unknown-price', 'the budget is in dollars and the price of the model is not known');
  }
  return price;
}

async function reserve(
  gateway: Gateway,
  attempt: Attempt,
  wanted: { readonly request: ModelRequest; readonly price: Price | null; readonly signal: AbortSignal },
): Promise<Reservation> {
  const { request, price, signal } = wanted;
  const { inputTokens, maxOutput, hourCache, stream } = request;
  const cost = (output: number): Cost => worstCost({ input: inputTokens, output, hour: hourCache }, price);
  const least = stream ? cost(Math.min(maxOutput, LEAST_OUTPUT)) : null;
  try {
    const reservation = await gateway.budget.reserve(attempt.account, { worst: cost(maxOutput), least }, signal);
    gateway.unsettled(attempt);
    return reservation;
  } catch (error) {
    if (error instanceof OverBudget) throw overBudget(gateway, attempt, error);
    throw error;
  }
}
