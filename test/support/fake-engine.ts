/** The edge of a Docker engine on a Unix socket, as a test scripts it: what answers, what does not, what is cut off. */

import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Docker from 'dockerode';

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

export class FakeEngine implements AsyncDisposable {
  /** What was asked so far: `POST /containers/x/start`. */
  readonly asked: string[] = [];
  readonly docker: Docker;
  /** For calls that nobody scripted; null: they are never answered. */
  otherwise: Answer | null = null;
  readonly #answers = new Map<string, Answer>();
  readonly #folder: string;
  #server: Server | null = null;
  #isHanging = false;

  private constructor(folder: string) {
    this.#folder = folder;
    this.docker = new Docker({ socketPath: this.socket });
  }

  get socket(): string {
    return path.join(this.#folder, 'docker.sock');
  }

  static async start(): Promise<FakeEngine> {
    const engine = new FakeEngine(await mkdtemp(path.join(tmpdir(), 'fake-engine-')));
    engine.answer('GET /_ping', (response) => response.end('OK'));
    engine.answer('GET /events', (response) => response.flushHeaders());
    await engine.up();
    return engine;
  }

  answer(call: string, answer: Answer): void {
    this.#answers.set(call, answer);
  }

  async up(): Promise<void> {
    this.#isHanging = false;
    if (this.#server !== null) return;
    const server = createServer((request, response) => {
      const call = `${request.method} ${(request.url ?? '').replace(/\?.*/, '')}`;
      this.asked.push(call);
      request.resume();
      if (!this.#isHanging) (this.#answers.get(call) ?? this.otherwise)?.(response, request);
    });
    server.listen(this.socket);
    await once(server, 'listening');
    this.#server = server;
  }

  /** Nobody connects any more, and what is connected is cut off. */
  down(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
    this.#server = null;
  }

  /** Cuts off what is connected and accepts at once, as where a service manager keeps the socket of one started anew. */
  restart(): void {
    this.#server?.closeAllConnections();
  }

  /** Accepts, and answers nothing. */
  hang(): void {
    this.#isHanging = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.down();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

export function json(value: unknown, status = 200): Answer {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(value));
  };
}

/** It has done what was asked for, and nobody is told. */
export const lost: Answer = (_, request) => request.socket.destroy();
