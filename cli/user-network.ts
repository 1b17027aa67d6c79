/** What the user's environment says of their network. */

import { readFile } from 'node:fs/promises';
import { environmentError } from '../src/errors.ts';
import type { CorporateProxy } from '../src/gateway/corporate-proxy.ts';
import type { Context } from './context.ts';

/** The proxy, as their environment names it; null: there is none. Environment error BAD_PROXY. */
export async function proxyOf({ env }: Context): Promise<CorporateProxy | null> {
  const { readProxyVariables } = await import('../src/gateway/corporate-proxy.ts');
  const of = (name: string): string | null => env[name] || env[name.toLowerCase()] || null;
  try {
    return readProxyVariables({ httpsProxy: of('HTTPS_PROXY'), httpProxy: of('HTTP_PROXY'), noProxy: of('NO_PROXY') });
  } catch (cause) {
    throw environmentError('BAD_PROXY', cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** Certificate authorities (PEM) that their environment names beside the well-known ones; null: none. Environment error BAD_CA. */
export async function extraAuthorities(context: Context): Promise<string | null> {
  const file = context.env.NODE_EXTRA_CA_CERTS || context.env.SSL_CERT_FILE;
  if (!file) return null;
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw environmentError('BAD_CA', `the certificate authorities in ${file} cannot be read`, { cause });
  }
}
