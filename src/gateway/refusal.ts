/** What the gateway itself answers when it does not pass a request on, in the shape that the API's clients understand. */

import type { ModelApi } from '../types.ts';
import type { DenialCode } from './protocol.ts';

/** A request ends here; `message` is for the agent and never holds a secret. */
export class Refusal extends Error {
  override readonly name = 'Refusal';

  constructor(
    readonly status: number,
    readonly code: DenialCode,
    message: string,
  ) {
    super(message);
  }
}

const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  529: 'overloaded_error',
};

/** Clients try again on 408, 409, 429 and 5xx; what cannot change by itself says so as well. */
const WORTH_RETRYING = new Set([408, 409, 429, 500, 502, 503, 504, 529]);

export function refusalHeaders(refusal: Refusal): Record<string, string> {
  return {
    'content-type': 'application/json',
    'x-orchestrate-reason': refusal.code,
    'x-should-retry': String(WORTH_RETRYING.has(refusal.status)),
  };
}

export function refusalBody(api: ModelApi | null, refusal: Refusal): Buffer {
  return Buffer.from(JSON.stringify(errorOf(api, refusal)));
}

/** The same as the last event of a stream. */
export function refusalEvent(api: ModelApi, refusal: Refusal): Buffer {
  const error = errorOf(api, refusal);
  const data = api === 'openai' ? { type: 'error', ...error } : error;
  return Buffer.from(`event: error\ndata: ${JSON.stringify(data)}\n\n`);
}

function errorOf(api: ModelApi | null, { status, code, message }: Refusal): Readonly<Record<string, unknown>> {
  const text = `orchestrate gateway: ${message} [${code}]`;
  const type = ANTHROPIC_TYPES[status] ?? 'api_error';
  if (api === 'openai') return { error: { message: text, type, code, param: null } };
  return { type: 'error', error: { type, message: text } };
}
