/** The tools in a sandbox, called through the gateway: what passes calls on may be away for a while and come back. */

import { setTimeout as wait } from 'node:timers/promises';
import type { Toolbox } from './toolbox.ts';

type Json = Readonly<Record<string, unknown>>;

/** One call to the toolbox; rejects with an error that has a `code` where it did not get there or its answer got lost. */
export type AskToolbox = (method: string, params: Json, signal: AbortSignal) => Promise<Json>;

/** The toolbox, the gateway or the way to it is away: the same call again is right, since none is done twice. */
const AWAY: ReadonlySet<unknown> = new Set(['TOOLBOX_ABSENT', 'TOOLBOX_LOST', 'GATEWAY_LOST', 'SESSION_LOST']);
const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 1_000;

/**
 * @param gone aborted, with the reason, when the sandbox has ended: nobody comes back then
 * @returns calls reject with that reason, with their own signal's, or with what the toolbox refused
 */
export function remoteToolbox(ask: AskToolbox, gone: AbortSignal): Toolbox {
  const insist = async (method: string, params: Json, signal: AbortSignal): Promise<Json> => {
    const either = AbortSignal.any([signal, gone]);
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
      either.throwIfAborted();
      try {
        return await orAborted(ask(method, params, either), either);
      } catch (error) {
        either.throwIfAborted();
        if (!(error instanceof Error && 'code' in error && AWAY.has(error.code))) throw error;
      }
      // Its end shows at the beginning of the next round.
      await wait(waitMs, undefined, { signal: either }).catch(() => {});
    }
  };
  return {
    call: async ({ n, tool, input, timeoutMs }, signal) => {
      const { text, isError } = await insist('call', { n, tool, input, timeoutMs }, signal);
      return { text: String(text), isError: isError === true };
    },
    acknowledge: async (n) => {
      await insist('acknowledge', { n }, gone);
    },
    finish: async () => {
      await insist('finish', {}, gone).catch((error: unknown) => {
        // It has ended, which is what was asked for.
        if (!gone.aborted) throw error;
      });
    },
  };
}

/** @throws the signal's reason as soon as it is aborted, whatever the other side still waits for */
function orAborted<T>(asked: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    asked.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
