/** Keeps a process small that passes on a lot: the collector lets buffers that nobody needs any more pile up. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Looked at so often, milliseconds; with more than so many bytes of buffers the young ones are collected. */
const LOOK_EVERY_MS = 100;
const MOST_BYTES = 32 * 1024 ** 2;

/** Returns how to end that. */
export function collectEarly(): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (how: { readonly type: 'minor' }) => void;
  const timer = setInterval(() => {
    if (process.memoryUsage().arrayBuffers > MOST_BYTES) collect({ type: 'minor' });
  }, LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
