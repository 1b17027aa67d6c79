/** One process at a time lands anything in a repository: `merge`, `patch apply`, a run with `--auto-merge`. */

import { join } from 'node:path';
import { failure } from '../errors.ts';
import type { Repository } from '../git/repository.ts';
import { type Exclusive, tryExclusive } from '../state/exclusive.ts';
import type { State } from '../state/state.ts';
import { recoverMerges } from './recover.ts';

/** Landing takes less than a second; what takes longer is a large work tree. */
const WAIT_MS = 30_000;
const POLL_MS = 25;

/**
 * Does `act` while no other process lands, after what a killed one left was mended. `onWarning`: a line for people.
 * Failure LANDING where another process lands for longer than half a minute.
 */
export async function whileLanding<Result>(
  repository: Repository,
  state: State,
  onWarning: (line: string) => void,
  act: () => Promise<Result>,
): Promise<Result> {
  const lock = await landingLock(state.directory);
  try {
    for (const line of await recoverMerges(repository, state)) onWarning(line);
    return await act();
  } finally {
    lock.release();
  }
}

async function landingLock(directory: string): Promise<Exclusive> {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const lock = tryExclusive(join(directory, 'landing.db'));
    if (lock !== null) return lock;
    if (performance.now() > deadline) {
      throw failure('LANDING', 'Another process is landing patches in this repository, and does not end.', {
        hint: 'Run the command again when that one is done.',
      });
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Held by one `merge` from its start to its end; null while another one holds it. */
export function tryMergeLock(state: State): Exclusive | null {
  return tryExclusive(join(state.directory, 'merge.db'));
}
