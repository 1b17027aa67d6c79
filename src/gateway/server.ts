/**
 * The agents' side: HTTP on the socket that every sandbox can reach. A request is let in by the token of its attempt;
 * then it goes to a model service, or to the forward proxy, or its connection becomes the toolbox's.
 */

import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Attempt } from './attempts.ts';
import { Connections } from './connections.ts';
import type { Gateway } from './gateway.ts';
import { LIMITS } from './limits.ts';
import { apiOf } from './model-request.ts';
import { serveModel } from './model-service.ts';
import { Refusal } from './refusal.ts';
import { REGISTRY_PREFIX } from './registry-proxy.ts';
import { bodyOf, goneSignal, headersOf, refuse, refuseRaw, responseSink } from './server-answer.ts';
import { bearerOf, credentialOf, tokenOf } from './tokens.ts';

/** Names the toolbox's protocol in its request to become a session. */
const SESSION_UPGRADE = 'orchestrate-session';
const PROXY_CHALLENGE = { 'proxy-authenticate': 'Basic realm="orchestrate"' };
/** Headers that two of make a request that can be read in two ways. */
const SINGULAR = new Set(['host', 'content-length', 'transfer-encoding', 'authorization', 'x-api-key', 'content-type']);

export function createAgentsServer(gateway: Gateway): http.Server {
  const server = http.createServer({
    maxHeaderSize: LIMITS.headerBytes,
    headersTimeout: LIMITS.headerTime,
    requestTimeout: LIMITS.requestTime,
    keepAliveTimeout: LIMITS.idleConnectionTime,
    connectionsCheckingInterval: LIMITS.checkTime,
    insecureHTTPParser: false,
    // Absolute-form requests of old clients have none; nothing here goes by it.
    requireHostHeader: false,
  });
  server.maxConnections = LIMITS.connections;
  const door = new Door(gateway);
  server.on('connection', (socket) => door.connections.add(socket));
  server.on('request', (request, response) => void door.request(request, response));
  server.on('checkContinue', (request, response) => {
    response.writeContinue();
    void door.request(request, response);
  });
  server.on('connect', (request, socket, head) => door.connect(request, socket, head));
  server.on('upgrade', (request, socket, head) => door.upgrade(request, socket, head));
  server.on('clientError', (_error, socket) => socket.destroy());
  return server;
}

class Door {
  readonly connections = new Connections();
  readonly #gateway: Gateway;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  async request(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request;
    // A client's way of asking whether anybody is there.
    if (url === '/' && (method === 'HEAD' || method === 'GET')) {
      response.writeHead(200).end();
      return;
    }
    if (/^https?:\/\//i.test(url)) return this.#proxied(request, response);
    if (url.startsWith(REGISTRY_PREFIX)) return this.#registry(request, response);
    try {
      const attempt = this.#admitted(request, tokenOf(request.headers));
      mustBePlain(request);
      if (url.startsWith(REGISTRY_PREFIX)) {
        this.#gateway.registries.request(request, response, egressOf(attempt));
        return;
      }
      const asked = { attempt, method, target: url, headers: headersOf(request), body: bodyOf(request) };
      await serveModel(this.#gateway, { ...asked, signal: goneSignal(response) }, responseSink(response));
      response.end();
    } catch (error) {
      refuse(response, error, apiOf(url));
    }
  }

  connect(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    try {
      const attempt = this.#admitted(request, credentialOf(request.headers['proxy-authorization']), 407);
      this.#gateway.proxy.connect(request, socket, head, egressOf(attempt));
    } catch (error) {
      refuseRaw(socket, error, PROXY_CHALLENGE);
    }
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    try {
      const attempt = this.#toolboxOf(request);
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${SESSION_UPGRADE}\r\n\r\n`);
      if (head.length > 0) socket.unshift(head);
      this.#gateway.toolboxes.add(attempt.id, socket, attempt.revoked.signal);
    } catch (error) {
      refuseRaw(socket, error);
    }
  }

  #proxied(request: IncomingMessage, response: ServerResponse): void {
    try {
      const attempt = this.#admitted(request, credentialOf(request.headers['proxy-authorization']), 407);
      this.#gateway.proxy.request(request, response, egressOf(attempt));
    } catch (error) {
      if (error instanceof Refusal && error.status === 407)
        response.setHeaders(new Map(Object.entries(PROXY_CHALLENGE)));
      refuse(response, error, null);
    }
  }

  #registry(request: IncomingMessage, response: ServerResponse): void {
    try {
      const attempt = this.#admitted(request, credentialOf(request.headers.authorization));
      this.#gateway.registries.request(request, response, egressOf(attempt));
    } catch (error) {
      refuse(response, error, null);
    }
  }

  /** @throws Refusal */
  #admitted(request: IncomingMessage, token: string | null, status = 401): Attempt {
    const attempt = this.#known(request, { token, door: 'token', status });
    if (!this.connections.claim(request.socket, attempt)) {
      throw new Refusal(503, 'too-many', 'too many connections at one time');
    }
    return attempt;
  }

  /** @throws Refusal */
  #toolboxOf(request: IncomingMessage): Attempt {
    if (request.method !== 'GET' || request.url !== '/toolbox' || request.headers.upgrade !== SESSION_UPGRADE) {
      throw new Refusal(404, 'path-not-allowed', 'there is no such path here');
    }
    const token = bearerOf(request.headers.authorization);
    const attempt = this.#known(request, { token, door: 'toolboxToken', status: 401 });
    // Whatever else the attempt has open: the toolbox is ours.
    this.connections.claim(request.socket, attempt);
    return attempt;
  }

  /** @throws Refusal with `status` */
  #known(
    request: IncomingMessage,
    {
      token,
      door,
      status,
    }: { readonly token: string | null; readonly door: 'token' | 'toolboxToken'; readonly status: number },
  ): Attempt {
    const { attempts, configuration } = this.#gateway;
    const attempt = token === null ? null : attempts.find(token, door);
    if (attempt === null || token === null) {
      // A gateway that was started anew does not know its attempts yet.
      if (configuration === null) throw new Refusal(503, 'not-configured', 'the gateway waits for its coordinator');
      this.#auditStranger(request, status);
      throw new Refusal(status, 'bad-token', 'the token is none of this gateway');
    }
    if (attempts.isStale(attempt, token, door)) throw new Refusal(status, 'revoked-token', 'the attempt is over');
    return attempt;
  }

  #auditStranger(request: IncomingMessage, status: number): void {
    const { method = '', url = '' } = request;
    const [path = ''] = url.split('?', 1);
    const line = { method, host: '-', path: path.slice(0, 200), status, bytesIn: 0, bytesOut: 0, ms: 0 };
    this.#gateway.events.emit({ type: 'audit', attempt: null, reason: 'bad-token', ...line });
  }
}

function egressOf(attempt: Attempt): { attempt: string; allow: Attempt['access']['allow']; signal: AbortSignal } {
  return { attempt: attempt.id, allow: attempt.access.allow, signal: attempt.revoked.signal };
}

/** @throws Refusal where a header that must be alone is there twice, or the body comes in another way than whole or in chunks */
function mustBePlain({ rawHeaders, headers }: IncomingMessage): void {
  const names = rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase());
  const twice = names.find((name, at) => SINGULAR.has(name) && names.indexOf(name) !== at);
  const coding = headers['transfer-encoding'] ?? 'chunked';
  if (twice !== undefined || coding.toLowerCase() !== 'chunked' || 'content-encoding' in headers) {
    throw new Refusal(400, 'bad-request', 'the headers are ambiguous');
  }
}
