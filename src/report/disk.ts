/** What the repository's own folder takes on disk. What the engine holds is for `cleanup` to say: asking it takes long. */

import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { checkLogName } from '../review/check-logs.ts';
import type { Disk } from './figures.ts';

export async function diskOf(stateDir: string): Promise<Disk> {
  const [transcripts, checkLogs, state] = await Promise.all([
    bytesIn(join(stateDir, 'transcripts'), () => true),
    bytesIn(dirname(join(stateDir, checkLogName('any'))), () => true),
    bytesIn(stateDir, (name) => name.startsWith('state.db')),
  ]);
  return { transcripts, checkLogs, state };
}

/** Of the files right in a folder; 0 where there is no such folder, null where it cannot be read. */
async function bytesIn(folder: string, isCounted: (name: string) => boolean): Promise<number | null> {
  try {
    const names = (await readdir(folder)).filter(isCounted);
    const sizes = await Promise.all(
      names.map(async (name) => (await stat(join(folder, name)).catch(() => null))?.size ?? 0),
    );
    return sizes.reduce((sum, size) => sum + size, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 0 : null;
  }
}
