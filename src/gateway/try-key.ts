/** Asks a model service for its list of models: free of charge, and refused where the key is. */

import type { ModelApi } from '../types.ts';
import type { Gateway } from './gateway.ts';
import { errorBodyOf } from './model-answer.ts';
import type { KeyTrial } from './protocol.ts';

const TRIAL_MS = 30_000;
const SAID_MOST = 300;
/** The oldest version that the list has; any newer one gives it too. */
const HEADERS: Readonly<Record<ModelApi, Readonly<Record<string, string>>>> = {
  anthropic: { 'anthropic-version': '2023-06-01' },
  openai: {},
};

export async function tryKey(gateway: Gateway, api: ModelApi, signal: AbortSignal): Promise<KeyTrial> {
  const upstream = gateway.upstream(api);
  if (upstream === null) return { status: null, message: 'the service is not configured' };
  const either = AbortSignal.any([signal, AbortSignal.timeout(TRIAL_MS)]);
  try {
    const answer = await upstream.ask({
      method: 'GET',
      path: '/v1/models',
      headers: { accept: 'application/json', ...HEADERS[api] },
      body: Buffer.alloc(0),
      signal: either,
      onSent: () => {},
    });
    const status = answer.statusCode ?? 0;
    if (status < 400) {
      answer.destroy();
      return { status, message: '' };
    }
    return { status, message: said(gateway, await errorBodyOf(answer)) };
  } catch (error) {
    return { status: null, message: gateway.redactor.text(error instanceof Error ? error.message : String(error)) };
  }
}

/** The sentence in an error's body, wherever the service puts it. */
function said(gateway: Gateway, body: Buffer): string {
  const text = gateway.redactor.text(body.toString('utf8'));
  const sentence = /"message"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(text)?.[1] ?? text;
  return sentence.replace(/\s+/g, ' ').slice(0, SAID_MOST);
}
