/** What of a model service's answer is passed on to an agent: what its client needs, nothing of whose key it was. */

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { LIMITS } from './limits.ts';

const PASSED = new Set([
  'content-type',
  'request-id',
  'x-request-id',
  'x-should-retry',
  'retry-after',
  'retry-after-ms',
]);

export function passedHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) if (PASSED.has(name)) passed[name] = String(value);
  return passed;
}

/** Of a client's headers, what the service gets; authentication, cookies and all that is about the connection stay here. */
const ASKED = new Set([
  ...['accept', 'content-type', 'user-agent', 'x-app'],
  ...['anthropic-version', 'anthropic-beta', 'openai-beta'],
]);

/** @param betas which the service's key needs */
export function askedHeaders(
  headers: Readonly<Record<string, string>>,
  betas: readonly string[],
): Record<string, string> {
  const asked: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) if (ASKED.has(name)) asked[name] = value;
  const all = [asked['anthropic-beta'], ...betas].filter((beta) => beta !== undefined && beta !== '');
  if (all.length > 0) asked['anthropic-beta'] = [...new Set(all)].join(',');
  return asked;
}

/** The chunks of an answer, read as fast as they are taken. @throws where it breaks off or nothing comes for too long */
export async function* chunksOf(answer: IncomingMessage): AsyncGenerator<Buffer> {
  let waitingSince: NodeJS.Timeout | undefined;
  const wait = (): void => {
    clearTimeout(waitingSince);
    waitingSince = setTimeout(
      () => answer.destroy(new Error('the service stopped in the middle of its answer')),
      LIMITS.answerIdleTime,
    );
  };
  try {
    wait();
    for await (const chunk of answer) {
      // How long the client takes does not count against the service.
      clearTimeout(waitingSince);
      yield chunk as Buffer;
      wait();
    }
  } finally {
    clearTimeout(waitingSince);
  }
}

/** An error's body, cut off where it is too long. */
export async function errorBodyOf(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of chunksOf(answer)) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= LIMITS.errorBytes) break;
    }
  } catch {
    // What there is of it must do: the status is what counts.
  }
  answer.destroy();
  return Buffer.concat(chunks).subarray(0, LIMITS.errorBytes);
}
