/** The forward proxy between a hostile client and servers on loopback that stand for the outside. */

import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import tls from 'node:tls';
import { createDialer, type Dialer, type Network } from '../../src/gateway/dial.ts';
import type { AuditLine, EgressAttempt, EgressParts } from '../../src/gateway/egress.ts';
import { ForwardProxy } from '../../src/gateway/forward-proxy.ts';
import type { Denied, EgressRule } from '../../src/gateway/protocol.ts';
import { REGISTRY_PREFIX, RegistryProxy } from '../../src/gateway/registry-proxy.ts';
import type { Certificate } from './certificates.ts';

type Answer = (request: http.IncomingMessage, response: http.ServerResponse) => void;

/** A server that remembers who came. */
export class Origin implements AsyncDisposable {
  readonly requests: { readonly method: string; readonly url: string; readonly headers: http.IncomingHttpHeaders }[] =
    [];
  connections = 0;
  readonly #server: net.Server;

  private constructor(server: net.Server) {
    this.#server = server;
    server.on('connection', (socket: net.Socket) => {
      socket.on('error', () => {});
      this.connections += 1;
    });
  }

  /** HTTPS with a certificate, plain HTTP without. */
  static async start(certificate: Certificate | null, answer: Answer): Promise<Origin> {
    const server = certificate === null ? http.createServer() : https.createServer({ ...certificate });
    const origin = new Origin(server);
    server.on('request', (request: http.IncomingMessage, response: http.ServerResponse) => {
      const { method = '', url = '', headers } = request;
      origin.requests.push({ method, url, headers });
      answer(request, response);
    });
    return origin.#listen();
  }

  /** Nothing but a port: whatever connects to it should not have been able to. */
  static async sink(): Promise<Origin> {
    return new Origin(net.createServer((socket) => socket.destroy())).#listen();
  }

  static async raw(serve: (socket: net.Socket) => void): Promise<Origin> {
    return new Origin(net.createServer(serve)).#listen();
  }

  get port(): number {
    return portOf(this.#server);
  }

  async #listen(): Promise<Origin> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server instanceof http.Server || this.#server instanceof https.Server) this.#server.closeAllConnections();
    this.#server.close();
  }
}

export class EgressBench implements AsyncDisposable {
  readonly denied: Denied[] = [];
  readonly audit: AuditLine[] = [];
  /** Every name that was looked up. */
  readonly lookedUp: string[] = [];
  /** What names stand for; a list is used up from its front, its last entry stays. */
  readonly names = new Map<string, string[]>();
  readonly revoked = new AbortController();
  allow: readonly EgressRule[] = [];
  ca: string | null = null;
  configured = true;
  /** Makes every connection in place of the real one. */
  dialInstead: Dialer['dial'] | null = null;
  readonly #server = http.createServer();
  readonly #audited = new Set<() => void>();

  static async start(): Promise<EgressBench> {
    const bench = new EgressBench();
    const proxy = new ForwardProxy(bench.parts());
    const registries = new RegistryProxy(bench.parts());
    const attempt = bench.attempt();
    bench.#server.on('connect', (request: http.IncomingMessage, socket: Duplex, head: Buffer) =>
      proxy.connect(request, socket, head, attempt),
    );
    bench.#server.on('request', (request: http.IncomingMessage, response: http.ServerResponse) => {
      if (request.url?.startsWith(REGISTRY_PREFIX)) registries.request(request, response, attempt);
      else proxy.request(request, response, attempt);
    });
    bench.#server.listen(0, '127.0.0.1');
    await once(bench.#server, 'listening');
    return bench;
  }

  get port(): number {
    return portOf(this.#server);
  }

  get network(): Network {
    return {
      resolve: async (host) => {
        this.lookedUp.push(host);
        const answers = this.names.get(host);
        const answer = answers !== undefined && answers.length > 1 ? answers.shift() : answers?.[0];
        if (answer === undefined) throw new Error(`no such name: ${host}`);
        return answer.split(' ');
      },
      ownAddresses: () => [],
    };
  }

  parts(): EgressParts {
    const refuseRelay = () => Promise.reject(new Error('nobody dials for us here'));
    const dialer = createDialer({ relay: refuseRelay, network: this.network });
    return {
      dialer: { dial: (target, options) => (this.dialInstead ?? dialer.dial)(target, options) },
      settings: () => (this.configured ? { via: 'direct', ca: this.ca } : null),
      onDenied: (_, denied) => this.denied.push(denied),
      onAudit: (line) => {
        this.audit.push(line);
        for (const wake of this.#audited) wake();
        this.#audited.clear();
      },
    };
  }

  attempt(): EgressAttempt {
    const bench = this;
    return {
      attempt: 'task.1',
      get allow() {
        return bench.allow;
      },
      signal: this.revoked.signal,
    };
  }

  /** A host that stands for loopback, and may. */
  permit(host: string, port: number, more: Partial<EgressRule> = {}): void {
    this.names.set(host, ['127.0.0.1']);
    this.allow = [...this.allow, { host, ports: [port], cidr: '127.0.0.1/32', authorization: null, ...more }];
  }

  /** When so many audit lines were written. */
  async audited(count: number): Promise<readonly AuditLine[]> {
    while (this.audit.length < count) {
      await new Promise<void>((resolve) => {
        this.#audited.add(resolve);
      });
    }
    return this.audit;
  }

  connect(): net.Socket {
    return net.connect({ port: this.port, host: '127.0.0.1' }).on('error', () => {});
  }

  /** Sends bytes as they are; all that comes back until the connection is closed. */
  async talk(...parts: readonly (string | Buffer)[]): Promise<string> {
    const socket = this.connect();
    const heard = readAll(socket);
    for (const part of parts) socket.write(part);
    return heard;
  }

  /** Connected through the proxy, TLS not begun; @throws with the refusal */
  async tunnel(authority: string): Promise<net.Socket> {
    const socket = this.connect();
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    const [head] = (await once(socket, 'data')) as [Buffer];
    if (!head.toString().startsWith('HTTP/1.1 200 ')) throw new Error(head.toString());
    return socket;
  }

  /** One GET through CONNECT and TLS, as every client makes it. */
  async get(
    url: string,
    options: tls.ConnectionOptions = {},
  ): Promise<{ readonly status: number; readonly body: string }> {
    const { hostname, host, pathname } = new URL(url);
    const socket = await this.tunnel(host);
    const secure = tls.connect({
      socket,
      servername: hostname,
      ...(this.ca === null ? {} : { ca: this.ca }),
      ...options,
    });
    const heard = readAll(secure);
    secure.write(`GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    const text = await heard;
    return { status: Number(text.slice(9, 12)), body: text.slice(text.indexOf('\r\n\r\n') + 4) };
  }

  /** One request in absolute form, or to the gateway itself. */
  async ask(target: string, options: http.RequestOptions = {}): Promise<Asked> {
    const request = http.request({ host: '127.0.0.1', port: this.port, path: target, agent: false, ...options });
    if (!options.headers || !('host' in options.headers)) {
      request.setHeader('host', /^https?:\/\/([^/]*)/.exec(target)?.[1] ?? 'gateway');
    }
    request.end();
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    return { status: response.statusCode ?? 0, headers: response.headers, body };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.revoked.abort();
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

export interface Asked {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export async function readAll(socket: Duplex): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => {});
  if (!socket.closed) await once(socket, 'close');
  return Buffer.concat(chunks).toString('latin1');
}

function portOf(server: net.Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server does not listen');
  return address.port;
}
