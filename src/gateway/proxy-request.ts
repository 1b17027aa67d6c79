/** What requests to the proxies must look like, and how they are answered where they end. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { Denial, placeOf, refusal } from './egress.ts';
import { normaliseHost, parseAuthority } from './rules.ts';

/** How long a refused client may take to read what it is told. */
const LINGER_MS = 5_000;

export interface AbsoluteTarget {
  readonly scheme: 'http' | 'https';
  /** As written. */
  readonly host: string;
  readonly port: number;
  readonly defaultPort: number;
  /** Origin form. */
  readonly path: string;
}

/** `http://host[:port]/path`, without anything that URL parsers read in different ways; null for all else. */
export function parseAbsolute(url: string): AbsoluteTarget | null {
  const match = /^(https?):\/\/([^/?#@\\]+)((?:[/?][\x21\x22\x24-\x5b\x5d-\x7e]*)?)$/i.exec(url);
  if (match === null) return null;
  const scheme = match[1]?.toLowerCase() === 'https' ? 'https' : 'http';
  const defaultPort = scheme === 'https' ? 443 : 80;
  const authority = parseAuthority(match[2] ?? '', defaultPort);
  const path = match[3] ?? '';
  if (authority === null) return null;
  return { scheme, ...authority, defaultPort, path: path.startsWith('/') ? path : `/${path}` };
}

/** `Host`, where it is there, says the same as the target. @throws Denial */
export function mustAgree(request: IncomingMessage, host: string, port: number): void {
  const written = valuesOf(request, 'host');
  if (written.length === 0) return;
  const authority = written.length === 1 ? parseAuthority(written[0] ?? '', port) : null;
  if (authority === null || normaliseHost(authority.host) !== host || authority.port !== port) {
    throw new Denial(placeOf(host, port), 'bad-request', 'the Host header and the target disagree');
  }
}

/** What may be passed on is read and nothing else: a registry's token could also publish. @throws Denial */
export function mustRead(request: IncomingMessage, place: string): void {
  if (request.method === 'GET' || request.method === 'HEAD') return;
  throw new Denial(place, 'path-not-allowed', 'only GET and HEAD are passed on');
}

function valuesOf(request: IncomingMessage, name: string): readonly string[] {
  return request.rawHeaders.filter((_, index, all) => index % 2 === 1 && all[index - 1]?.toLowerCase() === name);
}

/** Fires when it is closed. */
export function closing(stream: Duplex | ServerResponse): AbortSignal {
  const closed = new AbortController();
  if (stream.closed) closed.abort();
  else stream.once('close', () => closed.abort());
  return closed.signal;
}

/** The answer to a request that goes no further. */
export function refuse(response: ServerResponse, denial: Denial): void {
  if (response.headersSent) return void response.destroy();
  const { status, headers, body } = refusal(denial);
  response.writeHead(status, headers).end(body);
}

/** The same on a bare connection, which ends with it. */
export function refuseConnect(socket: Duplex, denial: Denial): void {
  const { status, headers, body } = refusal(denial);
  const lines = Object.entries({ ...headers, connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`);
  closeAfter(socket, Buffer.concat([Buffer.from(`HTTP/1.1 ${status} Refused\r\n${lines.join('')}\r\n`), body]));
}

/** Says a last word; what comes in meanwhile is thrown away. */
export function closeAfter(socket: Duplex, last: Buffer): void {
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
  socket.resume();
  socket.end(last);
}
