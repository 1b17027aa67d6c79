/**
 * Tells a webhook of something: one POST of JSON, through the proxy and with the certificate authorities of the user's network.
 * The address is a secret, for whoever knows it can write there: nothing that is said here has more of it than its host.
 */

import { request as httpRequest } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { createCoordinatorDial } from './coordinator-dial.ts';
import type { CorporateProxy } from './corporate-proxy.ts';
import { createDialer } from './dial.ts';

export interface Webhook {
  /** `http://` or `https://`. */
  readonly url: string;
  /** Null: there is none in this network. */
  readonly proxy: CorporateProxy | null;
  /** Certificate authorities (PEM) beside the well-known ones; null: none. */
  readonly extraCa: string | null;
}

/** Milliseconds. */
export interface WebhookTimes {
  /** From the first look at the name to the head of the answer. */
  readonly try: number;
  /** Before the second try and those after it: there is one try more than pauses. */
  readonly pauses: readonly number[];
}

const TIMES: WebhookTimes = { try: 10_000, pauses: [1000, 3000] };

/** What can be shown of the address. */
export function webhookHost(url: string): string {
  return URL.parse(url)?.host ?? 'unknown';
}

/**
 * Null when it was taken (any 2xx); else why not, for people. What may pass by itself (nobody answers, 408, 429, 5xx) is tried
 * again. Redirects are not followed. Never rejects; the signal ends it.
 */
export async function postWebhook(
  webhook: Webhook,
  body: string,
  { signal, times = TIMES }: { readonly signal: AbortSignal; readonly times?: WebhookTimes },
): Promise<string | null> {
  const host = webhookHost(webhook.url);
  for (let n = 0; ; n += 1) {
    const answer = await post(webhook, body, AbortSignal.any([signal, AbortSignal.timeout(times.try)]));
    if (answer.problem === null) return null;
    const wait = times.pauses[n];
    if (!answer.mayPass || wait === undefined || signal.aborted) return `${host} ${answer.problem}`;
    try {
      await pause(wait, undefined, { signal });
    } catch {
      return `${host} ${answer.problem}`;
    }
  }
}

interface Answer {
  /** What follows the host's name; null: it was taken. */
  readonly problem: string | null;
  readonly mayPass: boolean;
}

async function post(webhook: Webhook, body: string, signal: AbortSignal): Promise<Answer> {
  try {
    const status = await statusOf(webhook, body, signal);
    if (status >= 200 && status < 300) return { problem: null, mayPass: false };
    const more = status >= 300 && status < 400 ? ', and redirects are not followed' : '';
    const mayPass = status === 408 || status === 429 || status >= 500;
    return { problem: `answered with ${status}${more}`, mayPass };
  } catch (error) {
    if (signal.aborted) return { problem: 'did not answer in time', mayPass: true };
    return { problem: `cannot be reached: ${withoutSecret(error, webhook.url)}`, mayPass: true };
  }
}

async function statusOf({ url, proxy, extraCa }: Webhook, body: string, signal: AbortSignal): Promise<number> {
  const { protocol, hostname, host, port, pathname, search, username, password } = new URL(url);
  const isSecure = protocol === 'https:';
  const target = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (isSecure ? 443 : 80) };
  const configured = { upstreams: [{ baseUrl: url }], rules: [] };
  const dialer = createDialer({ relay: createCoordinatorDial({ configured: () => configured, proxy, extraCa }) });
  const connection = await dialer.dial(target, {
    tls: isSecure ? { servername: target.host, ca: extraCa } : null,
    // The user named it: it may well be a machine of their own.
    ranges: 'any',
    via: 'coordinator',
    signal,
  });
  try {
    return await new Promise<number>((resolve, reject) => {
      const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
      const request = httpRequest({
        method: 'POST',
        path: pathname + search,
        headers: {
          host,
          'content-type': 'application/json; charset=utf-8',
          'content-length': String(Buffer.byteLength(body)),
          'user-agent': 'orchestrate',
          ...(credentials === ':' ? {} : { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }),
        },
        createConnection: () => connection,
        signal,
      });
      request.once('response', ({ statusCode = 0 }) => resolve(statusCode));
      request.once('error', reject);
      request.once('upgrade', () => reject(new Error('it switches protocols')));
      request.end(body);
    });
  } finally {
    connection.destroy();
  }
}

/** No message has the path today; should one, it is cut out. */
function withoutSecret(error: unknown, url: string): string {
  const { pathname, search, username, password } = new URL(url);
  const secrets = [url, pathname + search, pathname, search, username, password];
  const text = error instanceof Error ? error.message : String(error);
  return secrets.filter((secret) => secret.length > 1).reduce((said, secret) => said.replaceAll(secret, '…'), text);
}
