/** Finds a session whose other side hangs: it is asked something cheap now and then, and left when it does not answer. */

import type { Caller } from './caller.ts';

export interface HeartbeatTimes {
  /** From one question to the next, milliseconds. */
  readonly everyMs: number;
  /** For the answer, in two parts: a process that was stopped itself has an answer waiting after the first. */
  readonly halfLimitMs: number;
}

/** A hanging side-car is found within half a minute. */
const HEARTBEAT: HeartbeatTimes = { everyMs: 10_000, halfLimitMs: 9_000 };

/**
 * Closes the session, so that what is under way fails as SESSION_LOST, once its other side has not answered in time. Asks
 * only while something is under way; keeps no process alive. Any answer counts, a refusal too.
 */
export function keepBeating(session: Caller, times: HeartbeatTimes = HEARTBEAT): void {
  const beat = async (): Promise<void> => {
    if (session.isClosed) return;
    if (session.isBusy && !(await answers(session, times.halfLimitMs))) session.close();
    else plan();
  };
  const plan = (): void => void setTimeout(() => void beat(), times.everyMs).unref();
  plan();
}

async function answers(session: Caller, halfLimitMs: number): Promise<boolean> {
  const call = session.call('hello');
  void call.send([]);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    const halfTime = (): void => {
      timer = setTimeout(() => resolve(false), halfLimitMs).unref();
    };
    timer = setTimeout(halfTime, halfLimitMs).unref();
  });
  const answered = call.result.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([answered, late]);
  } finally {
    clearTimeout(timer);
  }
}
