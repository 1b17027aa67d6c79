/**
 * A person's shell in a running sandbox: what agents and side-cars never get there, an exec, because a person asks for it.
 * It runs as the agent does: the same user, folder, environment and limits, and no right more.
 */

import { once } from 'node:events';
import type { Duplex, Readable, Writable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { Container, Exec } from 'dockerode';
import { environmentError, usageError } from '../../errors.ts';
import type { ToolboxConfig } from '../../toolbox/config.ts';
import { engineFailure, isStatus } from './engine-errors.ts';
import { LABEL } from './names.ts';
import { AGENT_USER, WORKSPACE } from './spec.ts';
import { demultiplex } from './streams.ts';

const SHELL = '/bin/sh';
const CHOOSE_SHELL = 'command -v bash >/dev/null 2>&1 && exec bash; exec sh';
/** Nothing that anybody types: the engine would leave the shell alone at the usual Ctrl-P Ctrl-Q, and hold back every Ctrl-P. */
const DETACH_KEYS = 'ctrl-^,ctrl-@,ctrl-^,ctrl-@';
/** A coordinator holds a sandbox still for moments, while it reads what was changed. */
const PAUSED_TIMEOUT_MS = 10_000;
/** Between the end of the output and the engine's knowing of the exit code. */
const EXIT_TIMEOUT_MS = 5_000;
const LOOK_AGAIN_MS = 50;
/** What the shell's process ends with when the whole sandbox is ended. */
const GONE_EXIT_CODE = 137;

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** The person's side. */
export interface ShellStreams {
  readonly in: Readable;
  readonly out: Writable;
  readonly err: Writable;
  /** Null where no terminal is: then the shell reads commands from `in` to its end. */
  readonly terminal: { readonly type: string; size(): TerminalSize; onResize(listener: () => void): () => void } | null;
  /** Aborted when the person leaves without ending the shell. */
  readonly signal: AbortSignal;
}

export interface ShellPlace {
  readonly docker: Docker;
  readonly installation: string;
  readonly containerName: string;
}

/**
 * Runs bash, or else sh, until it ends; resolves to its exit code.
 * Errors: environment NOT_RUNNING; usage NOT_IN_IMAGE where the image has no shell.
 */
export async function runShell(place: ShellPlace, streams: ShellStreams): Promise<number> {
  const container = place.docker.getContainer(place.containerName);
  const env = await environmentOf(container, place);
  await requireShell(container, place, env);
  const { terminal } = streams;
  const withTerminal = terminal === null ? env : [...env, `TERM=${terminal.type}`];
  const exec = await create(container, place, {
    Cmd: [SHELL, '-c', CHOOSE_SHELL],
    Env: withTerminal,
    ...{ AttachStdin: true, AttachStdout: true, AttachStderr: true },
    Tty: terminal !== null,
    DetachKeys: DETACH_KEYS,
  });
  const socket = await exec.start({ hijack: true, stdin: true, Tty: terminal !== null });
  await relay(exec, socket, streams);
  return streams.signal.aborted ? GONE_EXIT_CODE : exitCodeOf(exec);
}

/** As the agent has it: the engine would add the container's own, which is for PID 1. A name alone takes a variable away. */
async function environmentOf(container: Container, place: ShellPlace): Promise<string[]> {
  const { Config, State } = await container.inspect().catch((cause) => {
    throw isStatus(cause, 404)
      ? notRunning(place)
      : engineFailure(`${place.containerName} could not be looked at`, cause);
  });
  if (!State.Running || Config.Labels[LABEL] !== place.installation) throw notRunning(place);
  const own = new Map(Config.Env.map((variable) => splitVariable(variable)));
  const toolbox = JSON.parse(own.get('ORCHESTRATE_TOOLBOX') ?? '{}') as Partial<ToolboxConfig>;
  const env = toolbox.env ?? {};
  const foreign = [...own.keys(), 'HOSTNAME'].filter((name) => !(name in env));
  return [...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...foreign];
}

function splitVariable(variable: string): readonly [string, string] {
  const at = variable.indexOf('=');
  return at < 0 ? [variable, ''] : [variable.slice(0, at), variable.slice(at + 1)];
}

/** Started apart, because the engine says that a program is missing only where nothing is attached to it. */
async function requireShell(container: Container, place: ShellPlace, env: readonly string[]): Promise<void> {
  const probe = await create(container, place, { Cmd: [SHELL, '-c', ':'], Env: [...env] });
  try {
    const answer = await probe.start({ Detach: true });
    // Its connection would be held until its end has been read.
    answer.resume();
  } catch (cause) {
    if (isStatus(cause, 409) || isStatus(cause, 404)) throw notRunning(place);
    const { Config } = await container.inspect();
    throw usageError('NOT_IN_IMAGE', `the image ${Config.Image} has no shell (${SHELL}) that could be started`, {
      hint: 'without one there is nothing to type into; orchestrate patch checkout lays a patch out on this machine',
      cause,
    });
  }
}

async function create(container: Container, place: ShellPlace, options: Docker.ExecCreateOptions): Promise<Exec> {
  const until = Date.now() + PAUSED_TIMEOUT_MS;
  for (;;) {
    try {
      return await container.exec({ ...options, User: AGENT_USER, WorkingDir: WORKSPACE, Privileged: false });
    } catch (cause) {
      if (isStatus(cause, 404)) throw notRunning(place);
      if (!isStatus(cause, 409)) throw engineFailure('the shell could not be started', cause);
      const { State } = await container.inspect();
      if (!State.Running || !State.Paused || Date.now() > until) throw notRunning(place);
      await wait(LOOK_AGAIN_MS);
    }
  }
}

function notRunning({ containerName }: ShellPlace): Error {
  return environmentError('NOT_RUNNING', `the sandbox ${containerName} does not run, or is held still`, {
    hint: 'orchestrate agents says what runs',
  });
}

/** Passes on both ways until the shell, the sandbox or the person's side ends. */
async function relay(exec: Exec, socket: Duplex, streams: ShellStreams): Promise<void> {
  const { terminal, signal } = streams;
  const leave = (): void => void socket.destroy();
  signal.addEventListener('abort', leave, { once: true });
  if (signal.aborted) leave();
  const resize = (): void => {
    if (terminal === null) return;
    const { columns: w, rows: h } = terminal.size();
    // It may have ended at this moment.
    exec.resize({ w, h }).catch(() => {});
  };
  resize();
  const unwatch = terminal?.onResize(resize);
  streams.in.pipe(socket);
  try {
    if (terminal !== null) for await (const bytes of socket) await write(streams.out, bytes as Buffer);
    else {
      for await (const { stream, data } of demultiplex(socket)) {
        await write(stream === 'stderr' ? streams.err : streams.out, data);
      }
    }
  } catch (error) {
    // However the connection ends, the shell's exit code is what counts.
    if (!signal.aborted && !(error instanceof Error && 'code' in error)) throw error;
  } finally {
    streams.in.unpipe(socket);
    streams.in.pause();
    unwatch?.();
    signal.removeEventListener('abort', leave);
    socket.destroy();
  }
}

async function write(out: Writable, data: Buffer): Promise<void> {
  if (!out.write(data)) await once(out, 'drain');
}

async function exitCodeOf(exec: Exec): Promise<number> {
  const until = Date.now() + EXIT_TIMEOUT_MS;
  for (;;) {
    const found = await exec.inspect().catch(() => null);
    // With its container the engine forgets it.
    if (found === null) return GONE_EXIT_CODE;
    if (!found.Running && found.ExitCode !== null) return found.ExitCode;
    if (Date.now() > until) throw environmentError('SHELL_LOST', 'the connection to the shell was lost');
    await wait(LOOK_AGAIN_MS);
  }
}
