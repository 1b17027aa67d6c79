/** The HTTP proxy of the user's own network, as HTTPS_PROXY, HTTP_PROXY and NO_PROXY describe it: CONNECT through it. */

import { request as httpRequest } from 'node:http';
import type { Duplex } from 'node:stream';
import { contains, parseAddress, parseCidr } from './addresses.ts';
import { connectTo, DialError, type Network, secure, type Target } from './dial.ts';

/** Texts as in the variables of that name; null or empty: not set. */
export interface ProxyVariables {
  readonly httpsProxy: string | null;
  readonly httpProxy: string | null;
  readonly noProxy: string | null;
}

export interface ProxyServer extends Target {
  readonly tls: boolean;
  /** For `proxy-authorization`; null: it asks for none. */
  readonly authorization: string | null;
}

export interface CorporateProxy {
  /** For targets at port 80. */
  readonly http: ProxyServer | null;
  readonly https: ProxyServer | null;
  /** Entries of NO_PROXY. */
  readonly except: readonly string[];
}

/**
 * Null where no proxy is named.
 * @throws Error that says which variable is no URL of an HTTP proxy; it does not repeat the value, which may hold a password
 */
export function readProxyVariables({ httpsProxy, httpProxy, noProxy }: ProxyVariables): CorporateProxy | null {
  const http = parseProxy('HTTP_PROXY', httpProxy);
  const https = parseProxy('HTTPS_PROXY', httpsProxy);
  if (http === null && https === null) return null;
  const except = (noProxy ?? '').toLowerCase().split(/[\s,]+/);
  return { http, https, except: except.filter((entry) => entry !== '') };
}

function parseProxy(variable: string, text: string | null): ProxyServer | null {
  if (text === null || text.trim() === '') return null;
  const written = text.trim();
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(written) ? written : `http://${written}`);
  if (url === null || url.hostname === '' || !/^https?:$/.test(url.protocol)) {
    throw new Error(`${variable} does not name an HTTP proxy: write it like http://proxy.example.org:3128`);
  }
  const tls = url.protocol === 'https:';
  const credentials = `${decoded(url.username)}:${decoded(url.password)}`;
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (tls ? 443 : 80) : Number(url.port),
    tls,
    authorization: credentials === ':' ? null : `Basic ${Buffer.from(credentials).toString('base64')}`,
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Which proxy a target goes through; null: none. */
export function proxyFor(proxy: CorporateProxy, target: Target): ProxyServer | null {
  if (proxy.except.some((entry) => exempts(entry, target))) return null;
  return target.port === 80 ? proxy.http : proxy.https;
}

/** `*`; a host and all names below it, with or without a dot before it; an address or a range; each with a port or without. */
function exempts(entry: string, { host, port }: Target): boolean {
  if (entry === '*') return true;
  const address = parseAddress(host);
  const range = parseCidr(entry);
  if (range !== null) return address !== null && contains(range, address);
  const whole = parseAddress(entry);
  if (whole !== null) return address?.family === whole.family && address.value === whole.value;
  const [, name = '', only] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? [];
  if (only !== undefined && Number(only) !== port) return false;
  const suffix = name.replace(/^\*?\./, '');
  return suffix !== '' && (host === suffix || host.endsWith(`.${suffix}`));
}

/**
 * A connection to the target that the proxy makes; it looks the name up.
 * @throws DialError when the proxy refuses; else whatever went wrong on the way to it
 */
export async function connectThrough(
  server: ProxyServer,
  { host, port }: Target,
  {
    extraCa,
    network,
    signal,
  }: { readonly extraCa: string | null; readonly network: Network; readonly signal: AbortSignal },
): Promise<Duplex> {
  const plain = await connectTo(server, { ranges: 'any', network, signal });
  const connection = server.tls ? await secure(plain, { servername: server.host, ca: extraCa }, signal) : plain;
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const request = httpRequest({
    method: 'CONNECT',
    path: authority,
    headers: {
      host: authority,
      ...(server.authorization === null ? {} : { 'proxy-authorization': server.authorization }),
    },
    createConnection: () => connection,
  });
  // Not the request's own signal: that would cut the connection later on, too.
  const abort = () => request.destroy(signal.reason);
  signal.addEventListener('abort', abort);
  try {
    return await new Promise<Duplex>((resolve, reject) => {
      const refuse = ({ statusCode = 0 }) => reject(refusedBy(statusCode, authority));
      request.once('connect', (answer, socket: Duplex, head: Buffer) => {
        if (answer.statusCode !== 200) return refuse(answer);
        socket.on('error', () => {});
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
      });
      request.once('response', refuse).on('error', reject).end();
      if (signal.aborted) abort();
    });
  } catch (error) {
    connection.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function refusedBy(status: number, authority: string): DialError {
  const why = status === 407 ? ': it wants other credentials' : '';
  return new DialError('upstream-unreachable', `the proxy of your network refused ${authority} with ${status}${why}`);
}
