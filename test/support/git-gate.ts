/** A `git` on the PATH that stops at a call which a test has named, before or after the real one has done its work. */

import { once } from 'node:events';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import type { Held, Placed } from './held.ts';

/** Which calls: those whose arguments contain the words; and which of them, counted from 1. */
export interface GitCall {
  readonly words: string;
  readonly at: 'before' | 'after';
  readonly occurrence: number;
}

/** `wanted` says what to stop at, numbered folders count, and the other end of the socket says how to go on. */
const GIT = `#!/bin/sh
PATH="$HELD_GIT_PATH"
at= occurrence= words=
[ -e "$HELD_GIT/wanted" ] && read -r at occurrence words <"$HELD_GIT/wanted"
case "$at $*" in
  [ba]*" "*"$words"*) ;;
  *) exec git "$@" ;;
esac
n=1
until mkdir "$HELD_GIT/$n" 2>/dev/null; do n=$((n + 1)); done
[ "$n" = "$occurrence" ] || exec git "$@"
code=0
[ "$at" = before ] || { git "$@"; code=$?; }
ask='require("node:net").connect(process.argv[1]).pipe(process.stdout)'
answer=$("$HELD_GIT_NODE" -e "$ask" "$HELD_GIT/../socket" </dev/null)
[ "$answer" = go ] || kill -9 $$
[ "$at" = after ] || exec git "$@"
exit $code
`;

export class GitGate implements AsyncDisposable {
  readonly #sockets = new Set<Socket>();
  #placed = 0;

  private constructor(
    private readonly folder: string,
    private readonly server: Server,
  ) {}

  /** Makes it in a folder of its own. */
  static async create(folder: string): Promise<GitGate> {
    await mkdir(path.join(folder, 'bin'), { recursive: true });
    await writeFile(path.join(folder, 'bin/git'), GIT);
    await chmod(path.join(folder, 'bin/git'), 0o755);
    const server = createServer().listen(path.join(folder, 'socket'));
    await once(server, 'listening');
    return new GitGate(folder, server);
  }

  /** Stops at that call, once, in a process that is started with `env`. */
  async place(call: GitCall): Promise<Placed & { readonly env: Readonly<Record<string, string>> }> {
    this.#placed += 1;
    const place = path.join(this.folder, String(this.#placed));
    await mkdir(place);
    await writeFile(path.join(place, 'wanted'), `${call.at} ${call.occurrence} ${call.words}\n`);
    const real = process.env.PATH ?? '/usr/bin:/bin';
    const reached = new Promise<Held>((resolve) => {
      this.server.removeAllListeners('connection').once('connection', (socket: Socket) => {
        this.#sockets.add(socket);
        // Whoever waits at the other end may have been killed.
        socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
        resolve({ release: () => void socket.end('go'), drop: () => void socket.end('die') });
      });
    });
    return {
      reached,
      withdraw: () => void this.server.removeAllListeners('connection'),
      env: {
        ...{ PATH: `${this.folder}/bin:${real}`, HELD_GIT_PATH: real, HELD_GIT: place },
        HELD_GIT_NODE: process.execPath,
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.server.close();
  }
}
