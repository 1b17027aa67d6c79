/**
 * The only place that spawns git: argument arrays, bytes in and out, an environment made by the caller.
 * What a failed git says becomes one clear error here.
 */

import { Readable } from 'node:stream';
import { execa } from 'execa';
import { environmentError, failure, type OrchestrateError } from '../errors.ts';

/** Where and how a git process runs. `env` is the whole environment of the process; nothing is inherited. */
export interface GitEnvironment {
  /** Not given: git looks for the repository from `cwd`. */
  readonly gitDir?: string;
  readonly workTree?: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** `key=value`, each given to git as `-c`. */
  readonly config: readonly string[];
}

export interface GitOptions {
  readonly input?: Uint8Array | string;
  /** Exit codes that are an answer and not a failure, besides 0. */
  readonly accept?: readonly number[];
  /** Added to the environment of this one process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Added to the configuration of this one process: `key=value`. */
  readonly config?: readonly string[];
  /** In a session of its own, so that Ctrl-C on the terminal does not stop it halfway. */
  readonly shielded?: boolean;
}

export interface GitResult {
  readonly stdout: Buffer;
  readonly stderr: string;
  readonly exitCode: number;
}

/** A little above what `git apply` takes (1023 MiB). */
const MAX_OUTPUT_BYTES = 1024 * 1024 * 1024;

const COMMON = { extendEnv: false, reject: false, stripFinalNewline: false, encoding: 'buffer' } as const;

/**
 * Runs git to its end.
 * Throws an OrchestrateError for every exit code but 0 and `accept`: `NO_GIT`, `DISK_FULL`, `REPOSITORY_READ_ONLY`,
 * `MISSING_OBJECTS` (environment), `REPOSITORY_LOCKED`, `GIT_FAILED` (failure).
 */
export async function git(
  where: GitEnvironment,
  args: readonly string[],
  options: GitOptions = {},
): Promise<GitResult> {
  const result = await execa('git', argumentsOf(where, args, options), {
    ...COMMON,
    cwd: where.cwd,
    env: environmentOf(where, options),
    maxBuffer: MAX_OUTPUT_BYTES,
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    ...(options.shielded === true ? { detached: true, cleanup: false } : {}),
  });
  const answer = answerOf(result);
  if (answer.exitCode !== 0 && options.accept?.includes(answer.exitCode) !== true) throw gitError(args, answer);
  return answer;
}

export type GitProcess = ReturnType<typeof startGit>;

/** Starts git with its stdin and stdout as streams; `await endOf(process, args)` afterwards. Always end or kill it. */
export function startGit(where: GitEnvironment, args: readonly string[], options: GitOptions = {}) {
  return execa('git', argumentsOf(where, args, options), {
    ...COMMON,
    cwd: where.cwd,
    env: environmentOf(where, options),
    buffer: { stdout: false, stderr: true } as const,
    stdin: 'pipe' as const,
    stdout: 'pipe' as const,
    ...(options.shielded === true ? { detached: true } : {}),
  });
}

/** Waits for the end of a started git; throws as `git` does. */
export async function endOf(process: GitProcess, args: readonly string[]): Promise<void> {
  const answer = answerOf(await process);
  if (answer.exitCode !== 0) throw gitError(args, answer);
}

interface StreamedGit {
  readonly where: GitEnvironment;
  readonly args: readonly string[];
  readonly input: string;
}

/** What git writes to stdout, as a stream that fails when git fails. git starts with the first read. */
export function gitStream(prepare: () => Promise<StreamedGit>): Readable {
  async function* output(): AsyncGenerator<Uint8Array> {
    const { where, args, input } = await prepare();
    // A Ctrl-C is for the pager that shows it; a reader that is gone ends it by itself.
    const process = startGit(where, args, { shielded: true });
    // A git that dies early is told by its exit code, not by the broken pipe.
    process.stdin.on('error', () => undefined);
    process.stdin.end(input);
    try {
      for await (const chunk of process.stdout as AsyncIterable<Uint8Array>) yield chunk;
      await endOf(process, args);
    } finally {
      process.kill();
      await process;
    }
  }
  return Readable.from(output(), { objectMode: false });
}

function argumentsOf(where: GitEnvironment, args: readonly string[], options: GitOptions): string[] {
  const config = [...where.config, ...(options.config ?? [])];
  return [...config.flatMap((entry) => ['-c', entry]), ...args];
}

function environmentOf(where: GitEnvironment, options: GitOptions): Record<string, string> {
  return {
    ...where.env,
    ...(where.gitDir === undefined ? {} : { GIT_DIR: where.gitDir }),
    ...(where.workTree === undefined ? {} : { GIT_WORK_TREE: where.workTree }),
    ...options.env,
  };
}

interface Ended {
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
  readonly code?: string | undefined;
  readonly stdout?: unknown;
  readonly stderr?: unknown;
  readonly originalMessage?: string | undefined;
  readonly isMaxBuffer?: boolean;
}

function answerOf(result: Ended): GitResult {
  if (result.code === 'ENOENT') {
    throw environmentError('NO_GIT', 'git was not found.', {
      hint: 'Install git 2.38 or newer and put it on the PATH.',
    });
  }
  const stderr = result.stderr instanceof Uint8Array ? Buffer.from(result.stderr).toString('utf8') : '';
  const why =
    result.isMaxBuffer === true ? 'its output is larger than 1 GiB' : (result.signal ?? result.originalMessage);
  return {
    stdout: result.stdout instanceof Uint8Array ? toBuffer(result.stdout) : Buffer.alloc(0),
    stderr: result.exitCode === undefined || result.isMaxBuffer === true ? `${stderr}\nfatal: ${why}` : stderr,
    exitCode: result.isMaxBuffer === true ? 255 : (result.exitCode ?? 255),
  };
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const MISSING =
  /unable to read (?:(?:tree|blob|commit) |object |[0-9a-f]{40})|missing (?:blob|tree|commit|necessary)|could not read [0-9a-f]{40}|bad (?:tree|blob) object|not a valid object name [0-9a-f]{40}|unable to (?:get type of|parse) object|invalid object [0-9]* ?[0-9a-f]{40}|failed to (?:read|parse|unpack tree) (?:object )?[0-9a-f]{40}|unknown object type|bad object [0-9a-f]{40}|cannot read existing object|promisor remote|collect_merge_info failed|reading tree/i;

/** The OrchestrateError for a git that failed, from what it said (git must have run with LC_ALL=C). */
export function gitError(args: readonly string[], result: { stderr: string; exitCode: number }): OrchestrateError {
  const said = complaintOf(result.stderr);
  const verb = args.find((arg) => !arg.startsWith('-')) ?? '';
  if (/No space left on device|Disk quota exceeded/i.test(result.stderr)) {
    return environmentError('DISK_FULL', 'There is no space left on the disk of the git repository.', {
      hint: 'Free some space and try again.',
    });
  }
  if (/\.lock': File exists|index file open failed: .*lock|Another git process/i.test(result.stderr)) {
    return failure('REPOSITORY_LOCKED', `Another git process is at work in this repository: ${said}`, {
      hint: 'Wait for it to end; if none runs, remove the .lock file that is named.',
    });
  }
  if (/Read-only file system|Permission denied|insufficient permission/i.test(result.stderr)) {
    return environmentError('REPOSITORY_READ_ONLY', `The git repository cannot be written: ${said}`, {
      hint: 'Check the owner and the permissions of the .git folder.',
    });
  }
  if (MISSING.test(result.stderr)) {
    return environmentError('MISSING_OBJECTS', `The git repository lacks objects that are needed: ${said}`, {
      hint: 'A partial clone does not have them all: fetch them with `git fetch --refetch --no-filter`, or repair with `git fsck`.',
    });
  }
  return failure('GIT_FAILED', `git ${verb} failed: ${said === '' ? `exit code ${result.exitCode}` : said}`);
}

/** The line of git's stderr that says what is wrong. */
function complaintOf(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  const line = lines.find((each) => /^(?:fatal|error): /.test(each)) ?? lines.at(-1) ?? '';
  return line.replace(/^(?:fatal|error): /, '').trim();
}
