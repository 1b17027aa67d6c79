/** A lasting way to the engine of another machine by ssh: made again whenever it broke, until it is disposed of. */

import { Agent, type AgentOptions } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { SshTarget } from '../../config/host-url.ts';
import { OrchestrateError } from '../../errors.ts';
import type { Environment } from './endpoint.ts';
import { isLasting, socketFault, socketLook, sshFault, unreachable } from './ssh-faults.ts';
import { askOverSsh, SshProcess } from './ssh-process.ts';

/** Before the first try to make it again, milliseconds; twice as much before each further one … */
const FIRST_PAUSE_MS = 500;
/** … up to this much, … */
const MOST_PAUSE_MS = 8_000;
/** … and this much where somebody has to do something first. */
const LASTING_PAUSE_MS = 30_000;
/** One that held for so long is made again without delay. */
const STEADY_MS = 10_000;
/** So long a new connection to the engine waits for the tunnel to be back. */
const PATIENCE_MS = 20_000;

export class SshTunnel implements AsyncDisposable {
  readonly #target: SshTarget;
  readonly #env: Environment;
  /** Null while there is none. */
  #ssh: SshProcess | null = null;
  #fault: OrchestrateError | null = null;
  #isOver = false;
  #timer: NodeJS.Timeout | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  readonly #waiting = new Set<() => void>();

  private constructor(target: SshTarget, env: Environment) {
    this.#target = target;
    this.#env = env;
  }

  /** There is a connection. Rejects with the faults of `sshFault`; tries once only. */
  static async open(target: SshTarget, env: Environment): Promise<SshTunnel> {
    const tunnel = new SshTunnel(target, env);
    tunnel.#keep(await SshProcess.start(target, env, { holds: true }));
    return tunnel;
  }

  /** Why there is no connection at present; null while there is one, or where the reason is not known yet. */
  get fault(): OrchestrateError | null {
    return this.#fault;
  }

  /** An agent whose connections go through it; they wait a while where it is being made again. */
  agent(options: AgentOptions): Agent {
    return new TunnelAgent(this, options);
  }

  /** A new connection to the engine. Rejects with a connection error whose cause is the fault, if that is known. */
  async connect(): Promise<Socket> {
    const late = performance.now() + PATIENCE_MS;
    const isLate = (): boolean => this.#isOver || this.#isStuck || performance.now() > late;
    for (;;) {
      const ssh = this.#ssh;
      const socket = ssh === null ? null : await connected(ssh.socketPath);
      if (socket !== null) return socket;
      if (isLate()) throw refused(this.#fault ?? unreachable(this.#target, 'the connection is broken'));
      // It ends, and that is not known yet, or there is none.
      if (this.#ssh === ssh) await this.#change(late - performance.now());
    }
  }

  /** Why the engine's socket over there lets nobody in, as far as the user's own account can see. */
  async whyClosed(): Promise<OrchestrateError> {
    const said = await askOverSsh(this.#target, socketLook(this.#target), this.#env);
    return socketFault(this.#target, said ?? '');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#timer);
    const ssh = this.#ssh;
    this.#ssh = null;
    this.#tell();
    await ssh?.[Symbol.asyncDispose]();
  }

  #keep(ssh: SshProcess): void {
    this.#ssh = ssh;
    this.#fault = null;
    const since = performance.now();
    this.#tell();
    void ssh.ended.then(() => {
      if (this.#isOver) return;
      this.#ssh = null;
      this.#fault = sshFault(this.#target, ssh.said);
      if (performance.now() - since > STEADY_MS) this.#pauseMs = FIRST_PAUSE_MS;
      this.#planAgain();
    });
  }

  #planAgain(): void {
    this.#tell();
    const pauseMs = (this.#isStuck ? LASTING_PAUSE_MS : this.#pauseMs) * (1 + Math.random() / 4);
    this.#pauseMs = Math.min(this.#pauseMs * 2, MOST_PAUSE_MS);
    this.#timer = setTimeout(() => void this.#again(), pauseMs);
    // Whoever waits for it keeps the process alive.
    this.#timer.unref();
  }

  async #again(): Promise<void> {
    try {
      const ssh = await SshProcess.start(this.#target, this.#env, { holds: false });
      if (this.#isOver) await ssh[Symbol.asyncDispose]();
      else this.#keep(ssh);
    } catch (error) {
      if (this.#isOver) return;
      this.#fault = error instanceof OrchestrateError ? error : unreachable(this.#target, String(error));
      this.#planAgain();
    }
  }

  get #isStuck(): boolean {
    return this.#fault !== null && isLasting(this.#fault);
  }

  #tell(): void {
    for (const waiting of [...this.#waiting]) waiting();
  }

  /** Until something changed, or that much time has passed. */
  #change(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const over = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(over);
        resolve();
      };
      const timer = setTimeout(over, limitMs);
      this.#waiting.add(over);
    });
  }
}

class TunnelAgent extends Agent {
  readonly #tunnel: SshTunnel;

  constructor(tunnel: SshTunnel, options: AgentOptions) {
    super(options);
    this.#tunnel = tunnel;
  }

  /** What node calls for each new connection (`http.Agent`); the types leave it out. */
  createConnection(_options: unknown, made: (error: Error | null, connection?: Socket) => void): void {
    this.#tunnel.connect().then(
      (socket) => made(null, socket),
      (error: Error) => made(error),
    );
  }
}

/** Null where nobody listens. */
function connected(socketPath: string): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once('error', () => resolve(null));
    socket.once('connect', () => resolve(socket));
  });
}

/** Like the answer of a machine that listens to nobody: calls that may be repeated are, once it is back. */
function refused(fault: OrchestrateError): Error {
  return Object.assign(new Error(fault.message, { cause: fault }), { code: 'ECONNREFUSED' });
}
