/**
 * One OpenSSH client that forwards a socket of this machine to the engine's socket of another, with the user's keys, agent,
 * configuration and known hosts. It asks nothing, and ends with this process, however that ends.
 */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { execa } from 'execa';
import type { SshTarget } from '../../config/host-url.ts';
import type { Environment } from './endpoint.ts';
import { sshFault, unreachable } from './ssh-faults.ts';

/** Until the forwarded socket is there, milliseconds: a slow link, a key in a token that wants to be touched. */
const CONNECT_LIMIT_MS = 30_000;
/** From one look for the socket to the next. */
const LOOK_EVERY_MS = 20;
/** For what ssh printed last, once it has ended. */
const LAST_WORDS_MS = 500;
const WORDS_LIMIT = 16_384;
/** Of the path of a socket: 104 bytes where it is shortest. */
const SOCKET_PATH_LIMIT = 100;

/**
 * Whatever the user's configuration says: no questions, no unknown key, no connection but this one (one that others share
 * ends when they say so), a dead link noticed after 5 × (4 + 1) = 25 s.
 */
const OPTIONS = [
  ...['BatchMode=yes', 'StrictHostKeyChecking=yes', 'ControlMaster=no', 'ControlPath=none'],
  ...['ConnectTimeout=10', 'ConnectionAttempts=1', 'ServerAliveInterval=5', 'ServerAliveCountMax=4'],
  // A forwarding of the user's own may be in use by another ssh.
  ...['ExitOnForwardFailure=no', 'StreamLocalBindMask=0177', 'StreamLocalBindUnlink=yes'],
  ...['ForwardAgent=no', 'ForwardX11=no', 'PermitLocalCommand=no', 'RemoteCommand=none', 'LogLevel=INFO'],
].flatMap((option) => ['-o', option]);

/**
 * Holds ssh: ends it when its own input ends, which the kernel sees to when this process is gone, and removes the folder of
 * the socket ($0). A group of its own: a Ctrl-C on the terminal is not for it.
 */
const HOLDER = `exec 3<&0
"$@" </dev/null & ssh=$!
{ read -r _ <&3; kill "$ssh"; } 2>/dev/null & reader=$!
wait "$ssh"; code=$?
kill "$reader" 2>/dev/null
rm -rf -- "$0"
exit "$code"`;

export class SshProcess implements AsyncDisposable {
  /** Ended, by itself or not. Never rejects. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcessByStdio<Writable, null, Readable>;
  #said = '';
  #hasEnded = false;

  private constructor(
    readonly target: SshTarget,
    /** Connections to it reach the engine's socket over there. */
    readonly socketPath: string,
    env: Environment,
  ) {
    const forward = `${socketPath}:${target.socket}`;
    const command = ['ssh', '-N', '-T', ...OPTIONS, '-L', forward, ...destination(target)];
    const folder = join(socketPath, '..');
    const child = spawn('/bin/sh', ['-c', HOLDER, folder, ...command], {
      ...{ stdio: ['pipe', 'ignore', 'pipe'], detached: true },
      env: { ...env },
    });
    this.#child = child;
    child.stdin.on('error', () => {});
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#said = `${this.#said}${text}`.slice(-WORDS_LIMIT);
    });
    this.ended = new Promise((resolve) => {
      const over = (): void => {
        this.#hasEnded = true;
        resolve();
      };
      child.once('error', over);
      child.once('close', over);
      // A helper of the user's configuration may hold its stderr longer.
      child.once('exit', () => setTimeout(over, LAST_WORDS_MS));
    });
  }

  /**
   * Connected and forwarding. Keeps no process alive, but until then where `holds` says so.
   * Rejects with the faults of `sshFault`.
   */
  static async start(target: SshTarget, env: Environment, { holds }: { readonly holds: boolean }): Promise<SshProcess> {
    const folder = await mkdtemp(join(folderForSockets(env), 'orchestrate-ssh-'));
    const ssh = new SshProcess(target, join(folder, 'docker.sock'), env);
    try {
      ssh.#unref();
      await ssh.#listening(holds);
      return ssh;
    } catch (error) {
      await ssh[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What it wrote to stderr, the newest 16 KiB. */
  get said(): string {
    return this.#said;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.ref();
    this.#child.stdin.end();
    await this.ended;
  }

  async #listening(ref: boolean): Promise<void> {
    const late = performance.now() + CONNECT_LIMIT_MS;
    let isThere = false;
    // Once more after it is there: it is bound before it listens.
    while (!isThere) {
      isThere = existsSync(this.socketPath);
      await Promise.race([pause(LOOK_EVERY_MS, undefined, { ref }), this.ended]);
      if (this.#hasEnded) throw sshFault(this.target, this.#said);
      if (performance.now() > late) throw unreachable(this.target, `no connection within ${CONNECT_LIMIT_MS / 1000} s`);
    }
  }

  #unref(): void {
    this.#child.unref();
    for (const pipe of [this.#child.stdin, this.#child.stderr]) {
      if ('unref' in pipe && typeof pipe.unref === 'function') pipe.unref();
    }
  }
}

/** What a command of the user's account over there prints; null where it cannot be run. */
export async function askOverSsh(target: SshTarget, command: string, env: Environment): Promise<string | null> {
  const result = await execa('ssh', ['-T', ...OPTIONS, ...destination(target), command], {
    ...{ env: { ...env }, extendEnv: false, reject: false, stdin: 'ignore', timeout: CONNECT_LIMIT_MS },
  });
  return result.failed ? null : result.stdout.trim();
}

function destination({ user, host, port }: SshTarget): readonly string[] {
  return [...(user === null ? [] : ['-l', user]), ...(port === null ? [] : ['-p', String(port)]), '--', host];
}

/** One whose path is short enough for a socket, and means itself to ssh. */
function folderForSockets(env: Environment): string {
  const isUsable = (folder: string): boolean =>
    /^\/[A-Za-z0-9_./-]*$/.test(folder) &&
    `${folder}/orchestrate-ssh-123456/docker.sock`.length <= SOCKET_PATH_LIMIT &&
    existsSync(folder);
  return [env.XDG_RUNTIME_DIR ?? '', tmpdir()].find(isUsable) ?? '/tmp';
}
