/** The forward proxy: CONNECT to allowed hosts over TLS, and absolute-form GET and HEAD for distribution mirrors. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { type Hello, HelloReader } from './client-hello.ts';
import {
  admit,
  Denial,
  denialOf,
  type EgressAttempt,
  type EgressParts,
  elapsed,
  open,
  placeOf,
  report,
  shown,
} from './egress.ts';
import { closeAfter, closing, mustAgree, parseAbsolute, refuseConnect } from './proxy-request.ts';
import { serveRead } from './read-request.ts';
import { parseAuthority } from './rules.ts';
import { tunnel } from './tunnel.ts';

/** From the answer to CONNECT to the last byte of the ClientHello. */
const HELLO_TIMEOUT_MS = 10_000;
const TUNNEL_IDLE_MS = 5 * 60_000;
/** Fatal alert `unrecognized_name`, for a client that speaks TLS. */
const UNRECOGNIZED_NAME = Buffer.from([21, 3, 1, 0, 2, 2, 112]);

export class ForwardProxy {
  readonly #parts: EgressParts;

  constructor(parts: EgressParts) {
    this.#parts = parts;
  }

  /** Serves a CONNECT request, and owns its socket from here on. */
  connect(request: IncomingMessage, socket: Duplex, head: Buffer, attempt: EgressAttempt): void {
    socket.on('error', () => {});
    void this.#connect(request, socket, head, attempt);
  }

  /** Serves a request whose target is in absolute form. */
  request(request: IncomingMessage, response: ServerResponse, attempt: EgressAttempt): void {
    const url = parseAbsolute(request.url ?? '');
    void serveRead(this.#parts, { request, response, attempt }, url, null);
  }

  async #connect(request: IncomingMessage, socket: Duplex, head: Buffer, attempt: EgressAttempt): Promise<void> {
    const began = performance.now();
    const target = parseAuthority(request.url ?? '', null);
    const host = target === null ? shown(request.url ?? '') : placeOf(target.host, target.port);
    const audit = { attempt: attempt.attempt, method: 'CONNECT', host, path: null, bytesIn: 0, bytesOut: 0, ms: 0 };
    const client = closing(socket);
    const signal = AbortSignal.any([attempt.signal, client]);
    let upstream: Duplex | null = null;
    try {
      if (target === null) throw new Denial(host, 'bad-request', 'the target is not a host and a port');
      const verdict = admit(attempt, target);
      mustAgree(request, verdict.host, target.port);
      upstream = await open(this.#parts, { ...verdict, port: target.port, tls: false }, signal);
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      const { hello, bytes } = await firstBytes(socket, head, signal);
      if (hello.kind !== 'name' || hello.name.toLowerCase() !== verdict.host) {
        closeAfter(socket, hello.kind === 'name' ? UNRECOGNIZED_NAME : Buffer.alloc(0));
        throw new Denial(host, 'sni-mismatch', 'the connection does not begin with TLS to the host that was asked for');
      }
      upstream.write(bytes);
      const { up, down } = await tunnel(socket, upstream, { idleMs: TUNNEL_IDLE_MS, signal });
      const passed = { bytesOut: bytes.length + up, bytesIn: down, ms: elapsed(began) };
      this.#parts.onAudit({ ...audit, ...passed, status: 200, reason: null });
    } catch (error) {
      const denial = denialOf(error, attempt, host, client);
      report(this.#parts, { ...audit, ms: elapsed(began) }, denial);
      if (upstream === null && denial !== null) refuseConnect(socket, denial);
      else if (denial?.reason !== 'sni-mismatch') socket.destroy();
      upstream?.destroy();
    }
  }
}

/** What a client sends until its ClientHello is whole, or is known to be none; the socket is paused then. */
function firstBytes(
  socket: Duplex,
  head: Buffer,
  signal: AbortSignal,
): Promise<{ readonly hello: Hello; readonly bytes: Buffer }> {
  return new Promise((resolve, reject) => {
    const reader = new HelloReader();
    const chunks: Buffer[] = [];
    const settle = (act: () => void) => {
      clearTimeout(timer);
      socket.pause().off('data', take).off('end', leave);
      signal.removeEventListener('abort', abort);
      act();
    };
    const take = (chunk: Buffer) => {
      chunks.push(chunk);
      const hello = reader.push(chunk);
      if (hello.kind !== 'more') settle(() => resolve({ hello, bytes: Buffer.concat(chunks) }));
    };
    const giveUp = () => settle(() => resolve({ hello: { kind: 'none' }, bytes: Buffer.concat(chunks) }));
    const abort = () => settle(() => reject(signal.reason));
    // An end before its first word is no attempt at anything.
    const leave = () => socket.destroy();
    const timer = setTimeout(giveUp, HELLO_TIMEOUT_MS);
    signal.addEventListener('abort', abort);
    if (signal.aborted) return abort();
    socket.on('end', leave);
    if (head.length > 0) socket.unshift(head);
    socket.on('data', take);
  });
}
