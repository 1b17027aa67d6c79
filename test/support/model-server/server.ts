/**
 * Model services for tests: Anthropic Messages and OpenAI Responses over real HTTP, on loopback or a Unix socket. What they
 * answer is a script; what reached them is kept for asserts.
 */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { ModelApi } from '../../../src/types.ts';
import { anthropic } from './anthropic.ts';
import { openai } from './openai.ts';
import { PromptCache, tokensOf } from './prompt-cache.ts';
import { answerOf, type Body, isFailure, type ModelRequest, type ReceivedRequest, type Script } from './script.ts';
import { type Service, writtenBy } from './service.ts';
import { sendEvents } from './stream.ts';

const SERVICES: Readonly<Record<ModelApi, Service>> = { anthropic, openai };
const MODEL_PATHS: Readonly<Record<string, ModelApi>> = {
  'POST /v1/messages': 'anthropic',
  'POST /v1/responses': 'openai',
};

export interface ModelServerOptions {
  readonly script: Script;
  /** The only key that is let in, as `x-api-key` or Bearer; not given: any, or none. */
  readonly key?: string;
  /** To be shared by servers that stand for one service; default: an empty one. */
  readonly cache?: PromptCache;
  /** Default: a free port of 127.0.0.1. */
  readonly listen?: { readonly socket: string } | { readonly port: number };
}

export class ModelServer implements AsyncDisposable {
  /** Of all that was asked, in the order it came. */
  readonly requests: ReceivedRequest[] = [];
  readonly cache: PromptCache;
  readonly #server: Server;
  readonly #options: ModelServerOptions;
  readonly #waiting: { isWanted(request: ReceivedRequest): boolean; found(request: ReceivedRequest): void }[] = [];
  /** Replaces the script from the next request on. */
  script: Script;
  #turns = 0;

  private constructor(options: ModelServerOptions) {
    this.#options = options;
    this.script = options.script;
    this.cache = options.cache ?? new PromptCache();
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: Error) => {
        // A script that throws: said to the client, since the test that waits for it cannot see it.
        if (response.headersSent) response.destroy();
        else sendJson(response, 500, { type: 'error', error: { type: 'api_error', message: error.stack } });
      });
    });
  }

  static async start(options: ModelServerOptions): Promise<ModelServer> {
    const server = new ModelServer(options);
    const listen = options.listen ?? { port: 0 };
    if ('socket' in listen) server.#server.listen(listen.socket);
    else server.#server.listen(listen.port, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  /** Base URL without `/v1`; only where it listens on a port. */
  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  /** Requests that a model was to answer. */
  get modelRequests(): readonly ModelRequest[] {
    return this.requests.filter((request): request is ModelRequest => 'turn' in request);
  }

  /** The first request of that kind, whether it has come already or comes later. */
  received(isWanted: (request: ReceivedRequest) => boolean): Promise<ReceivedRequest> {
    const already = this.requests.find(isWanted);
    if (already !== undefined) return Promise.resolve(already);
    return new Promise((found) => this.#waiting.push({ isWanted, found }));
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const raw = await buffer(incoming);
    const n = this.requests.length + 1;
    const { method = '', url: path = '' } = incoming;
    const route = `${method} ${path.replace(/\?.*/, '')}`;
    const api = MODEL_PATHS[route];
    const body = parsed(raw);
    const request: ReceivedRequest = {
      n,
      method,
      path,
      headers: headersOf(incoming),
      raw,
      body: body ?? {},
      ended: endOf(response),
      ...(api === undefined ? {} : { api, turn: this.#turns + 1 }),
    };
    this.#keep(request);
    response.setHeader('request-id', `req_test_${n}`);
    const service = SERVICES[api ?? (path.startsWith('/v1/responses') ? 'openai' : 'anthropic')];
    const refuse = (status: number, message: string): void =>
      sendJson(response, status, service.error(status, null, message));

    if (method === 'HEAD') response.writeHead(200).end();
    else if (!this.#isLetIn(request)) refuse(401, 'invalid x-api-key');
    else if (route === 'GET /v1/models') sendJson(response, 200, { data: [], has_more: false });
    else if (body === null) refuse(400, 'the body is not a JSON object');
    else if (route === 'POST /v1/messages/count_tokens') {
      const { input, cacheRead, cacheWrite } = this.cache.messages(body).usage;
      sendJson(response, 200, { input_tokens: input + cacheRead + cacheWrite });
    } else if (isModelRequest(request)) await this.#answer(request, service, response);
    else refuse(404, `no such path: ${route}`);
  }

  async #answer(request: ModelRequest, service: Service, response: ServerResponse): Promise<void> {
    const { body, n } = request;
    const problem = service.problemOf(body);
    if (problem !== null) return sendJson(response, 400, service.error(400, null, problem));
    // Only fills the cache: no answer of the script is used up.
    const isWarming = request.api === 'anthropic' && body.max_tokens === 0;
    if (!isWarming) this.#turns += 1;
    const answer = isWarming ? ({ stop: 'max_tokens' } as const) : await answerOf(this.script, request);
    for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value);
    if (isFailure(answer)) {
      const { status, type = null, message = `scripted status ${status}` } = answer;
      return sendJson(response, status, answer.body ?? service.error(status, type, message));
    }
    const { usage, begin } = service.cached(this.cache, body);
    const output = isWarming ? 0 : tokensOf(writtenBy(answer));
    const telling = { turn: answer, usage: { ...usage, output, ...answer.usage }, body, n };
    if (body.stream === true) return sendEvents(response, service, telling, begin);
    await answer.gate?.pass();
    begin();
    sendJson(response, 200, service.whole(telling));
  }

  #keep(request: ReceivedRequest): void {
    this.requests.push(request);
    for (const waiting of this.#waiting) if (waiting.isWanted(request)) waiting.found(request);
  }

  #isLetIn({ headers }: ReceivedRequest): boolean {
    const { key } = this.#options;
    return key === undefined || headers['x-api-key'] === key || headers.authorization === `Bearer ${key}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

function isModelRequest(request: ReceivedRequest): request is ModelRequest {
  return 'turn' in request;
}

/** Null where it is no JSON object; empty where there is nothing. */
function parsed(raw: Buffer): Body | null {
  if (raw.length === 0) return {};
  try {
    const value: unknown = JSON.parse(raw.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Body) : null;
  } catch {
    return null;
  }
}

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}

function endOf(response: ServerResponse): ReceivedRequest['ended'] {
  return new Promise((resolve) => {
    response.once('close', () => {
      // A script that cuts destroys the response itself; a client that leaves takes the socket away.
      if (response.writableFinished) resolve('sent');
      else resolve(response.errored?.message === 'cut' ? 'cut' : 'left');
    });
  });
}

function sendJson(response: ServerResponse, status: number, body: Body | string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}
