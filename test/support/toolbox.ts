/** A toolbox that serves tools, as a process of its own, and the gateway that it dials, reduced to passing calls on. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, link, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Caller } from '../../src/session/caller.ts';
import type { ToolboxConfig } from '../../src/toolbox/config.ts';
import { remoteToolbox } from '../../src/toolbox/remote-toolbox.ts';
import type { ToolAnswer, Toolbox, ToolCall } from '../../src/toolbox/toolbox.ts';

const PROGRAM = path.join(import.meta.dirname, 'toolbox-program.ts');
const TOKEN = 'a'.repeat(64);
/** Where systems have a sub-reaper; without one what a killed shell leaves goes to the system's own first process. */
const REAPERS = ['/usr/bin/tini', '/usr/bin/docker-init', '/usr/libexec/docker/docker-init'];

/** The gateway's end of a toolbox's connection. */
export class GatewayEnd implements AsyncDisposable {
  readonly #server: Server;
  readonly #waiting = new Set<() => void>();
  #caller: Caller | null = null;
  /** Upgrades so far. */
  connections = 0;
  #refused: () => void = () => {};
  readonly #refusal = new Promise<void>((resolve) => {
    this.#refused = resolve;
  });

  private constructor(
    readonly socket: string,
    readonly token: string,
  ) {
    this.#server = createServer();
    this.#server.on('upgrade', (request, socket, head) => {
      const isOurs =
        request.url === '/toolbox' &&
        request.headers.upgrade === 'orchestrate-session' &&
        request.headers.authorization === `Bearer ${token}`;
      if (!isOurs) {
        this.#refused();
        socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
        return;
      }
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: orchestrate-session\r\n\r\n');
      if (head.length > 0) socket.unshift(head);
      this.#connected(socket);
    });
  }

  static async listen(socket: string, token: string): Promise<GatewayEnd> {
    const gateway = new GatewayEnd(socket, token);
    gateway.#server.listen(socket);
    await once(gateway.#server, 'listening');
    return gateway;
  }

  #connected(socket: Duplex): void {
    socket.on('error', () => {});
    this.connections += 1;
    this.#caller = new Caller(socket);
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Resolves when somebody was not let in. */
  refusal(): Promise<void> {
    return this.#refusal;
  }

  /** The session to the toolbox, as soon as there is one. */
  async session(): Promise<Caller> {
    while (this.#caller === null || this.#caller.isClosed) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
    return this.#caller;
  }

  /** The toolbox that has dialled in, or dials in later. */
  toolbox(gone: AbortSignal = new AbortController().signal): Toolbox {
    return remoteToolbox(async (method, params) => (await this.session()).call(method, params).result, gone);
  }

  /** As when the gateway or the relay behind it is killed. */
  cut(): void {
    this.#caller?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    this.#server.closeAllConnections();
    await rm(this.socket, { force: true });
  }
}

/** A sandbox reduced to its toolbox: a workspace and a home in a temporary folder, all gone with it. */
export class LocalToolbox implements Toolbox, AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #toolbox: Toolbox;
  readonly #never = new AbortController().signal;
  readonly ended: Promise<number | null>;

  private constructor(
    readonly folder: string,
    readonly gateway: GatewayEnd,
    child: ChildProcess,
  ) {
    this.#child = child;
    const gone = new AbortController();
    this.#toolbox = gateway.toolbox(gone.signal);
    this.ended = new Promise((resolve) => child.once('exit', resolve));
    void this.ended.then(() => gone.abort(new Error('the toolbox has ended')));
  }

  static async start(options: { readonly path?: string } = {}): Promise<LocalToolbox> {
    const folder = await realpath(await mkdtemp(path.join(tmpdir(), 'toolbox-')));
    for (const name of ['bin', 'home', 'workspace']) await mkdir(path.join(folder, name));
    const node = path.join(folder, 'bin/node');
    await link(process.execPath, node).catch(() => copyFile(process.execPath, node));
    await layReaper(path.join(folder, 'bin/tini'));
    const socket = path.join(folder, 'gateway.sock');
    const gateway = await GatewayEnd.listen(socket, TOKEN);
    const config: ToolboxConfig = {
      argv: [],
      env: { HOME: path.join(folder, 'home'), PATH: options.path ?? process.env.PATH ?? '', LC_ALL: 'C.UTF-8' },
      cwd: path.join(folder, 'workspace'),
      folders: [],
      oneStream: false,
      forward: null,
      deadlineMs: null,
      graceMs: 1_000,
      tools: { socket, token: TOKEN },
    };
    const loader = fileURLToPath(import.meta.resolve('tsx'));
    const child = spawn(node, ['--import', loader, PROGRAM], {
      env: { ORCHESTRATE_TOOLBOX: JSON.stringify(config) },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    return new LocalToolbox(folder, gateway, child);
  }

  /** Of process 1. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  inWorkspace(...parts: string[]): string {
    return path.join(this.folder, 'workspace', ...parts);
  }

  call(call: ToolCall, signal = this.#never): Promise<ToolAnswer> {
    return this.#toolbox.call(call, signal);
  }

  acknowledge(n: number): Promise<void> {
    return this.#toolbox.acknowledge(n);
  }

  finish(): Promise<void> {
    return this.#toolbox.finish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
    await this.gateway[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}

async function layReaper(file: string): Promise<void> {
  for (const reaper of REAPERS) {
    try {
      return await copyFile(reaper, file);
    } catch {
      // Not here.
    }
  }
  await writeFile(file, '#!/bin/sh\nshift 2\nexec "$@"\n', { mode: 0o755 });
}
