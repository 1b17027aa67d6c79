/** What a model request asks for, as far as the gateway must know it; the body itself is passed on byte for byte. */

import type { ModelApi } from '../types.ts';
import { readAnthropic } from './anthropic-request.ts';
import { readOpenAi } from './openai-request.ts';
import { Refusal } from './refusal.ts';
import { JsonFault, type JsonObject, parseStrictJson } from './strict-json.ts';

export type Route = 'messages' | 'count-tokens' | 'responses';

export interface ModelRequest {
  /** All that may answer it, the one that is asked for first. */
  readonly models: readonly string[];
  readonly stream: boolean;
  /** Zero where nothing is generated. */
  readonly maxOutput: number;
  /** The most that the body can come to. */
  readonly inputTokens: number;
  /** Whether it may make cache entries that live for an hour. */
  readonly hourCache: boolean;
}

interface RouteRule {
  readonly route: Route;
  readonly api: ModelApi;
}

const ROUTES: Readonly<Record<string, RouteRule>> = {
  '/v1/messages': { route: 'messages', api: 'anthropic' },
  '/v1/messages/count_tokens': { route: 'count-tokens', api: 'anthropic' },
  '/v1/responses': { route: 'responses', api: 'openai' },
};

/** @param target path and query as the client wrote them; the answer's `path` is what is asked of the service @throws Refusal */
export function routeOf(method: string, target: string): RouteRule & { readonly path: string } {
  const [path = '', ...queries] = target.split('?');
  const rule = Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined;
  const query = queries.join('?');
  if (rule === undefined) throw new Refusal(404, 'path-not-allowed', 'there is no such path here');
  if (method !== 'POST') throw new Refusal(403, 'path-not-allowed', `${path} takes POST only`);
  if (query !== '' && query !== 'beta=true') throw new Refusal(403, 'path-not-allowed', 'this query is not allowed');
  return { ...rule, path: query === '' ? path : `${path}?${query}` };
}

/** The API that a path belongs to, for the shape of errors; null where it is none of them. */
export function apiOf(target: string): ModelApi | null {
  const [path = ''] = target.split('?', 1);
  return Object.hasOwn(ROUTES, path) ? (ROUTES[path]?.api ?? null) : null;
}

/** @param betas what the client lists in its header `anthropic-beta` @throws Refusal */
export function readModelRequest(route: Route, body: Buffer, betas: string): ModelRequest {
  const json = parse(body);
  return route === 'responses' ? readOpenAi(json, body.length) : readAnthropic(route, json, { body, betas });
}

function parse(body: Buffer): JsonObject {
  try {
    const json = parseStrictJson(body);
    // Some servers take `Model` for `model`: then two of them would be one key twice.
    const odd = Object.keys(json).find((key) => !/^[a-z0-9_]+$/.test(key));
    if (odd !== undefined) throw new JsonFault(`there is no field ${JSON.stringify(odd).slice(0, 60)}`);
    return json;
  } catch (error) {
    if (error instanceof JsonFault) throw new Refusal(400, 'bad-request', error.message);
    throw error;
  }
}
