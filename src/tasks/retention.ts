/**
 * What goes unasked at the end of a run. Transcripts on disk: where they are, and when they go. One that grew long has
 * earlier parts, `<attempt>.log.<n>`.
 */

import { readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { collectGarbage } from '../git/objects.ts';
import type { Repository } from '../git/repository.ts';
import { retainCheckLogs } from '../review/check-logs.ts';
import type { State } from '../state/state.ts';
import type { AttemptId } from '../types.ts';
import { dropOldResults } from './results.ts';
import { runLogFolder } from './run-log.ts';

/** How long transcripts are kept without being asked for. */
export const TRANSCRIPT_AGE_MS = 30 * 24 * 3_600_000;

/** Of all transcripts together: the ones that were written to longest ago go beyond this. */
const TRANSCRIPTS_BYTES = 5 * 1024 ** 3;

const NAME = /^(.+)\.log(?:\.\d+)?$/;

/** For the end of a run: transcripts, what checks printed, refs and git objects that are old enough for nobody to miss them. */
export async function dropOld(repository: Repository, state: State, now: Date): Promise<void> {
  await retainTranscripts(repository.stateDir, now);
  await retainCheckLogs(repository.stateDir, now);
  await retainRunLogs(repository.stateDir, now);
  await dropOldResults(repository, state, now);
  await collectGarbage(repository);
}

/** Drops the logs of runs that nothing was written to for as long as transcripts are kept. */
export async function retainRunLogs(stateDir: string, now: Date): Promise<void> {
  const old = await oldRunLogs(stateDir, new Date(now.getTime() - TRANSCRIPT_AGE_MS));
  await removeRunLogs(stateDir, old).catch(() => undefined);
}

/** Names of the logs of runs, their earlier parts too, that were not written to after `before`; sorted. */
export async function oldRunLogs(stateDir: string, before: Date): Promise<string[]> {
  const folder = runLogFolder(stateDir);
  const old: string[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    const file = await stat(join(folder, name)).catch(() => null);
    if (file !== null && file.mtimeMs <= before.getTime()) old.push(name);
  }
  return old.sort();
}

/** Ones that are gone are no error. */
export async function removeRunLogs(stateDir: string, names: readonly string[]): Promise<void> {
  for (const name of names) await rm(join(runLogFolder(stateDir), name), { force: true });
}

/** The newest part of an attempt's transcript; it need not exist. */
export function transcriptFile(stateDir: string, attempt: AttemptId): string {
  return join(folderOf(stateDir), `${attempt}.log`);
}

/** Where an attempt's conversation with the model is kept, for a coordinator that goes on with it; goes with its transcript. */
export function conversationFolder(stateDir: string, attempt: AttemptId): string {
  return join(stateDir, 'conversations', attempt);
}

/** Numbers of the earlier parts of a transcript that are still there, `<file>.<number>`, ascending. */
export async function earlierParts(file: string): Promise<number[]> {
  const prefix = `${basename(file)}.`;
  const names = await readdir(dirname(file)).catch(() => []);
  const numbers = names.filter((name) => name.startsWith(prefix)).map((name) => Number(name.slice(prefix.length)));
  return numbers.filter((number) => Number.isSafeInteger(number)).sort((a, b) => a - b);
}

/**
 * Drops the transcripts that nothing was written to for 30 days, and more of the oldest where all together are above
 * `maxBytes`; for the end of a run, when no attempt is under way. Returns whose they were, sorted. What cannot be removed
 * stays: it is no reason for a run to fail.
 */
export async function retainTranscripts(
  stateDir: string,
  now: Date,
  maxBytes: number = TRANSCRIPTS_BYTES,
): Promise<AttemptId[]> {
  const transcripts = [...(await transcriptsIn(stateDir))].sort(([, a], [, b]) => b.lastMs - a.lastMs);
  let bytes = 0;
  const old = transcripts.filter(([, transcript]) => {
    bytes += transcript.bytes;
    return bytes > maxBytes || transcript.lastMs <= now.getTime() - TRANSCRIPT_AGE_MS;
  });
  const dropped = old.map(([attempt]) => attempt).sort();
  await removeTranscripts(stateDir, dropped).catch(() => undefined);
  return dropped;
}

/** Attempts with a transcript, no part of which was written to after `before`; sorted. */
export async function oldTranscripts(stateDir: string, before: Date): Promise<AttemptId[]> {
  const transcripts = [...(await transcriptsIn(stateDir))];
  return transcripts.filter(([, { lastMs }]) => lastMs <= before.getTime()).map(([attempt]) => attempt);
}

interface Transcript {
  /** When something was written to it last, milliseconds since the epoch. */
  readonly lastMs: number;
  readonly bytes: number;
}

async function transcriptsIn(stateDir: string): Promise<Map<AttemptId, Transcript>> {
  const transcripts = new Map<AttemptId, Transcript>();
  for (const [name, attempt] of await partsIn(stateDir)) {
    const file = await stat(join(folderOf(stateDir), name)).catch(() => null);
    if (file === null) continue;
    const { lastMs, bytes } = transcripts.get(attempt) ?? { lastMs: 0, bytes: 0 };
    transcripts.set(attempt, { lastMs: Math.max(lastMs, file.mtimeMs), bytes: bytes + file.size });
  }
  return transcripts;
}

/** Removes all parts of the transcripts of these attempts; ones that are gone are no error. */
export async function removeTranscripts(stateDir: string, attempts: readonly AttemptId[]): Promise<void> {
  const gone = new Set(attempts);
  if (gone.size === 0) return;
  for (const [name, attempt] of await partsIn(stateDir)) {
    if (gone.has(attempt)) await rm(join(folderOf(stateDir), name), { force: true });
  }
  for (const attempt of gone) await rm(conversationFolder(stateDir, attempt), { recursive: true, force: true });
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
