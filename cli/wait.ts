/** Waiting for what another process does, as its traces in the state. */

import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 100;

/** How long a command that asks the live run to stop something waits for it: TERM, 10 seconds, KILL; then the work is collected. */
export const STOP_TIMEOUT_MS = 45_000;

/** Asks again and again until the answer is yes (true) or the time is over (false). */
export async function waitUntil(isSo: () => boolean, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    if (isSo()) return true;
    if (performance.now() >= deadline) return false;
    await sleep(POLL_MS);
  }
}
