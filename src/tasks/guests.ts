/**
 * Who besides the coordinator has objects on the Docker engine: the open shells of people. Each holds a lock of its own,
 * which the kernel frees with the process, so that a run tells what is in use from what a killed shell left.
 */

import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ulid } from 'ulid';
import { type Exclusive, tryExclusive } from '../state/exclusive.ts';
import type { RunId } from '../types.ts';

const FOLDER = 'guests';
/** What SQLite keeps beside a file that is locked. */
const JOURNAL = '-journal';

export interface Guest extends Disposable {
  /** Takes the place of a run's id in the labels of what it has. */
  readonly id: RunId;
}

/** Makes this process a guest, to be called before it makes anything; `directory` is the state's and exists. */
export function registerGuest(directory: string): Guest {
  const folder = join(directory, FOLDER);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (;;) {
    const id = ulid() as RunId;
    const file = join(folder, id);
    const lock = tryExclusive(file);
    if (lock === null) continue;
    const leave = (): void => removeLocked(file, lock);
    // Between its making and its locking `liveGuests` may have taken the file for a dead one's.
    if (readdirSync(folder).includes(id)) return { id, [Symbol.dispose]: leave };
    leave();
  }
}

/** The guests that are alive now; what is left of the others here is removed. */
export function liveGuests(directory: string): RunId[] {
  const folder = join(directory, FOLDER);
  return namesIn(folder).filter((name) => {
    const file = join(folder, name);
    const lock = tryExclusive(file);
    if (lock === null) return true;
    removeLocked(file, lock);
    return false;
  }) as RunId[];
}

/** Nobody else can have the lock of a file that is not there any more. */
function removeLocked(file: string, lock: Exclusive): void {
  rmSync(file, { force: true });
  lock.release();
  rmSync(`${file}${JOURNAL}`, { force: true });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => !name.endsWith(JOURNAL));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
