/** What agents left on a host that was lost while they worked: fetched when it is back, as their attempts' salvaged patches. */

import { collectAgain } from '../patch/collect.ts';
import type { AttemptRecord } from '../state/records.ts';
import type { State } from '../state/state.ts';
import { HOST_LOST } from './faults.ts';
import { adoptAttempt, type RecoveryParts } from './recovery.ts';

/** So long a host that was lost is expected back, milliseconds. */
const EXPECTED_MS = 7 * 24 * 60 * 60_000;

/** Attempts whose sandboxes may still be on a host that was lost. */
export function leftBehind(state: State, host: string): readonly AttemptRecord[] {
  return state.lostWith(HOST_LOST, { host, since: new Date(Date.now() - EXPECTED_MS) });
}

export interface LeftBehindParts extends RecoveryParts {
  onWarning(line: string): void;
}

/** Ends what still runs there for attempts that were given up, keeps its work and removes it. */
export async function fetchLeftBehind(parts: LeftBehindParts): Promise<void> {
  for (const attempt of leftBehind(parts.state, parts.host.name)) {
    await fetchOne(parts, attempt).catch((error: Error) =>
      parts.onWarning(`what ${attempt.id} left on the host ${parts.host.name} could not be fetched: ${error.message}`),
    );
  }
}

async function fetchOne(parts: LeftBehindParts, attempt: AttemptRecord): Promise<void> {
  const found = await adoptAttempt(parts, attempt);
  if (found === null) return;
  const { start, adopted } = found;
  const { repository, state, host } = parts;
  // Its task is somebody else's by now.
  await adopted.sandbox.kill();
  const ended = await adopted.sandbox.ended();
  const patch = await collectAgain(repository, ended, { attempt: attempt.id, task: attempt.task, start });
  if (patch !== null && state.salvageLate(patch)) {
    parts.onWarning(
      `what ${attempt.id} had done on the host ${host.name} was fetched: orchestrate patch show ${attempt.id}`,
    );
  }
  await ended.discard();
}
