/** After a run that was cut off when all its work was done: removes what it left in Docker. */

import { OrchestrateError } from '../src/errors.ts';
import type { State } from '../src/state/state.ts';
import type { Context } from './context.ts';
import { isUnknownHost } from './reach-host.ts';

/** Does nothing where the last run ended properly, or works still. Without a Docker engine a warning says what stays. */
export async function clearUp(context: Context, state: State): Promise<void> {
  const cutOff = state.currentRun();
  if (cutOff === null) return;
  const [{ connectHost }, { RUN_KINDS, sweep }, { liveGuests }, { acquireLock }, { hostsWithWork }] = await Promise.all(
    [
      import('../src/sandbox/docker/connect.ts'),
      import('../src/sandbox/docker/sweep.ts'),
      import('../src/tasks/guests.ts'),
      import('../src/tasks/lock.ts'),
      import('./hosts.ts'),
    ],
  );
  const startedAt = new Date().toISOString();
  const lock = acquireLock(state.directory, { pid: process.pid, startedAt, command: 'orchestrate run' });
  // Somebody is at work, who will do it.
  if ('heldBy' in lock) return;
  try {
    // Only the lock says that nobody works: what was seen before may be over, or have begun.
    if (state.currentRun()?.id !== cutOff.id || state.unendedAttempts().length > 0) return;
    const guests = (): readonly string[] => liveGuests(state.directory);
    for (const host of await hostsWithWork(context, state)) {
      await using connection = await connectHost(host, context.env).catch((error) => {
        if (!isUnknownHost(error)) throw error;
        return null;
      });
      if (connection === null) continue;
      await sweep(connection.docker, state.installation, { kinds: RUN_KINDS, dryRun: false, guests });
    }
    state.endRun(cutOff.id);
  } catch (error) {
    if (!(error instanceof OrchestrateError)) throw error;
    context.warn(`what a run that was cut off left in Docker stays for now: ${error.message}`);
  } finally {
    lock.release();
  }
}
