/** Gateways for tests: the real program as a child process on sockets in a temporary folder, with its client. */

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { type DialFor, GatewayClient, type GatewayTransport } from '../../src/gateway/client.ts';
import type { AttemptAccess, Configuration, GatewayEvent } from '../../src/gateway/protocol.ts';
import { duplexOf } from './keeper.ts';
import { compiledProgram } from './programs.ts';

export const KEY = 'sk-test-the-real-key';
export const MODEL = 'model-a';
/** Round figures: a million tokens cost so many dollars. */
const PRICE = { input: 1, output: 10, cacheRead: 0.1, cacheWrite: 1.25 };

function randomToken(): string {
  return randomBytes(32).toString('hex');
}

export function configuration(baseUrl: string, changes: Partial<Configuration> = {}): Configuration {
  return {
    upstreams: [
      { api: 'anthropic', baseUrl, auth: { header: 'x-api-key', value: KEY }, via: 'direct' },
      { api: 'openai', baseUrl, auth: { header: 'authorization', value: `Bearer ${KEY}` }, via: 'direct' },
    ],
    egressVia: 'direct',
    extraCa: null,
    prices: { [MODEL]: PRICE },
    caps: { usd: null, tokens: null },
    spent: { usd: 0, tokens: 0 },
    ...changes,
  };
}

export function access(attempt: string, changes: Partial<AttemptAccess> = {}): AttemptAccess {
  return {
    attempt,
    token: randomToken(),
    toolboxToken: randomToken(),
    apis: ['anthropic', 'openai'],
    models: null,
    allow: [],
    caps: { usd: null, tokens: null },
    ...changes,
  };
}

export interface Reply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

/** Resolves when the answer is over, however it ended. */
export async function closed(response: http.IncomingMessage): Promise<void> {
  response.on('error', () => {}).resume();
  if (!response.closed) await new Promise<void>((resolve) => response.once('close', resolve));
}

/** What an agent's client may vary. */
export interface Sent {
  readonly token?: string;
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

export class LocalGateway implements AsyncDisposable {
  readonly events: GatewayEvent[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #over = new AbortController();
  private constructor(
    readonly folder: string,
    readonly program: string,
    /** The program itself; another one after a restart. */
    public child: ChildProcess,
    readonly client: GatewayClient,
    /** Every bridge that the client opened, the newest last. */
    readonly bridges: readonly ChildProcess[],
  ) {}

  /** @param onTold gets every byte that the client sends to the gateway */
  static async start(dial: DialFor = dialHere, onTold?: (bytes: Buffer) => void): Promise<LocalGateway> {
    const program = await compiledProgram('gateway', ['main.ts', 'bridge.ts']);
    const folder = await mkdtemp(path.join(tmpdir(), 'gateway-'));
    const bridges: ChildProcess[] = [];
    const open = async () => openBridge(program, folder, bridges, onTold);
    const client = new GatewayClient({ open }, dial);
    const gateway = new LocalGateway(folder, program, serve(program, folder), client, bridges);
    void gateway.#follow();
    return gateway;
  }

  /** What another coordinator would use. */
  newClient(dial: DialFor = dialHere): GatewayClient {
    return new GatewayClient(this.transport(), dial);
  }

  transport(): GatewayTransport {
    return { open: async () => openBridge(this.program, this.folder, []) };
  }

  get socket(): string {
    return path.join(this.folder, 'a/gateway.sock');
  }

  /** Resolves with the first event, old or new, that is wanted. */
  async event<T extends GatewayEvent['type']>(
    type: T,
    isWanted: (event: Extract<GatewayEvent, { type: T }>) => boolean = () => true,
  ): Promise<Extract<GatewayEvent, { type: T }>> {
    for (;;) {
      for (const event of this.events) if (isOf(event, type) && isWanted(event)) return event;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** A request as an agent's client makes it. */
  async ask(sent: Sent): Promise<Reply> {
    const response = await this.begin(sent);
    return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) };
  }

  /** The same up to the answer's head. */
  async begin({ token, method = 'POST', path: asked = '/v1/messages', headers = {}, body, signal }: Sent) {
    const auth = token === undefined ? {} : { 'x-api-key': token };
    const content = method === 'POST' ? body : undefined;
    const request = http.request({
      socketPath: this.socket,
      method,
      path: asked,
      headers: { 'content-type': 'application/json', ...auth, ...headers },
      ...(signal === undefined ? {} : { signal }),
    });
    // Answered before all of its body was taken, its connection may be cut off under what is still being sent.
    request.on('error', () => {});
    request.end(content === undefined || Buffer.isBuffer(content) ? content : JSON.stringify(content));
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    return response;
  }

  /** Sends bytes as they are; what came back until the gateway closed. */
  async raw(...pieces: readonly (string | Buffer)[]): Promise<string> {
    const socket = connect(this.socket);
    socket.on('error', () => {});
    await once(socket, 'connect');
    for (const piece of pieces) socket.write(piece);
    return text(socket).catch(() => '');
  }

  /** Ends the program as a machine would and starts another on the same sockets. */
  async restart(): Promise<void> {
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
    this.child = serve(this.program, this.folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.client[Symbol.asyncDispose]();
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGKILL');
      await once(this.child, 'exit');
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  async #follow(): Promise<void> {
    for await (const event of this.client.events(0, this.#over.signal)) {
      this.events.push(event);
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }
}

function isOf<T extends GatewayEvent['type']>(
  event: GatewayEvent,
  type: T,
): event is Extract<GatewayEvent, { type: T }> {
  return event.type === type;
}

function openBridge(
  program: string,
  folder: string,
  bridges: ChildProcess[],
  onTold: (bytes: Buffer) => void = () => {},
): Duplex {
  const child = spawn(process.execPath, [path.join(program, 'bridge.js'), path.join(folder, 'c/control.sock')]);
  bridges.push(child);
  const bridge = duplexOf(child);
  const write = bridge._write.bind(bridge);
  bridge._write = (chunk: Buffer, encoding, done) => {
    onTold(chunk);
    write(chunk, encoding, done);
  };
  return bridge;
}

function serve(program: string, folder: string): ChildProcess {
  const sockets = [path.join(folder, 'a/gateway.sock'), path.join(folder, 'c/control.sock')];
  return spawn(process.execPath, [path.join(program, 'main.js'), 'serve', ...sockets], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

async function dialHere({ host, port }: { readonly host: string; readonly port: number }) {
  const socket = connect(port, host);
  await once(socket, 'connect');
  return socket;
}
