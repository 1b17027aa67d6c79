/** What a call gives: its answer, or JSON Lines on its stream. */

import type { OpenedCall } from '../session/caller.ts';

/** Until the stream ends or the signal fires; values have the shape that the caller names: both sides are built together. */
export async function* jsonLines<Value>(call: OpenedCall, signal: AbortSignal): AsyncGenerator<Value> {
  const cancel = (): void => call.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    if (signal.aborted) cancel();
    let rest: Buffer = Buffer.alloc(0);
    for await (const chunk of call.stream) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      for (let end = rest.indexOf('\n'); end !== -1; end = rest.indexOf('\n')) {
        const value: unknown = JSON.parse(rest.subarray(0, end).toString('utf8'));
        rest = rest.subarray(end + 1);
        yield value as Value;
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', cancel);
    cancel();
  }
}

/** Gives the call up when the signal fires, and rejects with its reason at once: whoever serves it may take its time. */
export async function resultOf(call: OpenedCall, signal: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      call.cancel();
      reject(signal.reason);
    };
  });
  signal.addEventListener('abort', onAbort);
  try {
    if (signal.aborted) onAbort();
    return await Promise.race([call.result, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
