/** The model services of a run: where they are, with which key, and who connects to them. Pure. */

import type { Key, KeyName, Keys } from '../config/env-file.ts';
import { environmentError, type OrchestrateError } from '../errors.ts';
import type { Upstream, Via } from '../gateway/protocol.ts';
import type { ModelApi } from '../types.ts';

interface Service {
  readonly name: string;
  readonly url: KeyName;
  readonly defaultUrl: string;
}

const SERVICES: Readonly<Record<ModelApi, Service>> = {
  anthropic: { name: 'Anthropic', url: 'ANTHROPIC_BASE_URL', defaultUrl: 'https://api.anthropic.com' },
  openai: { name: 'OpenAI', url: 'OPENAI_BASE_URL', defaultUrl: 'https://api.openai.com' },
};

/** Without it the service takes no subscription's token. */
const OAUTH_BETA = 'oauth-2025-04-20';

/** What every key looks like: printable ASCII in one piece. */
const KEY = /^[\x21-\x7e]{8,4096}$/;

export interface UpstreamChoice {
  readonly api: ModelApi;
  /** Any of these is enough; the first that there is counts. */
  readonly keys: readonly KeyName[];
  readonly found: Keys['found'];
  /** Who connects to a service that is not on this machine's own loopback. */
  readonly via: Via;
}

/**
 * The service that a run asks. Environment errors before anything is started: NO_KEY, BAD_KEY (never with its value),
 * BAD_BASE_URL.
 */
export function upstreamFor({ api, keys, found, via }: UpstreamChoice): Upstream {
  const service = SERVICES[api];
  const name = keys.find((candidate) => found[candidate] !== undefined);
  const key = name === undefined ? undefined : found[name];
  if (name === undefined || key === undefined) {
    throw environmentError('NO_KEY', `there is no key for ${service.name}: ${keys.join(' or ')} is not set`, {
      hint: 'set it in the environment or in ~/.config/orchestrate/.env',
    });
  }
  if (!KEY.test(key.value)) {
    throw environmentError(
      'BAD_KEY',
      `${name} does not look like a key: it has blanks, line ends or strange characters`,
      {
        hint: 'copy it again, without quotes and without what stands around it',
      },
    );
  }
  const { baseUrl, isLoopback } = readBaseUrl(service, found[service.url]);
  const betas = name === 'CLAUDE_CODE_OAUTH_TOKEN' ? { betas: [OAUTH_BETA] } : {};
  return { api, baseUrl, auth: authOf(name, key), ...betas, via: isLoopback ? 'coordinator' : via };
}

/** As people know the service. */
export function serviceName(api: ModelApi): string {
  return SERVICES[api].name;
}

/** One message for a key that a service does not take. */
export function keyRefused(api: ModelApi, status: number, said: string): OrchestrateError {
  return environmentError('KEY_REFUSED', `${serviceName(api)} refuses the key (${status}): ${said}`, {
    hint: 'check the key in the environment, in ~/.config/orchestrate/.env or in the repository’s .env',
  });
}

function authOf(name: KeyName, key: Key): Upstream['auth'] {
  if (name === 'ANTHROPIC_API_KEY') return { header: 'x-api-key', value: key.value };
  return { header: 'authorization', value: `Bearer ${key.value}` };
}

function readBaseUrl(service: Service, written: Key | undefined): { baseUrl: string; isLoopback: boolean } {
  const text = written?.value ?? service.defaultUrl;
  const refuse = (why: string) =>
    environmentError('BAD_BASE_URL', `${service.url} ${why}`, { hint: `write it like ${service.defaultUrl}` });
  if (!URL.canParse(text)) throw refuse('is not a URL');
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refuse(`cannot be reached by ${url.protocol}`);
  if (url.username !== '' || url.password !== '') throw refuse('must not hold a user name or password');
  if (url.search !== '' || url.hash !== '') throw refuse('must not have a query');
  const isLoopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol === 'http:' && !isLoopback) {
    throw refuse('would send the key in the clear: http is only for this machine itself');
  }
  // Some write the version into it, as the SDKs of OpenAI do.
  const path = url.pathname.replace(/\/+$/, '').replace(/\/v1$/, '');
  return { baseUrl: `${url.origin}${path}`, isLoopback };
}
