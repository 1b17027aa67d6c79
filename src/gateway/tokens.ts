/** Where clients put the token that stands for a key. */

import type { IncomingHttpHeaders } from 'node:http';

/** Of a request to a model service: `x-api-key`, or `Authorization: Bearer`; null where there is none. */
export function tokenOf(headers: IncomingHttpHeaders): string | null {
  const key = headers['x-api-key'];
  if (typeof key === 'string' && key !== '') return key;
  return bearerOf(headers.authorization);
}

export function bearerOf(authorization: string | undefined): string | null {
  return /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1] ?? null;
}

/**
 * Of a request through the gateway to another host (the value of `proxy-authorization`, or `authorization` for a registry):
 * the password of Basic, whoever the user is, or Bearer.
 */
export function credentialOf(value: string | undefined): string | null {
  const basic = /^Basic +([A-Za-z0-9+/]+=*) *$/i.exec(value ?? '')?.[1];
  if (basic === undefined) return bearerOf(value);
  const [, ...password] = Buffer.from(basic, 'base64').toString('utf8').split(':');
  return password.join(':') || null;
}
