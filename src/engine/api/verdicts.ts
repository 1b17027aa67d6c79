/** What went wrong between us and the model, as a sentence for the person who reads the report. */

import { APIError } from '@anthropic-ai/sdk';
import type { BetaMessage } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import type { EngineVerdict } from '../engine.ts';

/** A code of the gateway, in the answers that are its own. */
const REASON_HEADER = 'x-orchestrate-reason';

/** By the gateway's reason codes, which say more than a status. */
const REASONS: Readonly<Record<string, string>> = {
  'over-budget': 'the budget is used up',
  'revoked-token': 'the attempt was ended',
  'bad-token': 'the gateway does not know this attempt',
  'model-not-allowed': 'the model is not one that this run may ask',
  'unknown-price': 'the price of the model is not known, so the budget could not be kept',
  'upstream-unreachable': 'the model service cannot be reached',
  'not-configured': 'the gateway has no model service to ask',
};

export const failed = (reason: string): EngineVerdict => ({ done: false, reason });

/** Whether the same request may succeed a little later. */
export function isPassing(error: Error): boolean {
  const status: unknown = error instanceof APIError ? error.status : undefined;
  // No answer, or one that broke off.
  if (typeof status !== 'number') return true;
  return status === 408 || status === 409 || status === 429 || status >= 500;
}

export function verdictOf(error: Error): EngineVerdict {
  if (!(error instanceof APIError) || typeof error.status !== 'number') {
    return failed(`the model service does not answer: ${error.message}`);
  }
  const reason = error.headers?.get(REASON_HEADER) ?? '';
  const known = Object.hasOwn(REASONS, reason) ? REASONS[reason] : undefined;
  if (known !== undefined) return failed(known);
  const said = saidBy(error);
  switch (error.status) {
    case 401:
      return failed(`the model service refuses the key: ${said}`);
    case 403:
      return failed(`the request is not allowed${reason === '' ? '' : ` (${reason})`}: ${said}`);
    case 404:
      return failed(`the model service does not know the model: ${said}`);
    case 413:
      return failed('the conversation has become too long for the model service');
    case 429:
      return failed(`the model service limits us: ${said}`);
    default:
      return failed(
        error.status < 500
          ? `the model service refuses the request (${error.status}): ${said}`
          : `the model service is in trouble (${error.status}): ${said}`,
      );
  }
}

export function refusal({ stop_details: details }: BetaMessage): EngineVerdict {
  const category = details?.category;
  const explanation = details?.explanation;
  const why = [category, explanation].filter((one) => typeof one === 'string' && one !== '').join(': ');
  return failed(`the model refused the task${why === '' ? '' : ` (${why})`}`);
}

/** The service's own words; the SDK's message is the whole body. */
export function saidBy(error: APIError): string {
  const body: unknown = error.error;
  if (typeof body === 'object' && body !== null && 'error' in body) {
    const inner = body.error;
    if (typeof inner === 'object' && inner !== null && 'message' in inner) return String(inner.message);
  }
  return error.message;
}
