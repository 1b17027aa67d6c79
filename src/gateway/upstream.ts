/** One model service: HTTP/1.1 over connections that the dialer makes, with our key in place of whatever the client sent. */

import http from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Dialer } from './dial.ts';
import { LIMITS } from './limits.ts';
import type { Upstream } from './protocol.ts';

export interface UpstreamRequest {
  readonly method?: 'GET' | 'POST';
  /** Path and query below the base URL. */
  readonly path: string;
  /** Of the client, those that are passed on. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly signal: AbortSignal;
  /** Called when the last byte was handed over: from here on the service may do the work. */
  readonly onSent: () => void;
}

const IDLE_CONNECTIONS = 16;

/** Keeps connections to one service, where it may. */
class UpstreamAgent extends http.Agent {
  readonly #dial: () => Promise<Duplex>;
  #isRetired = false;

  constructor(dial: () => Promise<Duplex>, keepAlive: boolean) {
    super({ keepAlive, maxFreeSockets: IDLE_CONNECTIONS });
    this.#dial = dial;
  }

  /** Lets idle connections go, and those in use when they become idle. */
  retire(): void {
    this.#isRetired = true;
    for (const sockets of Object.values(this.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }

  /** Node asks whether a connection that became idle is to be kept. */
  keepSocketAlive(socket: Duplex): boolean {
    if (this.#isRetired || !(socket instanceof Socket)) return false;
    socket.setKeepAlive(true);
    socket.setTimeout(LIMITS.idleConnectionTime);
    return true;
  }

  /** Node does just this, but for the time-out, which is of idle connections alone. */
  reuseSocket(socket: Duplex, request: http.ClientRequest): void {
    request.reusedSocket = true;
    if (socket instanceof Socket) socket.setTimeout(0);
  }

  /** Node takes the connection from the callback. */
  createConnection(_options: unknown, done: (error: Error | null, connection?: Duplex) => void): undefined {
    this.#dial().then(
      (connection) => done(null, connection),
      (error) => done(error instanceof Error ? error : new Error(String(error))),
    );
  }
}

export class UpstreamClient {
  readonly upstream: Upstream;
  readonly #url: URL;
  readonly #agent: UpstreamAgent;

  constructor(upstream: Upstream, dialer: Dialer, extraCa: string | null) {
    this.upstream = upstream;
    this.#url = new URL(upstream.baseUrl);
    const { protocol, hostname } = this.#url;
    const host = hostname.replace(/^\[|\]$/g, '');
    const dial = (): Promise<Duplex> =>
      dialer.dial(
        { host, port: this.#port },
        {
          tls: protocol === 'https:' && !upstream.plain ? { servername: host, ca: extraCa } : null,
          // The user named this service: it may well be their own.
          ranges: 'any',
          via: upstream.via,
          // The dialer has a limit of its own; a request that is given up leaves the connection to the next.
          signal: new AbortController().signal,
        },
      );
    this.#agent = new UpstreamAgent(dial, upstream.via === 'direct');
  }

  /** `host:port`, for people. */
  get host(): string {
    return `${this.#url.hostname}:${this.#port}`;
  }

  /**
   * The answer's head with its body still to be read.
   * @throws the dialer's errors, or what broke the connection; the signal's reason
   */
  async ask(request: UpstreamRequest): Promise<http.IncomingMessage> {
    for (;;) {
      const answer = await this.#send(request);
      if (answer !== 'stale') return answer;
    }
  }

  /** Another one takes its place; what is under way goes on. */
  retire(): void {
    this.#agent.retire();
  }

  /** `stale`: a kept connection turned out to be closed by the service before it took the request. */
  #send({
    method = 'POST',
    path,
    headers,
    body,
    signal,
    onSent,
  }: UpstreamRequest): Promise<http.IncomingMessage | 'stale'> {
    const { auth } = this.upstream;
    return new Promise((resolve, reject) => {
      const request = http.request({
        agent: this.#agent,
        host: this.#url.hostname,
        port: this.#port,
        method,
        path: this.#url.pathname.replace(/\/$/, '') + path,
        signal,
        headers: {
          host: this.#url.host,
          ...headers,
          'accept-encoding': 'identity',
          'content-length': String(body.length),
          [auth.header]: auth.value,
        },
      });
      const timer = setTimeout(() => request.destroy(new Error('the service does not answer')), LIMITS.answerTime);
      request.once('response', (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      request.on('error', (error: NodeJS.ErrnoException) => {
        clearTimeout(timer);
        if (request.reusedSocket && error.code === 'ECONNRESET' && !signal.aborted) resolve('stale');
        else reject(signal.aborted ? signal.reason : error);
      });
      // Not ours to answer: a service that switches protocols is broken.
      request.once('upgrade', (_answer, socket) => socket.destroy(new Error('the service switches protocols')));
      request.once('finish', onSent);
      request.end(body);
    });
  }

  get #port(): number {
    return Number(this.#url.port) || (this.#url.protocol === 'https:' ? 443 : 80);
  }
}
