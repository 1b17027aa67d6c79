/** Transcripts on disk: where they are, and when they go. One that grew long has earlier parts, `<attempt>.log.<n>`. */

import { readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { AttemptId } from '../types.ts';

/** How long transcripts are kept without being asked for. */
export const TRANSCRIPT_AGE_MS = 30 * 24 * 3_600_000;

const NAME = /^(.+)\.log(?:\.\d+)?$/;

/** The newest part of an attempt's transcript; it need not exist. */
export function transcriptFile(stateDir: string, attempt: AttemptId): string {
  return join(folderOf(stateDir), `${attempt}.log`);
}

/** Numbers of the earlier parts of a transcript that are still there, `<file>.<number>`, ascending. */
export async function earlierParts(file: string): Promise<number[]> {
  const prefix = `${basename(file)}.`;
  const names = await readdir(dirname(file)).catch(() => []);
  const numbers = names.filter((name) => name.startsWith(prefix)).map((name) => Number(name.slice(prefix.length)));
  return numbers.filter((number) => Number.isSafeInteger(number)).sort((a, b) => a - b);
}

/**
 * Drops the transcripts that nothing was written to for 30 days; for the end of a run, when no attempt is under way.
 * Returns whose they were. What cannot be removed stays: it is no reason for a run to fail.
 */
export async function retainTranscripts(stateDir: string, now: Date): Promise<AttemptId[]> {
  const old = await oldTranscripts(stateDir, new Date(now.getTime() - TRANSCRIPT_AGE_MS));
  await removeTranscripts(stateDir, old).catch(() => undefined);
  return old;
}

/** Attempts with a transcript, no part of which was written to after `before`; sorted. */
export async function oldTranscripts(stateDir: string, before: Date): Promise<AttemptId[]> {
  const written = new Map<AttemptId, number>();
  for (const [name, attempt] of await partsIn(stateDir)) {
    const file = await stat(join(folderOf(stateDir), name)).catch(() => null);
    if (file !== null) written.set(attempt, Math.max(written.get(attempt) ?? 0, file.mtimeMs));
  }
  return [...written].filter(([, last]) => last <= before.getTime()).map(([attempt]) => attempt);
}

/** Removes all parts of the transcripts of these attempts; ones that are gone are no error. */
export async function removeTranscripts(stateDir: string, attempts: readonly AttemptId[]): Promise<void> {
  const gone = new Set(attempts);
  if (gone.size === 0) return;
  for (const [name, attempt] of await partsIn(stateDir)) {
    if (gone.has(attempt)) await rm(join(folderOf(stateDir), name), { force: true });
  }
}

/** Names of files, each with the attempt that it belongs to, sorted. */
async function partsIn(stateDir: string): Promise<[string, AttemptId][]> {
  const names = await readdir(folderOf(stateDir)).catch(() => []);
  return names.sort().flatMap((name): [string, AttemptId][] => {
    const attempt = NAME.exec(name)?.[1];
    return attempt === undefined ? [] : [[name, attempt as AttemptId]];
  });
}

function folderOf(stateDir: string): string {
  return join(stateDir, 'transcripts');
}
