/** Conflict markers that a patch adds: what somebody began to resolve and did not finish. */

import { bytePath, printable } from '../keeper/names.ts';
import type { Flag } from '../types.ts';
import type { Hunk, ParsedPatch } from './parsed.ts';

/** An added line that begins or ends a conflict, as git writes it; `=======` alone is a heading's underline as well. */
const MARKER = /^\+(?:<{7}|>{7}|\|{7})(?: |\r?$)/gm;

/** Code `conflict-markers`: one flag for each file, with the number of markers that are added to it. */
export function conflictMarkers({ bytes, files }: ParsedPatch): Flag[] {
  return files.flatMap(({ newPath, content }): Flag[] => {
    if (newPath === null || content.type !== 'text') return [];
    const count = content.hunks.reduce((sum, hunk) => sum + markersIn(bytes, hunk), 0);
    if (count === 0) return [];
    const detail = `${count} conflict ${count === 1 ? 'marker' : 'markers'}: a conflict is not resolved`;
    return [{ code: 'conflict-markers', path: printable(bytePath(newPath)), detail }];
  });
}

function markersIn(bytes: Buffer, { start, end }: Hunk): number {
  return bytes.toString('latin1', start, end).match(MARKER)?.length ?? 0;
}
