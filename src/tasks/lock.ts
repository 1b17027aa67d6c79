/** One coordinator per repository: who holds the lock, and who to name to those who do not get it. */

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Exclusive, tryExclusive } from '../state/exclusive.ts';
import { LOCK_FILE } from '../state/migrate.ts';

const HOLDER_FILE = 'lock.json';
/** How long a loser waits for the winner to say who it is, and for a migration, which holds the lock for a moment. */
const NAME_TIMEOUT_MS = 2_000;
const POLL_MS = 10;

export interface Holder {
  readonly pid: number;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly command: string;
}

export interface Lock extends Disposable {
  /** Frees the lock; again does nothing. The kernel does it when the process ends, however that happens. */
  release(): void;
}

/**
 * Makes this process the coordinator of the repository whose state is in `directory` (which exists), or says who is.
 * `heldBy.pid` is 0 where the holder did not say who it is within two seconds.
 */
export function acquireLock(directory: string, holder: Holder): Lock | { readonly heldBy: Holder } {
  const started = performance.now();
  for (;;) {
    const lock = tryExclusive(join(directory, LOCK_FILE));
    if (lock !== null) return named(directory, holder, lock);
    const heldBy = readHolder(directory);
    if (heldBy !== null && isAlive(heldBy.pid)) return { heldBy };
    // Between taking the lock and saying so the file names nobody, or one that was killed.
    if (performance.now() - started > NAME_TIMEOUT_MS) {
      return { heldBy: heldBy ?? { pid: 0, startedAt: new Date().toISOString(), command: 'unknown' } };
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
  }
}

/** Who coordinates the repository whose state is in `directory` now; null when nobody does. */
export function lockHolder(directory: string): Holder | null {
  const holder = readHolder(directory);
  if (holder === null) return null;
  const lock = tryExclusive(join(directory, LOCK_FILE));
  lock?.release();
  return lock === null ? holder : null;
}

function named(directory: string, holder: Holder, lock: Exclusive): Lock {
  const file = join(directory, HOLDER_FILE);
  const release = () => {
    if (!lock.isHeld()) return;
    rmSync(file, { force: true });
    lock.release();
  };
  try {
    writeFileSync(`${file}.new`, JSON.stringify(holder), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  } catch (error) {
    release();
    throw error;
  }
  return { release, [Symbol.dispose]: release };
}

function readHolder(directory: string): Holder | null {
  try {
    return JSON.parse(readFileSync(join(directory, HOLDER_FILE), 'utf8')) as Holder;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
