/**
 * Process 1 and the agent as two users, for kernels that let a user end, stop or read its own process 1 (gVisor's does).
 * Process 1 is root then, with no right but to make processes of the agent's user; for all else it acts as that user.
 */

import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';

export interface Apart {
  /** Id of the agent's user and group. */
  readonly user: number;
  /** Holds the tools' token: anybody can read process 1's environment there. Gone once it is read. Null: there is none. */
  readonly secretFile: string | null;
}

let agent: number | null = null;

/** From here on. Returns the secret. */
export function standApart({ user, secretFile }: Apart): string | null {
  process.setgroups?.([]);
  process.setegid?.(user);
  process.seteuid?.(user);
  agent = user;
  if (secretFile === null) return null;
  const secret = readFileSync(secretFile, 'utf8');
  rmSync(secretFile);
  return secret;
}

/** As `spawn`, with the agent's user. */
export function spawnAgent(program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  if (agent === null) return spawn(program, args, options);
  const user = agent;
  return asRoot(user, () => spawn(program, args, { ...options, uid: user, gid: user }));
}

/** As `execFileSync` without output, with the agent's user. */
export function runAgent(program: string, args: readonly string[]): void {
  if (agent === null) {
    execFileSync(program, args);
    return;
  }
  const user = agent;
  asRoot(user, () => execFileSync(program, args, { uid: user, gid: user }));
}

/** A program of ours that only root may read; it has to call {@link leaveRoot} with its last argument before anything else. */
export function spawnOwn(program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  if (agent === null) return spawn(program, args, options);
  const user = agent;
  return asRoot(user, () => spawn(program, [...args, String(user)], options));
}

/** For good; does nothing where the program was not started as root. */
export function leaveRoot(user: string | undefined): void {
  if (user === undefined) return;
  const id = Number(user);
  process.setgroups?.([]);
  process.setgid?.(id);
  process.setuid?.(id);
}

function asRoot<Result>(user: number, act: () => Result): Result {
  process.seteuid?.(0);
  try {
    return act();
  } finally {
    process.seteuid?.(user);
  }
}
