/** Where a Docker host is, as people write it: `ssh://ops@build-1`, `tcp://10.0.0.5:2376`, `context:NAME`, `unix:///…`. */

import { usageError } from '../errors.ts';

export interface SshTarget {
  /** Null: as the user's ssh configuration says, or the user's own name. */
  readonly user: string | null;
  /** A host name or address, or a `Host` of the user's ssh configuration. */
  readonly host: string;
  /** Null: as the user's ssh configuration says, or 22. */
  readonly port: number | null;
  /** The engine's socket over there. */
  readonly socket: string;
}

export type HostPlace =
  | { readonly kind: 'ssh'; readonly target: SshTarget }
  /** `port` null: the usual one, 2376 with TLS. */
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number | null }
  | { readonly kind: 'unix'; readonly socket: string }
  | { readonly kind: 'context'; readonly context: string };

export const DEFAULT_SOCKET = '/var/run/docker.sock';

/** The name of the engine that the docker command line would use. */
export const LOCAL_HOST = 'local';

/** How a host may be called. */
export const HOST_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** A word that chooses among hosts. */
export const HOST_LABEL = /^[A-Za-z0-9][A-Za-z0-9_.=/-]{0,62}$/;

const EXPECTED = 'expected ssh://user@host, tcp://host:2376 with tls, or context:NAME';
/** Nothing that a program could take for one of its options, or a shell for more than a word. */
const PLAIN_WORD = /^[A-Za-z0-9_][A-Za-z0-9_.@+-]*$/;
const PLAIN_HOST = /^(?:[A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9a-f:.]+)$/i;

/** @throws usage `BAD_VALUE` that says what is wrong with it */
export function parseHostUrl(written: string): HostPlace {
  const context = /^context:(?!\/\/)(.+)$/.exec(written)?.[1];
  if (context !== undefined) {
    if (!PLAIN_WORD.test(context)) throw bad(written, 'names no Docker context');
    return { kind: 'context', context };
  }
  if (written.startsWith('unix://')) {
    const socket = written.slice('unix://'.length) || DEFAULT_SOCKET;
    if (!socket.startsWith('/') || socket.includes('\0')) throw bad(written, 'is not the path of a socket');
    return { kind: 'unix', socket };
  }
  const url = URL.canParse(written) ? new URL(written) : null;
  if (url === null || (url.protocol !== 'ssh:' && url.protocol !== 'tcp:'))
    throw bad(written, `is no host: ${EXPECTED}`);
  const host = decoded(url.hostname, written).replace(/^\[(.*)\]$/, '$1');
  if (!PLAIN_HOST.test(host)) throw bad(written, `has no usable host: ${EXPECTED}`);
  if (url.password !== '') {
    throw bad(
      written,
      `holds a password: ${url.protocol === 'ssh:' ? 'ssh takes keys' : 'TLS takes certificates'} only`,
    );
  }
  if (url.search !== '' || url.hash !== '') throw bad(written, `has more than a host: ${EXPECTED}`);
  const port = url.port === '' ? null : Number(url.port);
  if (port === 0) throw bad(written, 'has port 0');
  if (url.protocol === 'ssh:') return { kind: 'ssh', target: sshTarget(written, url, { host, port }) };
  if (url.username !== '' || !['', '/'].includes(url.pathname)) throw bad(written, `has more than a host: ${EXPECTED}`);
  return { kind: 'tcp', host, port };
}

function sshTarget(written: string, url: URL, where: Pick<SshTarget, 'host' | 'port'>): SshTarget {
  const user = decoded(url.username, written);
  if (user !== '' && !PLAIN_WORD.test(user)) throw bad(written, 'has no usable user');
  const socket = decoded(url.pathname, written);
  // ssh reads `%` and `:` in it, and a space ends it.
  if (!/^[A-Za-z0-9_./@+-]*$/.test(socket)) throw bad(written, 'has no usable path of a socket');
  return { user: user || null, ...where, socket: socket === '' || socket === '/' ? DEFAULT_SOCKET : socket };
}

/** As it is written: only what differs from the usual. */
export function sshUrl({ user, host, port, socket }: SshTarget): string {
  const authority = host.includes(':') ? `[${host}]` : host;
  const path = socket === DEFAULT_SOCKET ? '' : socket;
  return `ssh://${user === null ? '' : `${user}@`}${authority}${port === null ? '' : `:${port}`}${path}`;
}

/** Only programs of this machine reach it. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

function decoded(part: string, written: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw bad(written, `is no host: ${EXPECTED}`);
  }
}

/** What somebody wrote as an address, fit to be shown, whatever else is wrong with it. */
export function withoutPassword(written: string): string {
  return written.replace(/(:\/\/[^/:@]*):.*@/, '$1@');
}

function bad(written: string, problem: string) {
  return usageError('BAD_VALUE', `"${withoutPassword(written)}" ${problem}`);
}
