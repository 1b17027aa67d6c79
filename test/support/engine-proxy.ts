/**
 * A Unix socket in front of a Docker engine's, which misbehaves when a test wants it to. It passes bytes on as they are
 * (keep-alive connections, hijacked streams) and reads no more of them than where each request and its reply begin.
 */

import { once } from 'node:events';
import { rename, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { type RequestHead, RequestReader } from './request-reader.ts';

/** A request on its way; until whoever was told of it is done with it, it waits. */
export interface Passing extends RequestHead {
  /** Closes the connection it came on: nothing more of it passes. */
  close(): void;
}

/** Which requests, and when: before the engine has it (`request`), or once the engine has answered and nobody knows (`reply`). */
export interface Passage {
  readonly method: string;
  /** Of the path without its version, query included: `/containers/create?name=…&…`. */
  readonly path: RegExp;
  readonly at: 'request' | 'reply';
}

interface Rule extends Passage {
  act(passing: Passing): Promise<void> | void;
}

const DEFAULT_ENGINE = '/var/run/docker.sock';

export class EngineProxy implements AsyncDisposable {
  readonly #engine: string;
  readonly #rules = new Set<Rule>();
  readonly #pairs = new Set<Pair>();
  #server: Server | null = null;
  /** New requests wait for it. */
  readonly #requests = new Gate();
  /** All bytes wait for it. */
  readonly #bytes = new Gate();
  #delayMs = 0;

  private constructor(
    readonly socket: string,
    engine: string,
  ) {
    this.#engine = engine;
  }

  /** Listens on `socket`. @param engine the socket of the real one (default: the one of DOCKER_HOST, or the usual one) */
  static async open(socket: string, engine?: string): Promise<EngineProxy> {
    const named = process.env.DOCKER_HOST?.replace(/^unix:\/\//, '');
    const proxy = new EngineProxy(socket, engine ?? named ?? DEFAULT_ENGINE);
    await proxy.#listen();
    return proxy;
  }

  /** For the environment of what is to go through it. */
  get dockerHost(): string {
    return `unix://${this.socket}`;
  }

  /** All is well (again): what was refused is accepted, what hung or was frozen goes on. Rules stay. */
  async pass(): Promise<void> {
    this.#delayMs = 0;
    this.#requests.open();
    this.#bytes.open();
    if (this.#server === null) await this.#listen();
  }

  /** The engine is gone: what is connected is cut off, and nobody connects (ECONNREFUSED). */
  async refuse(): Promise<void> {
    if (this.#server !== null) {
      // Closing removes the socket's file, and a file without a listener is what a killed engine leaves.
      const aside = `${this.socket}.aside`;
      await rename(this.socket, aside);
      this.#server.close();
      this.#server = null;
      await rename(aside, this.socket);
    }
    this.cut();
  }

  /** Accepts, and answers no request that comes from now on. What is under way goes on. */
  hang(): void {
    this.#requests.shut();
  }

  /** Whatever is connected stays so, and carries no bytes any more, nor does what connects. */
  freeze(): void {
    this.#bytes.shut();
  }

  /** Closes whatever is connected. */
  cut(): void {
    for (const pair of this.#pairs) pair.close();
  }

  /** Each request reaches the engine so much later. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** The engine does what the next such request asks, and the connection closes in place of the reply. Resolves then. */
  loseReply(method: string, path: RegExp): Promise<void> {
    return this.#closeAt({ method, path, at: 'reply' });
  }

  /** The next such request does not reach the engine: its connection closes. Resolves then. */
  dieBefore(method: string, path: RegExp): Promise<void> {
    return this.#closeAt({ method, path, at: 'request' });
  }

  /** Resolves when the next such request (or its reply) passes, and does not hold it. */
  passed(passage: Passage): Promise<RequestHead> {
    return new Promise((resolve) => {
      const remove = this.on(passage, (passing) => {
        remove();
        resolve(passing);
      });
    });
  }

  /** Does something with each such request, which waits for it. Returns how to stop that. */
  on(passage: Passage, act: (passing: Passing) => Promise<void> | void): () => void {
    const rule = { ...passage, act };
    this.#rules.add(rule);
    return () => void this.#rules.delete(rule);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#rules.clear();
    this.#server?.close();
    this.cut();
    this.#requests.open();
    this.#bytes.open();
    await rm(this.socket, { force: true });
  }

  #closeAt(passage: Passage): Promise<void> {
    return new Promise((resolve) => {
      const remove = this.on(passage, (passing) => {
        remove();
        passing.close();
        resolve();
      });
    });
  }

  async #listen(): Promise<void> {
    await rm(this.socket, { force: true });
    const server = createServer({ allowHalfOpen: true }, (client) => {
      const pair = new Pair(client, connect({ path: this.#engine, allowHalfOpen: true }));
      this.#pairs.add(pair);
      const carried = [this.#carryRequests(pair), this.#carryReplies(pair)];
      // Either side may go at any time: the other one is told by its connection's end.
      for (const direction of carried) direction.catch(() => pair.close());
      void Promise.allSettled(carried).then(() => this.#pairs.delete(pair));
    });
    server.listen(this.socket);
    await once(server, 'listening');
    this.#server = server;
  }

  async #carryRequests(pair: Pair): Promise<void> {
    const reader = new RequestReader();
    for await (const bytes of whole(pair.client)) {
      for (const piece of reader.feed(bytes)) {
        if (piece.head !== null) {
          await this.#requests.opened;
          if (this.#delayMs > 0) await wait(this.#delayMs);
          await this.#tell(piece.head, 'request', pair);
          pair.asked = piece.head;
        }
        await this.#bytes.opened;
        await written(pair.engine, piece.bytes);
      }
    }
    pair.engine.end();
  }

  async #carryReplies(pair: Pair): Promise<void> {
    for await (const bytes of whole(pair.engine)) {
      const { asked } = pair;
      pair.asked = null;
      if (asked !== null) await this.#tell(asked, 'reply', pair);
      await this.#bytes.opened;
      await written(pair.client, bytes);
    }
    pair.client.end();
  }

  async #tell(head: RequestHead, at: Passage['at'], pair: Pair): Promise<void> {
    for (const rule of this.#rules) {
      if (rule.at !== at || rule.method !== head.method || !rule.path.test(head.path)) continue;
      await rule.act({ ...head, close: () => pair.close() });
    }
  }
}

/** A client's connection and the one to the engine for it. */
class Pair {
  /** What was asked and has no answer yet. */
  asked: RequestHead | null = null;

  constructor(
    readonly client: Socket,
    readonly engine: Socket,
  ) {
    for (const socket of [client, engine]) {
      socket.on('error', () => this.close());
      // Not only ended: gone.
      socket.on('close', (hadError) => hadError && this.close());
    }
  }

  close(): void {
    this.client.destroy();
    this.engine.destroy();
  }
}

/** Something to wait at while it is shut. */
class Gate {
  opened: Promise<void> = Promise.resolve();
  #open: (() => void) | null = null;

  shut(): void {
    if (this.#open !== null) return;
    this.opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  open(): void {
    this.#open?.();
    this.#open = null;
  }
}

/** What arrives, to its end; the other direction goes on after that. */
function whole(socket: Socket): AsyncIterable<Buffer> {
  return socket.iterator({ destroyOnReturn: false });
}

function written(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => socket.write(bytes, (error) => (error ? reject(error) : resolve())));
}
