/** The last thing that an agent printed. */

import { open } from 'node:fs/promises';
import { sanitise, sanitiseLine } from '../src/sanitise.ts';
import { transcriptFile } from '../src/tasks/retention.ts';
import type { AttemptId } from '../src/types.ts';

const TAIL_BYTES = 16 * 1024;
const MAX_LENGTH = 500;

/** The last line of an attempt's transcript that shows anything, fit for a terminal; null where there is none. */
export async function lastLineOf(stateDir: string, attempt: AttemptId): Promise<string | null> {
  const file = await open(transcriptFile(stateDir, attempt), 'r').catch(() => null);
  if (file === null) return null;
  try {
    const from = Math.max(0, (await file.stat()).size - TAIL_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, from);
    const lines = sanitise(buffer.toString('utf8', 0, bytesRead))
      .split('\n')
      .map(sanitiseLine);
    // The first one may have been cut in the middle.
    const whole = from > 0 && lines.length > 1 ? lines.slice(1) : lines;
    return whole.findLast((line) => line.trim() !== '')?.slice(0, MAX_LENGTH) ?? null;
  } finally {
    await file.close();
  }
}
