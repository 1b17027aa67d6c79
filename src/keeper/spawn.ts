/** Programs that the keeper runs: git, getfattr, rm. Fixed environment, bounded output, dead when the session ends. */

import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { CallFault } from '../session/protocol.ts';

export interface SpawnOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** No configuration or attributes of a user or a machine, no replaced objects, no prompts. */
const ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_NO_REPLACE_OBJECTS: '1',
  GIT_TERMINAL_PROMPT: '0',
};

/** Only the end of what a program complains is worth keeping, in bytes. */
const COMPLAINT = 4096;

const running = new Set<ChildProcess>();

/** Ends what still runs, at once. */
export function killAll(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** Starts a program whose pipes the caller minds. */
export function start(argv: readonly [string, ...string[]], options: SpawnOptions): ChildProcessWithoutNullStreams {
  const [program, ...args] = argv;
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...ENVIRONMENT, ...options.env },
    signal: options.signal,
    killSignal: 'SIGKILL',
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  running.add(child);
  child.once('close', () => running.delete(child));
  // A program that ends early closes its input; its exit code tells why.
  child.stdin.on('error', () => {});
  return child;
}

/**
 * Runs a program to its end and returns what it wrote.
 * @param input fed to its standard input; an error in it ends the program and is passed on
 * @throws CallFault KEEPER_PROGRAM_FAILED with the end of its complaint when it exits with anything but 0
 */
export async function run(
  argv: readonly [string, ...string[]],
  options: SpawnOptions,
  input: AsyncIterable<Buffer> | Iterable<Buffer> = [],
): Promise<Buffer> {
  const child = start(argv, options);
  const output: Buffer[] = [];
  let complaint = '';
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString('utf8')).slice(-COMPLAINT);
  });
  const ended = new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? signal));
  });
  // Awaited below; a rejection while the input is still being fed must not count as unhandled.
  ended.catch(() => {});
  try {
    await feed(child, input);
  } catch (error) {
    child.kill('SIGKILL');
    await ended.catch(() => {});
    throw error;
  }
  const end = await ended;
  if (end !== 0) {
    const what = argv
      .filter((one, at) => one !== '-c' && argv[at - 1] !== '-c')
      .slice(0, 2)
      .join(' ');
    throw new CallFault('KEEPER_PROGRAM_FAILED', `${what} ended with ${end}: ${complaint.trim()}`);
  }
  return Buffer.concat(output);
}

async function feed(child: ChildProcessWithoutNullStreams, input: AsyncIterable<Buffer> | Iterable<Buffer>) {
  const { stdin } = child;
  const closed = once(stdin, 'close').catch(() => {});
  for await (const chunk of input) {
    if (stdin.destroyed) break;
    if (!stdin.write(chunk)) await Promise.race([once(stdin, 'drain').catch(() => {}), closed]);
  }
  stdin.end();
}
